"""Collapses made on purpose, as the judge sees them: of shape, of colour, onto ten pictures, onto a theme."""

import numpy as np
import pytest
import torch

from impasto.image.codec import to_tensor
from impasto.nn.features import thumbnails
from impasto.tasks.generation.evaluator import GeneratorEvaluator
from impasto.tasks.generation.generator import Generator
from impasto.training.health.diagnosis import Examined, diagnose
from impasto.training.health.statistics import RunningStats
from tests.pictures import FOLDERS, all_cyan, one_shape, smoothed, some_of

COUNT = 48
THEMES = ("boxes on white", "letters", "waves", "fine clouds")


class Table(Generator):
    """A table of pictures in place of a generator: each seed has one."""

    def __init__(self, pixels):
        super().__init__(latent_dim=1, prior="uniform", levels=(1,))
        self.pictures = torch.nn.Parameter(to_tensor(pixels))
        self.asked = 0

    def forward(self, z):
        places = (self.asked + torch.arange(len(z))) % len(self.pictures)
        self.asked += len(z)
        return self.pictures[places]


class Blind(torch.nn.Linear):
    def forward(self, images):
        return images.mean((1, 2, 3))


def of_all_themes(seed):
    """Pictures of four themes in turn, and their themes (N, 4)."""
    parts = [FOLDERS[name](COUNT // 4, seed) for name in THEMES]
    return np.stack(parts, 1).reshape(COUNT, 32, 32, 3), torch.eye(4).repeat(COUNT // 4, 1)


@pytest.fixture(scope="module")
def themed():
    """(a judge of four themes, the pictures that trained)."""
    holdout, themes = of_all_themes(1)
    train, _ = of_all_themes(2)
    return GeneratorEvaluator(
        holdout, train, layouts(train), COUNT, torch.device("cpu"), (THEMES, themes)
    ), train


def layouts(pixels):
    return thumbnails(to_tensor(pixels))


def measured(judging, pixels):
    return judging.measure(Table(pixels), Blind(1, 1))


def verdicts(signs, evaluations=7):
    """What a run is told, by kind, whose evaluations have these signs and get no better."""
    found = [Examined(5_000 * (i + 1), 0.5, signs) for i in range(evaluations)]
    return {v.kind: v for v in diagnose(RunningStats(), found, 5_000 * evaluations)}


def test_new_pictures_are_well(themed):
    judging, _ = themed
    new = measured(judging, of_all_themes(3)[0])
    assert verdicts(new.signs) == {}
    assert new.signs.shape_variety > 0.7
    assert new.signs.colour_variety > 0.7
    assert new.signs.theme_variety > 0.7
    assert abs(new.signs.colour_distance) < 0.05
    event, record = new.event(5_000, best=True), new.record()
    assert event.colour_distance == record["signs"]["colour_distance"] == new.signs.colour_distance
    assert record["figures"]["colour distance to the hold-out"] == round(new.signs.colour_distance, 4)


def test_one_shape_in_many_colours(themed):
    judging, train = themed
    signs = measured(judging, one_shape(train[0], COUNT)).signs
    assert signs.shape_variety < 0.05
    assert signs.colour_variety > 0.7
    assert verdicts(signs, 2)["shape"].severity == "notice"
    found = verdicts(signs)
    assert found["shape"].severity == "trouble"
    assert "colour" not in found
    assert f"vary {signs.shape_variety:.2f} times as much" in found["shape"].evidence


def test_many_shapes_all_cyan(themed):
    judging, _ = themed
    signs = measured(judging, all_cyan(of_all_themes(3)[0])).signs
    assert signs.colour_variety < 0.05
    assert signs.shape_variety > 0.7
    assert signs.colour_distance > 0.1
    assert verdicts(signs, 2)["colour"].severity == "notice"
    found = verdicts(signs)
    assert found["colour"].severity == "trouble"
    assert "shape" not in found
    assert "augment.colour" in found["colour"].advice


def test_ten_pictures_over_and_over(themed):
    judging, _ = themed
    signs = measured(judging, some_of(of_all_themes(3)[0], 10, COUNT)).signs
    assert signs.twins > 0.9
    assert verdicts(signs)["collapse"].severity == "trouble"


def test_one_theme(themed):
    judging, _ = themed
    signs = measured(judging, FOLDERS["letters"](COUNT, 3)).signs
    assert signs.theme_variety < 0.1
    assert (signs.top_theme, signs.top_theme_share > 0.95) == ("letters", True)
    assert verdicts(signs, 2)["theme"].severity == "notice"
    found = verdicts(signs)
    assert found["theme"].severity == "trouble"
    assert f"{signs.top_theme_share:.0%} of the samples look like 'letters'" in found["theme"].evidence


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", FOLDERS)
def test_nobody_is_alarmed_while_samples_of_a_folder_become_sharp(kind):
    """Ten healthy courses: from blurs to new pictures of the folder."""
    train = FOLDERS[kind](COUNT, 2)
    judging = GeneratorEvaluator(FOLDERS[kind](COUNT, 1), train, layouts(train), COUNT, torch.device("cpu"))
    course = [smoothed(FOLDERS[kind](COUNT, 3), side) for side in (6, 8, 8, 12, 16, 24, 32, 32)]
    found = [measured(judging, pixels) for pixels in course]
    seen = [Examined(5_000 * (i + 1), m.distance, m.signs) for i, m in enumerate(found)]
    for count in range(len(seen) + 1):
        told = diagnose(RunningStats(), seen[:count], 5_000 * count)
        assert [v for v in told if v.severity == "trouble" or v.kind != "coverage"] == []
