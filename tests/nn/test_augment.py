import pytest
import torch

from impasto.config.shared import AugmentConfig
from impasto.nn.augment import augment, change_colour, cut_out, translate

ALL = AugmentConfig(colour=1, translation=1, cutout=1)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(channels=3, count=8):
    return torch.rand(count, channels, 16, 16, generator=rng(9)) * 2 - 1


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_shape_seed_and_probability_zero(channels):
    x = pictures(channels)
    assert augment(x, ALL, rng()).shape == x.shape
    assert torch.equal(augment(x, ALL, rng(1)), augment(x, ALL, rng(1)))
    assert not torch.equal(augment(x, ALL, rng(1)), augment(x, ALL, rng(2)))
    assert augment(x, AugmentConfig(), rng()) is x


@pytest.mark.parametrize("change", [change_colour, translate, cut_out])
def test_probability_is_the_share_of_changed_pictures(change):
    x = pictures(count=2000)
    changed = ((change(x, 0.3, rng()) - x).abs() > 1e-5).flatten(1).any(1).float().mean()
    assert float(changed) == pytest.approx(0.3, abs=0.05)  # a shift of (0, 0) changes nothing


@pytest.mark.parametrize("change", [change_colour, translate, cut_out])
def test_gradients_reach_the_pictures(change):
    x = pictures().double().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: change(t, 1.0, rng()), x[:2, :, :4, :4], fast_mode=True)


def test_a_shift_moves_whole_pixels_and_repeats_the_border():
    x = torch.arange(16.0).expand(50, 1, 16, 16)  # every row is 0..15
    shifted = translate(x, 1.0, rng())[:, 0, 0]
    seen = set()
    for row in shifted:
        offset = int(row[8]) - 8
        seen.add(offset)
        assert torch.equal(row, (torch.arange(16) + offset).clamp(0, 15).float())
    assert seen == {-2, -1, 0, 1, 2}


def test_colour_leaves_alpha_and_keeps_grey_grey():
    x = pictures(4)
    assert torch.equal(change_colour(x, 1.0, rng())[:, 3], x[:, 3])
    grey = pictures(1).expand(-1, 3, -1, -1)
    changed = change_colour(grey, 1.0, rng())
    assert torch.allclose(changed[:, 0], changed[:, 2], atol=1e-6)


def test_a_hole_is_mid_grey_and_a_quarter_at_most():
    holes = (cut_out(torch.ones(200, 3, 16, 16), 1.0, rng()) == 0).float().mean((1, 2, 3))
    assert holes.max() == pytest.approx(0.25)
    assert holes.min() > 0
