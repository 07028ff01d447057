"""The models that come with the package: whole, small, with their card, and as good as it says."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from impasto.checkpoints import WEIGHTS, ZOO
from impasto.inference.compare import compare
from impasto.inference.upscalers import DEFAULT, load_upscaler, zoo_names
from tests.inference.conftest import painting


def test_the_default_is_among_them():
    assert DEFAULT in zoo_names()


@pytest.mark.parametrize("name", zoo_names())
def test_a_model_of_the_zoo(name):
    folder = ZOO / name
    weights = (folder / WEIGHTS).read_bytes()
    assert len(weights) <= 3 * 2**20
    sums = dict(reversed(line.split("  ")) for line in (ZOO / "SHA256SUMS").read_text().splitlines())
    assert sums[f"{name}/{WEIGHTS}"] == hashlib.sha256(weights).hexdigest()
    card = (folder / "README.md").read_text()
    for words in ("Learnt from", "passed on under", "Trained by", "Known faults", "set5"):
        assert words in card
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
    assert rows[name].texture < 0.7 * rows["bicubic"].texture
    if "fidelity" in name or "small" in name:
        assert rows[name].psnr > rows["bicubic"].psnr + 1
