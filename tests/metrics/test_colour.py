"""Energy distances: values by hand, the same distribution is near 0, one tint is far."""

import pytest
import torch

from impasto.errors import InputError
from impasto.metrics.colour import energy_distance


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_energy_distance_by_hand():
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [3.0]])
    # E|X - Y| = (0 + 3 + 1 + 2) / 4; within x 1, within y 3
    assert energy_distance(x, y) == pytest.approx(2 * 1.5 - 1 - 3)


def test_the_same_distribution_is_near_and_a_shifted_one_is_not():
    x, y = torch.rand(2000, 3, generator=seeded(1)), torch.rand(1500, 3, generator=seeded(2))
    assert abs(energy_distance(x, y)) < 0.002
    assert energy_distance(x, y + 0.3) > 0.05


def test_one_tint_for_all_is_far_even_at_the_right_mean():
    real, fair = (torch.rand(400, 3, generator=seeded(seed)) for seed in (1, 3))
    tint = real.mean(0) + 0.01 * torch.randn(400, 3, generator=seeded(2))
    assert energy_distance(real, tint) > 20 * abs(energy_distance(real, fair))


def test_too_few_pictures_are_refused():
    with pytest.raises(InputError, match="too few"):
        energy_distance(torch.rand(1, 3), torch.rand(9, 3))
