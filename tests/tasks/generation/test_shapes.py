"""Pictures that are not square, from the training to all that a model can do."""

import json

import numpy as np
import pytest
from PIL import Image

import impasto
from impasto.errors import ConfigError
from impasto.export.files import export_generator
from tests.small_runs import train

WIDE = {"image.width": 24}  # beside a height of 16


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    out = tmp_path_factory.mktemp("wide") / "run"
    train(shapes, out, images=16, overrides=WIDE)
    return out


@pytest.fixture(scope="module")
def model(run):
    return impasto.load(run)


def test_a_run_has_sheets_of_its_shape_and_a_card_that_says_it(run):
    with Image.open(run / "samples" / f"{16:010}.png") as sheet:
        assert sheet.size == (8 * 26 - 2, 6 * 18 - 2)  # 48 pictures of 24 x 16 with gaps of 2
    told = json.loads((run / "last" / "model.json").read_text())["config"]["image"]
    assert (told["size"], told["width"]) == (16, 24)
    assert "Pictures: 24 x 16 px" in (run / "last" / "README.md").read_text()


def test_all_that_a_model_makes_has_the_shape(model):
    (picture,) = model.generate([3], truncation=0.8)
    assert picture.size == (24, 16)
    steps = model.interpolate([1, 2], frames=3)
    mixed = model.mix(1, 2, detail_from_px=model.generator.levels[1])
    near = model.neighbours(1, count=1)[0]
    coloured = model.generate([1], colours=["teal"])[0]
    assert {each.size for each in (*steps, mixed, near, coloured)} == {(24, 16)}
    assert model.render([1, 2]).shape == (2, 16, 24, 3)


def test_a_photo_is_cropped_to_the_shape_and_found(model, shapes):
    found = model.project(next(shapes.rglob("*.png")), candidates=16, steps=2, against=shapes)
    assert found.photo.size == found.picture.size == found.nearest.picture.size == (24, 16)


def test_directions_are_fitted(model, monkeypatch):
    from impasto.tasks.generation.sampling import directions

    monkeypatch.setattr(directions, "SAMPLES", 64, raising=False)
    assert model.directions().names


def test_it_is_measured_against_its_folder(model, shapes):
    found = impasto.evaluate(model, shapes, samples=16)
    assert np.isfinite(found["fd"])


def test_it_is_exported_with_its_shape(model, tmp_path):
    ort = pytest.importorskip("onnxruntime")
    export_generator(model, "onnx", tmp_path / "wide")
    session = ort.InferenceSession(tmp_path / "wide.onnx", providers=["CPUExecutionProvider"])
    assert session.get_outputs()[0].shape[-2:] == [16, 24]
    about = json.loads((tmp_path / "wide.json").read_text())
    assert (about["size"], about["width"]) == (16, 24)


def test_a_run_goes_on_in_its_shape_alone(run, shapes):
    with pytest.raises(ConfigError, match=r"image.width"):
        train(shapes, run, images=16, overrides={"image.width": 32}, resume=True)
    again = train(shapes, run, images=24, overrides=WIDE, resume=True)
    assert again.images_seen == 24
