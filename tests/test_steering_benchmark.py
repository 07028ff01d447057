"""The benchmark of steering runs from end to end, and knows a jump from an even pace."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
import steering
from impasto.nn.features import load_lite0
from tests.small_runs import train


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    out = tmp_path_factory.mktemp("steering") / "run"
    train(shapes, out, images=80)
    return out


@pytest.mark.slow
def test_it_measures_a_run_and_draws_a_sheet(run, tmp_path):
    files = ["--json", str(tmp_path / "found.json"), "--sheet", str(tmp_path / "sheet.png")]
    files += ["--moves", str(tmp_path / "moves.png")]
    found = steering.main(["--run", str(run), "--ways", "1", "--frames", "4", *files])
    assert json.loads((tmp_path / "found.json").read_text()) == json.loads(json.dumps(found))
    assert found["themes"] == ["discs", "squares"]
    assert set(found["ways"]) == {"seeds", "themes", "palettes"}
    assert all(way["worst"] >= way["median"] >= 1 for way in found["ways"].values())
    assert set(found["milliseconds_each"]) == {"plain", "colours", "theme"}
    size = impasto.load(run).info.config.image.size
    with Image.open(tmp_path / "sheet.png") as sheet:
        gap = sheet.width - len(steering.PALETTES) * size
        assert 0 <= gap <= 2 * len(steering.PALETTES)
        assert sheet.height - 2 * size <= gap
    with Image.open(tmp_path / "moves.png") as moves:
        assert moves.width >= 10 * size
        assert moves.height >= 8 * size


def test_a_jump_is_seen():
    class Leaping:
        """Frames that become brighter evenly, one of them by much."""

        def __init__(self, leap):
            self.leap = leap

        def interpolate(self, stops, *, frames):
            levels = np.arange(frames) * 4 + self.leap * (np.arange(frames) >= frames // 2)
            return [Image.new("RGB", (64, 64), (int(v), int(v), 90)) for v in levels]

    net = load_lite0(torch.device("cpu"))
    even, leaping = (steering.jumps(Leaping(leap), net, [[0, 1]], 16)["worst"] for leap in (0, 120))
    assert leaping > 2 * even
