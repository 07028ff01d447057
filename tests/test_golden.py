"""What a change of the code's form must not change: shipped models' pictures, and a game's first rounds.

The right values lie in tests/golden. `python -m tests.test_golden` writes them anew, where a change of what
comes out is meant.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import impasto
from tests.pictures import painting
from tests.small_games import Game

GOLDEN = Path(__file__).with_name("golden")
LEVELS = 2  # of 255, the mean difference that other kernels may make
SHARE = 0.02  # of a figure


def _side_by_side(pictures):
    return np.concatenate([np.asarray(picture) for picture in pictures], 1)


def _themes(name, *themes):
    model = impasto.load(name)
    return _side_by_side(picture for theme in themes for picture in model.generate(range(4), theme=theme))


PICTURES = {
    "openmoji-64": lambda: _themes("openmoji-64", (), "flags"),
    "fashion-32": lambda: _themes("fashion-32", (), "bag"),
    "openmoji-64-colours": lambda: _side_by_side(
        impasto.load("openmoji-64").generate(range(4), colours=["teal", "#f4c20d"])
    ),
    "photo-x4": lambda: np.asarray(
        impasto.load_upscaler("photo-x4", engine="torch")(Image.fromarray(painting(48, 32)))
    ),
}


def _first_rounds():
    """Figures of a small game's first four rounds."""
    return [{k: float(v) for k, v in vars(stats).items()} for stats in Game().play(4)]


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_as_they_were(name):
    expected = np.asarray(Image.open(GOLDEN / f"{name}.png"), float)
    found = PICTURES[name]().astype(float)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < LEVELS


def test_a_game_goes_as_it_went():
    expected = json.loads((GOLDEN / "rounds.json").read_text())
    for found, right in zip(_first_rounds(), expected, strict=True):
        assert found == pytest.approx(right, rel=SHARE, abs=1e-3)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, picture in PICTURES.items():
        Image.fromarray(picture()).save(GOLDEN / f"{name}.png")
    (GOLDEN / "rounds.json").write_text(json.dumps(_first_rounds(), indent=1) + "\n")
