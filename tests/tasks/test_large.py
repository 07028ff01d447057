"""Large pictures: a game of small ones, an enlarger from the same folder, and one model of both."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from impasto.config.reading import load_config
from impasto.errors import ConfigError
from impasto.export.files import export_generator
from impasto.tasks import large
from impasto.tasks.generation.sampling.recipe import Recipe
from impasto.tasks.large import is_large, join, train_large
from impasto.training.checkpoints import find_model
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
        found = train_large(folder, out, size=256, overrides=settings | {"stop.images": 16}, preset="default")
    finally:
        patch.undo()
    return out, found


def test_a_run_leaves_a_model_of_large_pictures(run):
    out, found = run
    assert found.enlarger is not None
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


def test_a_second_call_goes_on_and_ends_at_once(run, folder, monkeypatch):
    out, first = run
    monkeypatch.setattr(large, "ENLARGER_IMAGES", 8)
    settings = {key: value for key, value in SMALL.items() if value is not None} | {"stop.images": 16}
    again = train_large(folder, out, size=256, overrides=settings, preset="default", resume=True)
    assert again.generator.images_seen == first.generator.images_seen
    assert again.enlarger.images_seen == first.enlarger.images_seen


def test_it_is_exported_as_a_whole(run, tmp_path):
    export_generator(impasto.load(run[0]), "onnx", tmp_path / "large")
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(tmp_path / "large.onnx", providers=["CPUExecutionProvider"])
    assert session.get_outputs()[0].shape[-2:] == [256, 256]


def test_textbooks_draw_every_size_themselves():
    assert is_large(256, None)
    assert is_large(512, "few-shot")
    assert not is_large(256, "dcgan")
    assert not is_large(128, None)
    assert not is_large(None, None)


def test_a_config_with_an_enlarger_is_not_trained_and_must_fit(folder, tmp_path):
    enlarger = {"kind": "compact", "scale": 4}
    with pytest.raises(ConfigError, match="one after the other"):
        impasto.train(folder, tmp_path / "run", preset="default", images=8,
                      overrides={"image.size": 64, "enlarger": enlarger})  # fmt: skip
    with pytest.raises(ConfigError, match="modulated"):
        load_config("dcgan", {"enlarger": enlarger})


def test_join_says_what_is_missing(tmp_path):
    with pytest.raises(impasto.ImpastoError):
        join(tmp_path)
