"""Large pictures: a game of small ones, an enlarger from the same folder, and one model of both."""

import io
import json
import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import impasto
from impasto.config.reading import load_config
from impasto.config.size import is_large
from impasto.config.upscaling import CompactConfig
from impasto.errors import ConfigError, DataError, InputError
from impasto.export.files import export_generator
from impasto.nn.compact import CompactUpscaler, enlarge
from impasto.tasks import large
from impasto.tasks.generation.sampling.recipe import Recipe
from impasto.tasks.large import join
from impasto.training.checkpoints import find_model
from impasto.training.logging.events import Part, Progress
from impasto.training.logging.sinks import TerminalSink
from impasto.training.run import Run
from impasto.training.stopping import Reason
from tests.small_runs import NETWORKS

SMALL = {**NETWORKS["default"], "image.size": None, "train.batch_size": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """26 pictures of 300 x 260 px: discs and squares on ramps."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:260, :300]
    for number in range(26):
        pixels = np.stack((x * 200 // 300, y * 200 // 260, np.full_like(x, 40)), 2).astype(np.uint8)
        cx, cy = rng.integers(60, 200, 2)
        inside = (
            (x - cx) ** 2 + (y - cy) ** 2 < 2500 if number % 2 else (abs(x - cx) < 40) & (abs(y - cy) < 40)
        )
        pixels[inside] = rng.integers(0, 256, 3)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    settings = {key: value for key, value in SMALL.items() if value is not None}
    patch = pytest.MonkeyPatch()
    patch.setattr(large, "ENLARGER_IMAGES", 8)
    try:
        found = impasto.train(folder, out, size=256, overrides=settings, images=16, preset="default")
    finally:
        patch.undo()
    return out, found


@pytest.fixture
def few_windows(monkeypatch):
    monkeypatch.setattr(large, "ENLARGER_IMAGES", 8)


def seen(run_):
    """How many pictures a run has seen."""
    return json.loads((run_ / "events.jsonl").read_text().splitlines()[-1])["images_seen"]


def test_a_run_leaves_a_model_of_large_pictures(run):
    out, found = run
    assert (found.reason.condition, found.out) == ("images", out)
    assert find_model(out) == out / "large"
    model = impasto.load(out)
    (picture,) = model.generate([3])
    assert picture.size == (256, 256)
    recipe = Recipe.model_validate_json(picture.info["recipe"])
    assert model.make(recipe).tobytes() == picture.tobytes()
    told = json.loads((out / "large" / "model.json").read_text())
    assert told["config"]["image"]["size"] == 256
    assert "made at 64 px and enlarged 4 times" in (out / "large" / "README.md").read_text()
    assert any(name.startswith("enlarger: ") for name in told["metrics"])


def test_its_pictures_are_those_of_the_generator_enlarged(run):
    out, _ = run
    small, whole = impasto.load(out / "best"), impasto.load(out)
    enlarger = impasto.load_upscaler(out / "enlarger", engine="torch").network
    z = small.generator.sample_latents(2, torch.Generator().manual_seed(0))
    expected = enlarger(small.generator(z).clamp(-1, 1))
    torch.testing.assert_close(whole.generator(z), expected, atol=1e-3, rtol=1e-3)
    assert small.digest != whole.digest


def test_the_enlarger_sees_the_pictures_at_the_size_that_is_asked_for(run):
    config = json.loads((run[0] / "enlarger" / "config.json").read_text())
    assert config["data"]["reduced_px"] == 256
    assert config["train"]["begin_with"] == "photo-x4"


def test_a_second_call_goes_on_and_ends_at_once(run, folder, few_windows):
    out, first = run
    again = impasto.train(folder, out, size=256, preset="default", resume=True)
    assert again.images_seen == first.images_seen
    assert (seen(out), seen(out / "enlarger")) == (16, 8)
    with pytest.raises(ConfigError, match=r"image.width"):
        impasto.train(folder, out, size="384x256", preset="default", resume=True)


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """26 discs of 200 x 140 px on what is transparent, black under it."""
    folder = tmp_path_factory.mktemp("drawings")
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:140, :200]
    for number in range(26):
        pixels = np.zeros((140, 200, 4), np.uint8)
        cx, cy = rng.integers(50, 90, 2)
        pixels[(x - cx) ** 2 + (y - cy) ** 2 < 1600] = (*rng.integers(80, 256, 3), 255)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


def test_a_wide_one_with_alpha_is_interrupted_in_its_second_part_and_goes_on(drawings, tmp_path, few_windows):
    parts = []

    def interrupt(event):
        if isinstance(event, Part):
            parts.append((event.number, event.of))
            if event.number == 2:
                os.kill(os.getpid(), signal.SIGINT)

    out = tmp_path / "run"
    settings = {key: value for key, value in SMALL.items() if value is not None} | {"image.channels": 4}
    how = {"overrides": settings, "images": 16, "preset": "default"}
    found = impasto.train(drawings, out, size="192x128", sinks=[interrupt], **how)
    assert found.reason.condition == "interrupted"
    assert parts == [(1, 2), (2, 2)]
    assert seen(out / "enlarger") < 8
    assert impasto.load(out).generate([3])[0].size == (192, 128)  # by what the enlarger knows so far

    found = impasto.train(drawings, out, resume=True)  # it knows itself what it is
    assert found.reason.condition == "images"
    assert (seen(out), seen(out / "enlarger")) == (16, 8)
    model = impasto.load(out)
    (picture,) = model.generate([3])
    assert (picture.size, picture.mode) == ((192, 128), "RGBA")
    config = json.loads((out / "enlarger" / "config.json").read_text())
    assert (config["data"]["reduced_px"], config["data"]["reduced_width"]) == (128, 192)
    assert config["image"]["size"] == 128
    assert "made at 48x32 px and enlarged 4 times" in (out / "large" / "README.md").read_text()
    enlarger = impasto.load_upscaler(out / "enlarger", engine="torch").network
    z = model.generator.sample_latents(1, torch.Generator().manual_seed(3))
    with torch.no_grad():
        small = impasto.load(out / "best").generator(z).clamp(-1, 1)
        made = model.generator(z)
        grey = enlarger(small[:, 3:].expand(-1, 3, -1, -1)).mean(1, keepdim=True)
    torch.testing.assert_close(made[:, 3:], grey, atol=1e-3, rtol=1e-3)
    pytest.importorskip("onnxruntime")
    export_generator(model, "onnx", tmp_path / "wide")


def test_what_is_hidden_leaves_no_halo():
    """Black under what is transparent would darken the edge of a yellow square."""
    torch.manual_seed(0)
    network = CompactUpscaler(CompactConfig(channels=8, convolutions=1), wide=False)
    small = torch.full((1, 4, 12, 12), -1.0)
    small[:, :, 4:8, 4:8] = torch.tensor([1.0, 1.0, -1.0, 1.0])[:, None, None]
    with torch.no_grad():
        made, even = enlarge(network, small), network(small[:, :3, 5:6, 5:6].expand(-1, -1, 12, 12))
    torch.testing.assert_close(made[:, :3], even)
    grey = enlarge(network, small[:, 3:])
    assert torch.equal(made[:, 3:], grey)
    assert grey.shape == (1, 1, 48, 48)


def test_the_terminal_says_which_part_it_is():
    text = io.StringIO()
    with TerminalSink(Console(file=text, width=200), plain_every_seconds=0.0) as sink:
        sink(Part(0, 2, 2, "their enlarger, 30% of the time"))
        sink(Progress(100, *[0.0] * 11, 10.0, 60.0))
    assert "Part 2 of 2: their enlarger, 30% of the time." in text.getvalue()
    assert "part 2 of 2  images 100" in text.getvalue()


def test_minutes_are_for_both_parts(monkeypatch, tmp_path):
    asked = []

    def train(request, task_of):
        asked.append(request)
        return Run(request.out, "generation", Reason("minutes", ""), 8, 120.0, [], None)

    game = load_config("few-shot", {"image.size": 48, "image.width": 64, "stop.minutes": 7})
    monkeypatch.setattr(large.run, "train", train)
    monkeypatch.setattr(large, "saved_config", lambda path: game)
    monkeypatch.setattr(large, "join", lambda out: None)
    monkeypatch.setattr(large, "_check_pictures", lambda request, settings: None)
    impasto.train("pictures", tmp_path / "run", size=(256, 192), minutes=10, overrides={"train.seed": 3})
    first, second = asked
    assert first.settings == {
        "train.seed": 3, "stop.minutes": 7, "image.size": 48, "image.width": 64
    }  # fmt: skip
    assert second.settings["stop.minutes"] == pytest.approx(8)
    assert (second.settings["data.reduced_px"], second.settings["data.reduced_width"]) == (192, 256)
    assert second.settings["train.seed"] == 3
    assert "image.size" not in second.settings
    assert (second.preset, second.resume, second.out) == ("photo-x4", True, tmp_path / "run" / "enlarger")


def test_it_is_exported_as_a_whole(run, tmp_path):
    export_generator(impasto.load(run[0]), "onnx", tmp_path / "large")
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(tmp_path / "large.onnx", providers=["CPUExecutionProvider"])
    assert session.get_outputs()[0].shape[-2:] == [256, 256]


def test_textbooks_draw_every_size_themselves():
    assert is_large((256, 256), None)
    assert is_large((512, 512), "few-shot")
    assert is_large((64, 160), "default")
    assert is_large((1024, 1024), None)
    assert not is_large((256, 256), "dcgan")
    assert not is_large((128, 128), None)
    assert not is_large((96, 64), None)


@pytest.mark.parametrize("shape", [(200, 256), (32, 256), (1056, 256), (256, 300)])
def test_other_shapes_are_refused_before_anything_is_done(shape):
    with pytest.raises(ConfigError, match=f"{shape[1]} x {shape[0]} px cannot be made") as caught:
        is_large(shape, None)
    assert "multiple of 32 from 64 to 1024 px" in caught.value.hint


def test_a_config_with_an_enlarger_is_not_trained_and_must_fit(folder, tmp_path):
    enlarger = {"kind": "compact", "scale": 4}
    with pytest.raises(ConfigError, match="one after the other"):
        impasto.train(folder, tmp_path / "run", preset="default", images=8,
                      overrides={"image.size": 64, "enlarger": enlarger})  # fmt: skip
    with pytest.raises(ConfigError, match="modulated"):
        load_config("dcgan", {"enlarger": enlarger})


def test_pictures_too_small_for_the_enlarger_are_refused_before_the_game(shapes, tmp_path):
    with pytest.raises(DataError, match="too small") as caught:
        impasto.train(shapes, tmp_path / "run", size=256, images=8)
    assert "--size of 128 px or less" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_pairs_are_refused_before_the_game(folder, tmp_path):
    with pytest.raises(InputError, match="pairs are for upscalers"):
        impasto.train(folder, tmp_path / "run", low=folder, size=256, images=8)


def test_join_says_what_is_missing(tmp_path):
    with pytest.raises(impasto.ImpastoError):
        join(tmp_path)
