"""Mean colours: values by hand, the same distribution is near 0, one tint is found out."""

import numpy as np
import pytest
import torch

from impasto.errors import InputError
from impasto.metrics.colour import colour_variety, energy_distance, mean_colours


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_mean_colours_by_hand():
    pixels = np.zeros((2, 2, 2, 3), np.uint8)
    pixels[0, 0, 0] = 255, 0, 0  # one pixel of four is red
    pixels[1] = 51
    expected = torch.tensor([[0.25, 0, 0], [0.2, 0.2, 0.2]], dtype=torch.float64)
    torch.testing.assert_close(mean_colours(pixels), expected)


def test_transparent_pixels_are_white_and_grey_stays_one_channel():
    clear = np.zeros((1, 4, 4, 4), np.uint8)
    torch.testing.assert_close(mean_colours(clear), torch.ones(1, 3, dtype=torch.float64))
    assert mean_colours(np.zeros((300, 2, 2, 1), np.uint8)).shape == (300, 1)


def test_energy_distance_by_hand():
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [3.0]])
    # E|X - Y| = (0 + 3 + 1 + 2) / 4; within x 1, within y 3
    assert energy_distance(x, y) == pytest.approx(2 * 1.5 - 1 - 3)


def test_the_same_distribution_is_near_and_a_shifted_one_is_not():
    x, y = torch.rand(2000, 3, generator=seeded(1)), torch.rand(1500, 3, generator=seeded(2))
    assert abs(energy_distance(x, y)) < 0.002
    assert energy_distance(x, y + 0.3) > 0.05


def test_one_tint_for_all_is_found_out_even_at_the_right_mean():
    real = torch.rand(400, 3, generator=seeded(1))
    tint = real.mean(0) + 0.01 * torch.randn(400, 3, generator=seeded(2))
    found = colour_variety(real, tint, seeded())
    assert found.spread < 0.1
    assert found.distance > 20 * abs(found.floor)
    fair = colour_variety(real, torch.rand(400, 3, generator=seeded(3)), seeded())
    assert fair.spread == pytest.approx(1, abs=0.1)
    assert abs(fair.distance) < 0.01


def test_what_is_no_set_of_pictures_is_refused():
    with pytest.raises(InputError, match="uint8"):
        mean_colours(np.zeros((2, 2, 2, 3), np.float32))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="too few"):
        colour_variety(torch.rand(3, 3), torch.rand(9, 3), seeded())
