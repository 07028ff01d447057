"""Precision, recall, density and coverage on sets small enough to count by hand."""

import pytest
import torch
from torch import Tensor

from impasto.errors import InputError
from impasto.metrics import diversity
from impasto.metrics.diversity import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    nearest_distances,
    precision_recall,
)


def normal(count: int, dim: int, seed: int) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def line(*values: float) -> Tensor:
    return torch.tensor(values).unsqueeze(1)


REAL = line(0, 1, 3, 7)  # radii to the nearest other: 1, 1, 2, 4
FAKE = line(2.5, 10, 20)  # radii: 7.5, 7.5, 10


def test_precision_and_recall_by_hand():
    """Fake 2.5 is in the ball of 3; 10 in that of 7; 20 in none. Reals are all within 7.5 of 2.5."""
    assert precision_recall(REAL, FAKE, k=1) == PrecisionRecall(2 / 3, 1.0)
    assert precision_recall(FAKE, REAL, k=1) == PrecisionRecall(1.0, 2 / 3)


def test_density_and_coverage_by_hand():
    """2.5 is in one real ball (3: up to 5, and not 7: from 3), 10 in one (7); two of four balls are hit."""
    assert density_coverage(REAL, FAKE, k=1) == DensityCoverage(2 / 3, 0.5)
    # k = 2: radii 3, 2, 3, 6. 2.5 lies in the balls of 0, 1, 3, 7; 10 in that of 7.
    assert density_coverage(REAL, FAKE, k=2) == DensityCoverage(5 / 6, 1.0)


def test_the_edge_of_a_ball_belongs_to_it():
    assert precision_recall(line(0, 1), line(2, 9), k=1).precision == 0.5


def test_duplicates_count_as_neighbours():
    """Three equal reals have balls of radius 0 for k = 2: only an equal fake is in them."""
    real = torch.cat((normal(1, 64, 0).expand(3, -1), normal(1, 64, 1) + 50))
    near = real[:1] + 1e-3
    radii = diversity._radii(real.double(), 2)
    assert radii[:3].tolist() == [0, 0, 0]
    assert radii[3] > 100
    few = torch.cat((real[:1], near, near - 2e-3))
    inside = density_coverage(real[:3], few, k=2)
    assert inside == DensityCoverage(3 / (2 * 3), 1.0)


def test_a_set_against_itself_is_perfect():
    x = normal(60, 8, 0)
    assert precision_recall(x, x) == PrecisionRecall(1.0, 1.0)
    assert density_coverage(x, x).coverage == 1.0


def test_the_same_distribution():
    found = density_coverage(normal(600, 4, 0), normal(600, 4, 1))
    assert found.density == pytest.approx(1, abs=0.1)
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.03)  # Naeem et al. 2020, lemma 2
    both = precision_recall(normal(600, 4, 0), normal(600, 4, 1))
    assert both.precision > 0.8
    assert both.recall > 0.8


def test_mode_collapse_keeps_precision_and_loses_the_rest():
    real = normal(400, 16, 0)
    collapsed = real.mean(0) + 0.01 * normal(400, 16, 1)
    likeness, variety = precision_recall(real, collapsed), density_coverage(real, collapsed)
    assert likeness.precision == 1.0
    assert likeness.recall < 0.01
    one = real[7] + 1e-3 * normal(400, 16, 1)
    assert density_coverage(real, one).coverage < 0.05
    assert variety.density > 1


def test_sets_far_apart_share_nothing():
    real, fake = normal(50, 4, 0), normal(50, 4, 1) + 100
    assert precision_recall(real, fake) == PrecisionRecall(0.0, 0.0)
    assert density_coverage(real, fake) == DensityCoverage(0.0, 0.0)


def test_blocks_change_nothing(monkeypatch):
    real, fake = normal(50, 4, 0), normal(37, 4, 1)
    whole = precision_recall(real, fake), density_coverage(real, fake), nearest_distances(real, fake, 1)
    monkeypatch.setattr(diversity, "CHUNK", 7)
    assert precision_recall(real, fake) == whole[0]
    assert density_coverage(real, fake) == whole[1]
    torch.testing.assert_close(nearest_distances(real, fake, 1), whole[2])


def test_nearest_distance_is_the_plain_one():
    queries, references = normal(20, 5, 0), normal(30, 5, 1)
    plain = (queries[:, None] - references[None]).double().square().sum(-1).sqrt().amin(1)
    torch.testing.assert_close(nearest_distances(queries, references, 1)[:, 0], plain, rtol=1e-5, atol=1e-6)
    assert nearest_distances(references[3:5] * 1e3, references * 1e3, 1).tolist() == [[0], [0]]


def test_too_few_pictures_are_refused():
    few, many = normal(3, 4, 0), normal(20, 4, 1)
    for pair in ((few, many), (many, few)):
        with pytest.raises(InputError, match=r"3 pictures are too few[^\n]*\n.*needs 4"):
            precision_recall(*pair, k=3)
    with pytest.raises(InputError, match="needs 6"):
        density_coverage(normal(5, 4, 0), many)
    assert density_coverage(many, few[:1]).coverage >= 0  # one sample can be measured so
