"""Newness, on sets small enough to count by hand, and on clouds where the answer is known."""

import math

import pytest
import torch
from torch import Tensor

from impasto.errors import InputError
from impasto.metrics.diversity import nearest_distances
from impasto.metrics.novelty import (
    auc_error,
    feature_likelihood_divergence,
    novelty,
    source_auc,
    source_ratios,
    sourced_share,
    train_pull,
)


def normal(count: int, dim: int, seed: int) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def line(*values: float) -> Tensor:
    return torch.tensor(values).unsqueeze(1)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_nearest_distances_by_hand():
    assert nearest_distances(line(1, 12), line(0, 10, 14), 2).tolist() == [[1, 9], [2, 2]]


def test_source_ratios_by_hand():
    """1 lies at 1 from 0 and at 9 from 10; 12 between two; 10 is a training picture."""
    assert source_ratios(line(1, 12, 10), line(0, 10, 14)).tolist() == [1 / 9, 1, 0]


def test_a_copy_of_a_picture_that_is_there_twice_has_no_single_source():
    assert source_ratios(line(0), line(0, 0, 5)).tolist() == [1]


def test_source_auc_by_hand():
    """Of four pairs three are below and one is a tie."""
    assert source_auc(torch.tensor([0.1, 0.5]), torch.tensor([0.5, 0.9])) == 3.5 / 4


def test_the_error_of_an_auc_is_that_of_chance():
    draws = torch.rand(2_000, 30, generator=rng())
    found = torch.tensor([source_auc(row[:20], row[20:]) for row in draws])
    assert float(found.std()) == pytest.approx(auc_error(20, 10), rel=0.05)


def test_sourced_share_by_hand():
    """Of 40 held-out pictures the second least is the 5th percentile; 2 of 41 new ones would be below."""
    holdout = torch.arange(1, 41) / 40
    assert sourced_share(torch.tensor([0.01, 0.05, 0.5, 0.7]), holdout) == (0.25, 2 / 41)
    assert sourced_share(torch.tensor([0.01, 0.7]), torch.tensor([0.2, 0.4])) == (0.5, 1 / 3)


def test_train_pull_by_hand():
    assert train_pull(line(0), line(1), line(2), rng()) == 1
    assert train_pull(line(0, 3), line(1), line(2), rng()) == 0
    assert train_pull(line(0), line(-1), line(1), rng()) == 0, "a tie counts half"


def test_train_pull_takes_as_many_training_pictures_as_are_held_out():
    """One of the two training pictures takes part at a time: one is nearer than the held-out one."""
    assert abs(train_pull(line(0), line(1, 5), line(2), rng(), draws=2_000)) < 0.1


def test_one_gaussian_that_fits_has_the_divergence_of_the_pictures_own():
    """A sample in the middle, and a variance of 1: the very Gaussian that the figure is held against."""
    half = 0.5**0.5
    found = feature_likelihood_divergence(line(0, 0), line(-1, 1), line(-half, half))
    assert found == pytest.approx(0, abs=0.2)


def test_new_pictures_are_new():
    found = novelty(normal(400, 8, 0), normal(1_000, 8, 1), normal(400, 8, 2), rng())
    assert found.source_auc == pytest.approx(0.5, abs=4 * found.source_auc_error)
    assert found.sourced_share < 0.12
    assert abs(found.train_pull) < 0.15


@pytest.mark.parametrize("damage", [0.0, 0.1, 0.3])
def test_copies_are_found_out_by_every_measure(damage: float):
    train, holdout = normal(1_000, 8, 1), normal(400, 8, 2)
    copies = train[:400] + damage * normal(400, 8, 3)
    found = novelty(copies, train, holdout, rng())
    assert found.source_auc > 0.8
    assert found.sourced_share > 0.3
    assert found.train_pull > 0.3
    new = feature_likelihood_divergence(normal(400, 8, 0), train, holdout)
    assert feature_likelihood_divergence(copies, train, holdout) > new + 5


def test_samples_far_from_everything_are_not_called_copies():
    found = novelty(normal(200, 8, 0) + 30, normal(1_000, 8, 1), normal(400, 8, 2), rng())
    assert found.source_auc < 0.1
    assert found.sourced_share == 0


def test_likelihood_sees_what_is_missing():
    """Pictures of two kinds; samples of one of them explain no picture of the other."""
    kinds = 6 * torch.tensor([1.0, -1.0]).repeat(500)[:, None]
    train, holdout = normal(1_000, 8, 1) + kinds, normal(400, 8, 2) + kinds[:400]
    both = feature_likelihood_divergence(normal(400, 8, 0) + kinds[:400], train, holdout)
    one = feature_likelihood_divergence(normal(400, 8, 0) + 6, train, holdout)
    same = feature_likelihood_divergence(normal(1, 8, 0).expand(400, -1) + 6, train, holdout)
    assert both + 10 < min(one, same)
    assert math.isfinite(same)


def test_too_few_pictures_are_refused():
    with pytest.raises(InputError, match="too few"):
        novelty(normal(4, 3, 0), normal(1, 3, 1), normal(4, 3, 2), rng())
    with pytest.raises(InputError, match="features must be"):
        novelty(normal(4, 3, 0), normal(4, 2, 1), normal(4, 3, 2), rng())
