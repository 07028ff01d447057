"""The benchmarks run, and count what they say they count."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from benchmarks import coverage, digits, gaussians
from PIL import Image

from impasto.config.shared import Adversarial

ROOT = Path(__file__).parent.parent


def test_the_data_itself_scores_what_its_docstring_says():
    points = gaussians.real_points(5, 20_000, torch.Generator().manual_seed(0))
    found = gaussians.score(5, points)
    assert (found["modes"], found["full_modes"]) == (25, 25)
    assert found["good"] == pytest.approx(1 - math.exp(-(3**2) / 2), abs=0.003)  # 98.9 %
    assert found["kl"] < 0.003
    assert points.std(0).tolist() == pytest.approx([gaussians.deviation(5)] * 2, rel=0.02)


def test_a_collapse_is_counted():
    one = torch.tensor([[2.0, -4.0]]).expand(100, 2)
    assert gaussians.score(5, one) == {
        "modes": 1, "full_modes": 1, "good": 1.0, "kl": pytest.approx(math.log(25)),
    }  # fmt: skip
    nothing = torch.full((100, 2), 1.0)  # between four modes
    assert gaussians.score(5, nothing) == {"modes": 0, "full_modes": 0, "good": 0.0, "kl": math.inf}


def test_the_game_is_drawn_at_the_steps_asked_for(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    import game_drawing

    games = {name: replace(recipe, steps=2) for name, recipe in game_drawing.GAMES.items()}
    monkeypatch.setattr(game_drawing, "GAMES", games)
    game_drawing.main(tmp_path / "game.png", 0, (0, 2))
    with Image.open(tmp_path / "game.png") as drawing:
        pixels = np.asarray(drawing.convert("RGB"))
    assert pixels.shape[1] == 2 * 3 * 80
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50  # points and D's opinion, not blank axes
    assert capsys.readouterr().out.count("modes of 25") == 2


class Brightness(torch.nn.Module):
    """A stand-in for the classifier: reads the digit d from a plane of value d / 10."""

    def forward(self, planes):
        return torch.nn.functional.one_hot((planes[:, 0, 0, 0] * 10).round().clamp(0, 9).long(), 10)


class Planes:
    """A stand-in for a generator that knows the first `digits` digits."""

    def __init__(self, digits):
        self.digits = digits

    def sample_latents(self, count, rng):
        return torch.randint(self.digits, (count, 3), generator=rng)

    def __call__(self, z):
        return (z / 10)[:, :, None, None].expand(-1, -1, 32, 32)


@pytest.mark.parametrize("known", [1, 4, 10])
def test_stacked_digits_are_counted(known):
    found = digits.score(Brightness(), Planes(known), count=20_000)
    assert found["modes"] == known**3
    assert found["kl"] == pytest.approx(math.log(1000 / known**3) + (known**3 - 1) / 40_000, abs=0.005)


def test_stacks_draw_every_colour_by_itself():
    singles = torch.arange(10.0)[:, None, None].expand(10, 32, 32)
    stacked = digits.stacks(singles, 500, torch.Generator().manual_seed(0))
    assert stacked.shape == (500, 3, 32, 32)
    seen = stacked[:, :, 0, 0] @ torch.tensor([100.0, 10.0, 1.0])
    assert len(seen.unique()) > 350


@pytest.mark.parametrize("default", [False, True])
def test_digits_are_played_and_measured(default, monkeypatch):
    monkeypatch.setattr(digits, "STACKS", 64)
    small = ["train.batch_size=8", "train.precision=float32", "optimizer.warmup_images=0"]
    if default:
        config = coverage.default_config(0, small)
    else:
        config = coverage.digits_config("relativistic", 0, small)
    seen = []
    singles = torch.arange(10.0)[:, None, None].expand(10, 32, 32) / 10
    found = digits.play(config, singles, Brightness(), None, 2, seen.append, 1e-9, samples=100)
    assert (found["steps"], found["images_seen"], len(seen)) == (2, 16, 2)
    assert 1 <= found["modes"] <= 100


def test_every_loss_has_a_game():
    assert set(coverage.GAMES) == set(get_args(Adversarial)), "GAMES of benchmarks/coverage.py"


@pytest.mark.slow
def test_every_loss_plays(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "coverage.py"), "--tasks", "grid25", "--steps", "2"]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "r.json")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert sorted(r["loss"] for r in report["results"]) == sorted(get_args(Adversarial))
    assert report["machine"]["threads"] > 0
