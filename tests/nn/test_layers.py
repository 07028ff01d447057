"""Pieces of the networks that claim to be the same function as something slower."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from impasto.nn.layers import LatentMap, UpsamplingBlock, double_and_convolve, near_range, resize


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 4), (5, 3)])
def test_doubling_and_convolving_at_once(height, width):
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 5, 3, padding=1).double()
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    up = torch.randn(2, 5, 2 * height, 2 * width, dtype=torch.float64)
    results = []
    for function in (
        lambda x: layer(F.interpolate(x, scale_factor=2, mode="nearest")),
        lambda x: double_and_convolve(x, layer),
    ):
        own = x.clone().requires_grad_()
        y = function(own)
        results.append((y, *torch.autograd.grad((y * up).sum(), [own, layer.weight, layer.bias])))
    for slow, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow)


def test_resize():
    images = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert resize(images, 4) is images
    assert resize(images, 2).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
    assert resize(images, 8).shape == (1, 1, 8, 8)
    assert resize(images, 8).mean() == images.mean()


def test_near_range_keeps_what_is_inside_and_a_gradient_outside():
    x = torch.tensor([-3.0, -1.0, 0.25, 1.0, 2.0], requires_grad=True)
    y = near_range(x)
    torch.testing.assert_close(y, torch.tensor([-1.2, -1.0, 0.25, 1.0, 1.1]))
    y.sum().backward()
    assert (x.grad > 0).all()


def test_a_latent_map_is_silent_at_first_and_linear_in_the_latent():
    torch.manual_seed(0)
    layer = LatentMap(6, 3, (8, 12))
    one, other = torch.randn(2, 4, 6)
    assert not layer(one).any()
    nn.init.normal_(layer.strength)
    y = layer(one)
    assert y.shape == (4, 3, 8, 12)
    torch.testing.assert_close(layer(2 * one - other), 2 * y - layer(other))
    torch.testing.assert_close(y[:, 1] * layer.strength[0], y[:, 0] * layer.strength[1])
    # A place has about unit variance over latents, whatever their length.
    many = (layer(torch.randn(4_096, 6)) / layer.strength).detach()
    assert float(many.var(0).mean()) == pytest.approx(1, rel=0.3)


def test_a_block_of_another_size_is_told_no_map():
    """So the blocks of version 0.1 load as they are."""
    told = UpsamplingBlock(4, 4, 6, map_shape=(8, 8))
    plain = UpsamplingBlock(4, 4, 6)
    assert set(told.state_dict()) - set(plain.state_dict()) == {
        "map.map.weight",
        "map.map.bias",
        "map.strength",
    }
    plain.load_state_dict(told.state_dict(), strict=False)
    x, z = torch.randn(2, 4, 4, 4), torch.randn(2, 6)
    torch.testing.assert_close(plain.eval()(x, z), told.eval()(x, z))
    nn.init.ones_(told.map.strength)
    assert not torch.allclose(plain(x, z), told(x, z))
