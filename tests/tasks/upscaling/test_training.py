"""Upscalers in training: the step, what they learn, resuming, the game, and what a run leaves behind."""

import dataclasses
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file

import impasto
from impasto.config.reading import load_config
from impasto.config.upscaling import RestorationConfig
from impasto.errors import CheckpointError, ConfigError, DataError
from impasto.tasks import load_model
from impasto.tasks.upscaling.degradations import MARGIN
from impasto.tasks.upscaling.learner import UpscalerEvaluator
from impasto.tasks.upscaling.step import phase, turned
from impasto.training import meter
from impasto.training.checkpoints import save_model
from impasto.training.logging.sinks import TerminalSink
from tests.pictures import painting
from tests.small_upscaling import GAME, SMALL


def train(photos, out, preset="upscale-x4", **more):
    overrides = {**SMALL, **more.pop("overrides", {})}
    return impasto.train(photos, out, preset=preset, overrides=overrides, **more)


def kept(run):
    """The weights of a run's last model."""
    return load_file(run / "last" / "model.safetensors")


@pytest.mark.parametrize("preset", ["upscale-x4", "upscale-x2"])
def test_a_run_leaves_a_model_that_enlarges(photos, tmp_path, preset):
    run = train(photos, tmp_path / "run", preset, images=64)
    assert run.reason.condition == "images"
    scale = int(preset[-1])
    made = impasto.load_upscaler(tmp_path / "run", engine="torch")(Image.fromarray(painting(12, 20)))
    assert made.size == (20 * scale, 12 * scale)
    assert (tmp_path / "run" / "samples" / "0000000064.png").is_file()
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    compared = [e for e in events if e["event"] == "compared"]
    assert [e["images_seen"] for e in compared] == [32, 64]
    assert compared[-1]["pictures"] == 4
    card = json.loads((tmp_path / "run" / "last" / "model.json").read_text())
    assert card["metrics"]["PSNR-Y of the hold-out, dB"] == pytest.approx(compared[-1]["psnr"], abs=0.001)
    with pytest.raises(impasto.InputError, match="it makes pictures larger"):
        impasto.load(tmp_path / "run")


def test_it_learns(tmp_path):
    """Some seconds on drawings with hard edges: clearly better than bicubic on some that it never saw."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96]
    for i in range(24):
        pixels = np.full((96, 96, 3), 235, np.uint8)
        for _ in range(6):
            y, x, radius = (rng.uniform(low, high) for low, high in ((0, 96), (0, 96), (6, 24)))
            inside = np.hypot(rows - y, columns - x) if i % 2 else np.maximum(abs(rows - y), abs(columns - x))
            pixels[inside < radius] = rng.integers(0, 256, 3)
        (tmp_path / "drawings").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "drawings" / f"{i}.png")
    overrides = {"train.evaluate_every_images": 500, "optimizer.generator_lr": 3e-3, "model.channels": 12}
    run = train(tmp_path / "drawings", tmp_path / "run", images=1500, overrides=overrides)
    lines = (tmp_path / "run" / "events.jsonl").read_text().splitlines()
    compared = [e for e in map(json.loads, lines) if e["event"] == "compared"]
    assert compared[-1]["psnr"] > compared[-1]["bicubic_psnr"] + 0.4
    assert compared[-1]["feature_distance"] < 0.95 * compared[-1]["bicubic_feature_distance"]
    assert run.best["distance"] == min(e["distance"] for e in run.evaluations)


MUON = {"optimizer.generator": "muon"}


@pytest.mark.parametrize("overrides", [{}, MUON, GAME | MUON, {"restoration.degradation": "photo"}], ids=str)
def test_resuming_is_a_theorem(photos, tmp_path, overrides):
    train(photos, tmp_path / "whole", images=48, overrides=overrides)
    train(photos, tmp_path / "parts", images=24, overrides=overrides)
    train(photos, tmp_path / "parts", images=48, resume=True, overrides=overrides)
    whole, parts = (load_file(tmp_path / name / "state.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_the_game_begins_when_its_time_has_come(photos, tmp_path):
    def discriminator(path):
        return {k: t for k, t in load_file(path).items() if k.startswith("discriminator/")}

    train(photos, tmp_path / "run", images=16, overrides=GAME)
    before = discriminator(tmp_path / "run" / "healthy" / "0-0.safetensors")
    quiet = discriminator(tmp_path / "run" / "state.safetensors")
    assert all(torch.equal(before[k], quiet[k]) for k in before)
    train(photos, tmp_path / "run", images=24, resume=True, overrides=GAME)
    played = discriminator(tmp_path / "run" / "state.safetensors")
    assert not all(torch.equal(before[k], played[k]) for k in before)


def test_it_begins_with_another_run_and_does_not_tell_where_that_lies(photos, tmp_path):
    train(photos, tmp_path / "first", images=8)
    begun = {"train.begin_with": str(tmp_path / "first"), "optimizer.generator_lr": 1e-9}
    train(photos, tmp_path / "second", images=8, overrides=begun)
    first, second = kept(tmp_path / "first"), kept(tmp_path / "second")
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)
    assert str(tmp_path) not in (tmp_path / "second" / "last" / "model.json").read_text()


def test_a_model_is_enough_to_begin_with_and_its_licence_holds_on(photos, tmp_path, monkeypatch):
    train(photos, tmp_path / "first", images=8)
    model = tmp_path / "zoo" / "ours"
    weights, info = load_model(tmp_path / "first" / "last")
    save_model(model, weights, dataclasses.replace(info, licence="CC BY-SA 4.0, somebody"))
    monkeypatch.setattr("impasto.training.checkpoints.ZOO", tmp_path / "zoo")
    begun = {"train.begin_with": "ours", "optimizer.generator_lr": 1e-9}
    train(photos, tmp_path / "second", images=8, overrides=begun)
    first, second = kept(tmp_path / "first"), kept(tmp_path / "second")
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)
    told = json.loads((tmp_path / "second" / "last" / "model.json").read_text())
    assert told["config"]["train"]["begin_with"] == "ours"
    assert "began with those of ours" in told["licence"]
    assert "CC BY-SA 4.0, somebody" in told["licence"]
    with pytest.raises(CheckpointError, match="other networks") as error:
        train(photos, tmp_path / "third", images=8, overrides=begun | {"model.channels": 12})
    assert "--set model.channels=8" in error.value.hint


def test_the_start_speaks_of_the_weights_that_are_kept(photos, tmp_path):
    train(photos, tmp_path / "run", images=8)
    started = json.loads((tmp_path / "run" / "events.jsonl").read_text().splitlines()[0])
    assert started["generator_parameters"] == sum(t.numel() for t in kept(tmp_path / "run").values())


def test_srgan_trains(photos, tmp_path):
    overrides = {
        "model.channels": 4,
        "model.blocks": 1,
        "restoration.adversarial_from_images": 4,
        "train.batch_size": 4,
    }
    small = {k: v for k, v in SMALL.items() if k != "model.convolutions"}
    run = impasto.train(photos, tmp_path / "run", preset="srgan", images=16, overrides={**small, **overrides})
    assert run.images_seen == 16
    assert impasto.load_upscaler(tmp_path / "run", engine="torch")(Image.fromarray(painting(5, 6))).size == (
        24,
        20,
    )


def test_small_pictures_are_named_and_left_out(photos, tmp_path):
    dataset = impasto.open_folder(
        photos, *(getattr(load_config("upscale-x4", SMALL), part) for part in ("data", "image")), seed=0
    )
    assert [r.path for r in dataset.scan.rejected] == ["small.png"]
    assert dataset.batches(3, 0).next().shape == (3, 64, 64, 3)
    with pytest.raises(DataError, match="is too small"):
        train(photos, tmp_path / "run", images=8, overrides={"image.size": 112})


def test_windows_are_the_files_own_pixels(photos):
    config = load_config("upscale-x4", SMALL)
    dataset = impasto.open_folder(photos, config.data, config.image, seed=0)
    batch = dataset.batches(8, 0).next()
    originals = [np.asarray(Image.open(path)) for path in sorted(photos.glob("[0-9]*.png"))]
    windows = {
        picture[y : y + 64, x : x + 64].tobytes()
        for picture in originals
        for y in range(picture.shape[0] - 63)
        for x in range(picture.shape[1] - 63)
    }
    assert all(window.tobytes() in windows for window in batch)
    assert len({window.tobytes() for window in batch}) == 8


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"image.size": 72}, "multiple of 16"),
        ({"image.size": 48}, "multiple of 16"),
        ({"data.fit": "crop"}, "data.fit=windows"),
        ({"image.channels": 1}, "image.channels=3"),
        ({"augment.colour": 0.5}, "augment"),
        ({"model.scale": 5}, "model"),
    ],
)
def test_settings_that_do_not_go_together(overrides, words):
    with pytest.raises(ConfigError, match=words):
        load_config("upscale-x4", overrides)
    with pytest.raises(ConfigError, match="windows"):
        load_config("default", {"data.fit": "windows"})


def test_the_yardstick_by_hand():
    """To give back what bicubic makes is bicubic's figures; to give back the truth is perfect."""
    cfg = RestorationConfig()
    pictures = np.stack([painting(96, 96, seed=i) for i in range(2)])
    evaluator = UpscalerEvaluator(pictures, 4, cfg, torch.device("cpu"))

    class Answer(torch.nn.Module):
        scale = 4

        def __init__(self, answers):
            super().__init__()
            self.answers = iter(answers)

        def forward(self, images):
            assert images.shape == (1, 3, 24 - 2 * MARGIN, 24 - 2 * MARGIN)
            return next(self.answers)[None]

    perfect = evaluator.measure(Answer(evaluator._sharp))
    assert perfect.psnr == 100.0
    json.dumps(dataclasses.asdict(perfect), allow_nan=False)  # it has no infinity
    assert perfect.ssim == pytest.approx(1)
    assert perfect.feature_distance == pytest.approx(0, abs=1e-6)
    bicubic = evaluator.measure(Answer(evaluator._bicubic))
    assert bicubic.psnr == pytest.approx(bicubic.bicubic_psnr)
    assert bicubic.feature_distance == pytest.approx(bicubic.bicubic_feature_distance, rel=1e-4)
    assert bicubic.distance > perfect.distance
    assert perfect.against_bicubic < 0.001
    assert bicubic.against_bicubic == pytest.approx(1)
    by_features = UpscalerEvaluator(pictures, 4, RestorationConfig(features=1.0), torch.device("cpu"))
    assert by_features.measure(Answer(by_features._bicubic)).against_bicubic == pytest.approx(1, rel=1e-4)
    assert bicubic.record()["against_bicubic"] == bicubic.against_bicubic


def test_turned():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    rng = torch.Generator().manual_seed(0)
    seen = {tuple(turned(x, rng).flatten().tolist()) for _ in range(200)}
    assert len(seen) == 8


def test_networks_look_from_every_phase():
    x = torch.arange(32.0 * 32).view(1, 1, 32, 32)
    rng = torch.Generator().manual_seed(0)
    seen = [x[phase(32, 8, rng)] for _ in range(500)]
    assert {part.shape for part in seen} == {(1, 1, 24, 24)}
    assert len({float(part[0, 0, 0, 0]) for part in seen}) == 81
    assert x[..., :16, :16][phase(16, 8, rng)].shape == (1, 1, 16, 16)
    assert x[phase(32, 0, rng)].shape == x.shape


def test_the_terminal_speaks_of_likeness(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(meter, "PROGRESS_EVERY_SECONDS", 0.0)
    text = io.StringIO()
    with TerminalSink(Console(file=text, width=200), plain_every_seconds=0.0) as sink:
        train(photos, tmp_path / "run", images=40, sinks=[sink])
    assert "unlikeness 0." in text.getvalue()
    assert "held-out PSNR-Y" in text.getvalue()
    assert "KID" not in text.getvalue()
    assert "D right" not in text.getvalue()
