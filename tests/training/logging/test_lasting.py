"""What a run survives: a terminal that goes, a full disk, damage, others in its folder, impatience."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from rich.console import Console

import impasto
from impasto.errors import CheckpointError, InputError, TrainingError
from impasto.training import clock
from impasto.training import state as states
from impasto.training.checkpoints import load_state
from impasto.training.distributed import launch
from impasto.training.logging import events
from impasto.training.logging.sinks import JsonlSink, LastingStream, Sinks, TerminalSink
from impasto.training.signals import Interruption

SMALL = {
    "image.size": 16,
    "model.hidden": [16],
    "train.batch_size": 8,
    "train.evaluate_samples": 16,
    "train.snapshot_every_images": 400,
    "train.evaluate_every_images": 2000,
    "train.precision": "float32",
    "train.device": "cpu",
}


def train(pictures, out, overrides=None, **kwargs):
    return impasto.train(pictures, out, preset="mlp", overrides=SMALL | (overrides or {}), **kwargs)


def records(out):
    path = out / "events.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal here")
def test_a_run_outlives_its_pipe_and_ends_saved_on_sighup(shapes, tmp_path):
    """As `impasto train ... | head -1` does, in a terminal that is closed later."""
    out = tmp_path / "run"
    settings = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "impasto", "train", str(shapes), "--out", str(out), "--preset", "mlp"]
    with subprocess.Popen([*command, *settings], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.stdout.close()
        deadline = time.monotonic() + 300
        while sum(r["event"] == "progress" for r in records(out)) < 3 and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGHUP)
        assert process.wait(300) == 130, process.stderr.read()
        assert process.stderr.read() == b""
    last = records(out)[-1]
    assert (last["event"], last["condition"]) == ("stopped", "interrupted")
    assert load_state(out / "state.safetensors")[1]["images_seen"] == last["images_seen"] > 0


def test_a_stream_whose_reader_is_gone_can_be_written_to():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as broken:
        console = Console(file=LastingStream(broken), force_terminal=True)
        with TerminalSink(console) as sink:
            for _ in range(3):
                sink(events.Stopped(8, "images", "enough", 1.0))
                broken.flush()


def test_a_sink_that_fails_is_named_once_and_told_on(tmp_path):
    seen, tries = [], []

    def fails(event):
        tries.append(event)
        raise OSError(errno.ENOSPC, "No space left on device")

    jsonl = JsonlSink(tmp_path / "events.jsonl", 0)
    tell = Sinks([fails, seen.append])
    tell.add(jsonl)
    for images in (8, 16):
        tell(events.Checkpointed(images, "state"))
    tell.close()
    tell.close()
    assert sorted(type(e).__name__ for e in seen) == ["Checkpointed", "Checkpointed", "SinkFailed"]
    assert len(tries) == 3
    failed = next(e for e in seen if isinstance(e, events.SinkFailed))
    assert (failed.sink, failed.words) == ("fails", "[Errno 28] No space left on device")


def test_no_sink_ends_a_run(shapes, tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.training.logging.sinks.TensorBoardSink.__call__", lambda *_: 1 / 0)
    run = train(shapes, tmp_path / "run", images=80)
    assert run.images_seen == 80
    failed = [r for r in records(tmp_path / "run") if r["event"] == "sinkfailed"]
    assert [(r["sink"], r["words"]) for r in failed] == [("TensorBoard", "division by zero")]


def test_the_end_is_saved_before_it_is_measured(shapes, tmp_path, monkeypatch):
    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("impasto.tasks.generation.learner.GeneratorLearner.measure", killed)
    with pytest.raises(KeyboardInterrupt):
        train(shapes, tmp_path / "run", images=80)
    monkeypatch.undo()
    assert load_state(tmp_path / "run" / "state.safetensors")[1]["images_seen"] == 80
    assert train(shapes, tmp_path / "run", images=80, resume=True).evaluations[-1]["images_seen"] == 80


def test_the_first_checkpoint_comes_early(shapes, tmp_path, monkeypatch):
    """And then every `checkpoint_every_seconds`, here an hour."""
    monkeypatch.setattr(clock, "FIRST_CHECKPOINT_SECONDS", 0.0)
    seen = []
    hourly = {"train.checkpoint_every_seconds": 3600}
    train(shapes, tmp_path / "run", hourly, images=80, sinks=[seen.append])
    saved = [e.images_seen for e in seen if isinstance(e, events.Checkpointed)]
    assert [images for images in saved if images < 80] == [0, 0, 8]


def test_a_full_disk_is_explained_and_the_last_state_stays(shapes, tmp_path, monkeypatch):
    out = tmp_path / "a run"
    train(shapes, out, images=16)
    before = (out / "state.safetensors").read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("impasto.files._sync", full)
        with pytest.raises(TrainingError, match=r"a run.*cannot be written: No space left") as caught:
            train(shapes, out, images=32, resume=True)
        assert "--resume" in caught.value.hint
        with pytest.raises(TrainingError, match="cannot be written") as caught:
            train(shapes, tmp_path / "other", images=32)
        assert "--resume" not in caught.value.hint
    assert (out / "state.safetensors").read_bytes() == before
    assert train(shapes, out, images=32, resume=True).images_seen == 32
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_damaged_state_points_to_one_that_is_whole(shapes, tmp_path):
    out = tmp_path / "run"
    train(shapes, out, images=16)
    kept = max((out / "healthy").iterdir()).read_bytes()
    path = out / "state.safetensors"
    damaged = bytearray(path.read_bytes())
    damaged[-5] ^= 4
    path.unlink()  # healthy/ holds the same file by another name
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="damaged") as caught:
        train(shapes, out, images=32, resume=True)
    command = caught.value.hint
    assert str(out / "healthy") in command
    assert "--resume" in command
    for whole in (out / "healthy").iterdir():
        whole.unlink()
    with pytest.raises(CheckpointError, match="damaged") as caught:
        train(shapes, out, images=32, resume=True)
    assert "new run" in caught.value.hint
    path.write_bytes(kept)
    assert train(shapes, out, images=32, resume=True).images_seen == 32


def test_a_state_of_a_newer_version_is_said_to_be_that(shapes, tmp_path, monkeypatch):
    from impasto.training.checkpoints import save_state

    out = tmp_path / "run"
    train(shapes, out, images=16)
    tensors, values = load_state(out / "state.safetensors")
    values["config"]["train"]["sky"] = 1
    save_state(out / "state.safetensors", tensors, values | {"impasto_version": "9.8"})
    with pytest.raises(CheckpointError, match=r"written by Impasto 9\.8.*train\.sky") as caught:
        train(shapes, out, images=32, resume=True)
    assert "update" in caught.value.hint
    save_state(out / "state.safetensors", {"steps": torch.zeros(1)}, {"names": []})
    with pytest.raises(CheckpointError):
        train(shapes, out, images=32, resume=True)


def test_the_folder_is_held_before_it_is_looked_at(shapes, tmp_path, monkeypatch):
    """A run that ends while another one begins in its folder is not written over."""
    out = tmp_path / "run"
    inside, go_on, ended = threading.Event(), threading.Event(), []

    def sink(event):
        if isinstance(event, events.Started):
            inside.set()
            go_on.wait(120)

    first = threading.Thread(target=lambda: ended.append(train(shapes, out, images=16, sinks=[sink])))
    first.start()
    assert inside.wait(120)
    for resume in (False, True):
        with pytest.raises(InputError, match="another process is training"):
            train(shapes, out, images=32, resume=resume)
    go_on.set()
    first.join()
    assert ended[0].images_seen == 16
    with pytest.raises(InputError, match="already holds a run"):
        train(shapes, out, images=32)

    # Nothing is looked at without the lock.
    look = states.saved_config
    held = []

    def saved_config(path, *trees):
        from filelock import FileLock, Timeout

        with pytest.raises(Timeout):
            FileLock(out / ".lock", is_singleton=False).acquire(timeout=0)
        held.append(path)
        return look(path, *trees)

    monkeypatch.setattr(states, "saved_config", saved_config)
    assert train(shapes, out, images=32, resume=True).images_seen == 32
    assert held


def test_a_lock_that_is_a_link_is_refused(shapes, tmp_path):
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "theirs")
    with pytest.raises(InputError, match="is a link"):
        train(shapes, tmp_path / "run", images=8)
    assert (tmp_path / "theirs").read_text() == "precious"


def test_what_never_began_leaves_no_folder(tmp_path):
    with pytest.raises(InputError):
        train(tmp_path / "absent", tmp_path / "run", images=8)
    assert not (tmp_path / "run").exists()


def test_a_second_signal_breaks_no_save():
    interrupted = Interruption()
    with interrupted.held():
        interrupted.note(signal.SIGINT, None)
        interrupted.note(signal.SIGINT, None)
    assert interrupted.is_set()
    interrupted.note(signal.SIGTERM, None)  # the terminal and its shell both send SIGHUP
    with pytest.raises(KeyboardInterrupt):
        interrupted.note(signal.SIGINT, None)


def test_what_ends_the_starter_reaches_the_processes(tmp_path):
    """Of `train --devices 2`: each saves and ends by itself."""
    heard = tmp_path / "heard"
    child = (
        "import signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(heard)!r}, 'w').close(), sys.exit(130)))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(0.05)\n"
    )
    with subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with launch._passing_on([process]):
            signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
            assert process.wait(60) == 130
    assert heard.exists()
