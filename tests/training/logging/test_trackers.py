"""Trackers are told what happens and can never stop a training."""

import json
import threading

import pytest

import impasto
from impasto.errors import InputError, MissingDependencyError
from impasto.training.logging import trackers
from impasto.training.logging.events import Progress, Snapshot, Started, Stopped, TrackerFailed
from tests.small_runs import NETWORKS, SMALL

# MLflow itself uses what SQLAlchemy and others are about to drop.
ITS_OWN_WARNINGS = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


class Notebook:
    """A tracker that writes down what it is told."""

    number = "1"

    def __init__(self, fails=()):
        self.told, self.fails = [], fails

    def _note(self, kind, *what):
        if kind in self.fails:
            raise ConnectionError("the line is dead\nand more of it")
        self.told.append((kind, *what))

    def numbers(self, values, images_seen):
        self._note("numbers", images_seen, values)

    def words(self, name, text):
        self._note("words", name, text)

    def picture(self, path, images_seen):
        self._note("picture", path, images_seen)

    def close(self, *, failed):
        self._note("close", failed)


def progress(images):
    return Progress(images, 0.7, 1.2, 0.8, 0.7, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.9, 50.0, None)


def test_numbers_words_and_pictures_arrive_in_order(tmp_path):
    notebook, said = Notebook(), []
    sink = trackers.TrackerSink("x", notebook, tmp_path, said.append)
    for event in (progress(8), Snapshot(8, "samples/8.png"), Stopped(8, "images", "after 8 images", 1.0)):
        sink(event)
    sink.close()
    assert [told[0] for told in notebook.told] == ["numbers", "picture", "words", "close"]
    assert notebook.told[0][1:][0] == 8
    assert notebook.told[0][2]["generator_loss"] == 1.2
    assert "unix_time" not in notebook.told[0][2]
    assert notebook.told[1][1] == tmp_path / "samples/8.png"
    assert notebook.told[-1] == ("close", False)
    assert said == []


def test_a_failure_is_said_once_and_the_rest_still_arrives(tmp_path):
    notebook, said = Notebook(fails=("numbers",)), []
    sink = trackers.TrackerSink("x", notebook, tmp_path, said.append)
    for images in (8, 16):
        sink(progress(images))
    sink(Stopped(16, "diverged", "not finite", 1.0))
    sink.close()
    assert [(e.tracker, e.words) for e in said] == [("x", "the line is dead")]
    assert notebook.told[-1] == ("close", True)


def test_a_tracker_that_hangs_holds_nobody_up(tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, "MOST_WAITING", 2)
    monkeypatch.setattr(trackers, "CLOSING_SECONDS", 0.2)
    go_on, said = threading.Event(), []
    notebook = Notebook()
    notebook.numbers = lambda *_: go_on.wait(200)
    sink = trackers.TrackerSink("x", notebook, tmp_path, said.append)
    for images in range(0, 80, 8):
        sink(progress(images))
    sink.close()
    go_on.set()
    assert [type(e) for e in said] == [TrackerFailed]
    assert "misses events" in said[0].words


def test_what_is_missing_is_said_before_anything_begins(shapes, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no tracker 'comet'"):
        impasto.train(shapes, tmp_path / "run", track=["comet"])
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'impasto\[wandb\]'"):
        impasto.train(shapes, tmp_path / "run", track=["wandb"])
    assert not (tmp_path / "run").exists()


def train(shapes, out, track, images=80, **more):
    return impasto.train(
        shapes, out, preset="mlp", overrides=SMALL | NETWORKS["mlp"], images=images, track=[track], **more
    )


@ITS_OWN_WARNINGS
def test_mlflow_knows_the_run_and_goes_on_with_it(shapes, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)  # artifacts lie beside the store
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    train(shapes, tmp_path / "run", "mlflow")
    train(shapes, tmp_path / "run", "mlflow", images=160, resume=True)
    client = MlflowClient()
    experiment = client.get_experiment_by_name("impasto")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "run"
    assert run.info.status == "FINISHED"
    assert run.data.params["image.size"] == "16"
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "distance")]
    assert steps[-1] == 160
    assert len(steps) == 2
    assert [f.path for f in client.list_artifacts(run.info.run_id, "samples")]
    assert "160" in run.data.tags["impasto.stopped"]


@ITS_OWN_WARNINGS
def test_a_lost_store_stops_no_training(shapes, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")

    def lose(event):
        if isinstance(event, Started):
            monkeypatch.setattr(trackers.Mlflow, "numbers", lambda *_: 1 / 0)

    run = train(shapes, tmp_path / "run", "mlflow", sinks=[lose])
    assert run.reason.condition == "images"
    records = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert [r["words"] for r in records if r["event"] == "trackerfailed"] == ["division by zero"]


def test_wandb_offline_leaves_the_run_on_disk(shapes, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    train(shapes, tmp_path / "run", "wandb")
    (kept,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    assert b"frechet_distance" in kept.read_bytes()
    assert b"memory_percent" not in kept.read_bytes()  # what the computer does is nobody's business
    assert json.loads((tmp_path / "run" / "trackers.json").read_text())["wandb"] in kept.name


def test_without_a_login_wandb_says_what_to_do(shapes, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")

    def refuse(**_):
        raise wandb.errors.UsageError("No API key configured.")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(InputError, match="WANDB_MODE=offline"):
        train(shapes, tmp_path / "run", "wandb")
