"""Upscalers: sizes, the deployed form, where they begin, how far they look; and their discriminators."""

import pytest
import torch
from torch.nn import functional as F

from impasto.config.upscaling import CompactConfig, SrresnetConfig
from impasto.tasks.upscaling.networks import build_discriminator, build_upscaler

SMALL = {2: CompactConfig(scale=2, channels=8, convolutions=3), 4: CompactConfig(channels=8, convolutions=3)}
CONFIGS = [*SMALL.values(), CompactConfig(scale=3, channels=8, convolutions=2)]
CONFIGS += [SrresnetConfig(channels=8, blocks=2), SrresnetConfig(scale=2, channels=8, blocks=1)]


def made(cfg, seed=0):
    torch.manual_seed(seed)
    return build_upscaler(cfg).eval()


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("cfg", CONFIGS, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (3, 17), (16, 9)])
def test_any_size(cfg, size):
    enlarged = made(cfg)(noise(2, 3, *size))
    assert enlarged.shape == (2, 3, cfg.scale * size[0], cfg.scale * size[1])


@pytest.mark.parametrize("cfg", CONFIGS[:3], ids=str)
def test_the_deployed_form_is_the_same_function_in_fewer_numbers(cfg):
    wide = made(cfg)
    with torch.no_grad():
        for parameter in wide.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    narrow = wide.deployed()
    x = noise(1, 3, 13, 10)
    torch.testing.assert_close(narrow(x), wide(x), rtol=1e-4, atol=1e-4)
    count = [sum(p.numel() for p in network.parameters()) for network in (narrow, wide)]
    assert count[0] < count[1] / 2
    again = build_upscaler(cfg, wide=False)
    again.load_state_dict(wide.deployed_weights())
    assert torch.equal(again(x), narrow(x))


@pytest.mark.parametrize("cfg", CONFIGS[:3], ids=str)
def test_it_begins_as_the_nearest_enlargement(cfg):
    x = noise(1, 3, 12, 12)
    nearest = F.interpolate(x, scale_factor=cfg.scale, mode="nearest")
    assert (made(cfg)(x) - nearest).abs().mean() < 0.05


@pytest.mark.parametrize("cfg", CONFIGS, ids=str)
def test_nothing_beyond_its_reach_changes_a_pixel(cfg):
    network = made(cfg)
    side = 2 * network.reach + 9
    side += side % 2
    x = noise(1, 3, 6, side).clone().requires_grad_()
    middle = side // 2
    network(x)[..., cfg.scale * middle].sum().backward()
    seen = x.grad.abs().sum((0, 1, 2)) > 0
    assert not seen[: middle - network.reach].any()
    assert not seen[middle + network.reach + 1 :].any()
    assert seen[middle]


def test_wide_training_learns_what_narrow_would():
    """The product of two kernels has a gradient: a few steps bring it nearer to a blur."""
    network = made(SMALL[2])
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    x = noise(4, 3, 12, 12)
    target = F.interpolate(x, scale_factor=2, mode="bilinear")
    losses = []
    for _ in range(40):
        loss = (network(x) - target).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("kind", [CompactConfig, SrresnetConfig])
@pytest.mark.parametrize("side", [64, 96, 128])
def test_discriminators(kind, side):
    cfg = kind(discriminator_channels=4)
    torch.manual_seed(0)
    D = build_discriminator(cfg)
    logits = D(noise(2, 3, side, side))
    assert logits.shape == ((2, side * side // 4) if cfg.kind == "compact" else (2,))
    assert torch.isfinite(logits).all()
    assert D.probability(noise(2, 3, side, side)).shape == (2,)
