"""Low-resolution pictures: the protocol's to the level, the ordinary ones seeded and in range."""

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.tasks.upscaling.degradations import (
    MARGIN,
    between,
    compressed,
    degrade,
    drawing,
    photo,
    quantised,
    with_few_colours,
)


def windows(count=2, side=96, seed=0):
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, side // 8, side // 8, generator=rng) * 2 - 1
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")
    return quantised(smooth.clamp(-1, 1))


def seeded(number=0):
    return torch.Generator().manual_seed(number)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_pillows(scale):
    sharp = windows(1)
    low, inner = degrade(sharp, scale, "bicubic", seeded())
    pixels = sharp[0].add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy()
    side = 96 // scale
    theirs = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
    ours = low[0].add(1).mul(127.5).round().permute(1, 2, 0).numpy()
    apart = np.abs(ours - theirs[MARGIN:-MARGIN, MARGIN:-MARGIN])
    assert apart.max() <= 2  # Pillow rounds to 8 bits between columns and rows as well
    assert apart.mean() < 0.2
    cut = MARGIN * scale
    assert torch.equal(inner, sharp[:, :, cut:-cut, cut:-cut])


@pytest.mark.parametrize("side", [98, 32])
def test_what_cannot_be_reduced(side):
    with pytest.raises(ValueError, match="cannot be reduced"):
        degrade(torch.zeros(1, 3, side, side), 4, "bicubic", seeded())


@pytest.mark.parametrize("kind", ["photo", "drawing"])
def test_a_degradation_is_seeded_and_in_range(kind):
    sharp = windows(4)
    first, again, other = (degrade(sharp, 4, kind, seeded(n))[0] for n in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (4, 3, 16, 16)
    assert first.min() >= -1
    assert first.max() <= 1
    assert torch.equal(first, quantised(first))


@pytest.mark.parametrize("way", [photo, drawing])
def test_a_degradation_leaves_the_picture_where_it_is(way):
    """On average over many fates it is the bicubic one: no shift, no change of colour."""
    sharp = windows(1, side=128)
    low = degrade(sharp, 4, "bicubic", seeded())[0]
    rng = seeded(3)
    fates = torch.stack([way(sharp[0], 32, rng) for _ in range(40)]).mean(0)
    inner = fates[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert (inner - low[0]).mean((1, 2)).abs().max() < 0.02
    places = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    moved = {place: (inner - torch.roll(low[0], place, (1, 2))).abs().mean() for place in places}
    assert min(moved, key=moved.get) == (0, 0)
    next_to_it = [moved[place] for place in ((-1, 0), (1, 0), (0, -1), (0, 1))]
    assert max(next_to_it) < 1.2 * min(next_to_it)  # no half pixel either


def test_grey_and_alpha_survive_jpeg():
    grey = compressed(torch.zeros(1, 1, 16, 16), seeded(), least=80)
    assert grey.shape == (1, 1, 16, 16)
    alpha = torch.cat((torch.zeros(1, 3, 16, 16), torch.full((1, 1, 16, 16), 0.3)), 1)
    assert torch.equal(compressed(alpha, seeded(), least=80)[:, 3:], alpha[:, 3:])


def test_between():
    rng = seeded()
    drawn = [between(rng, 1.0, 4.0) for _ in range(200)]
    assert 1 <= min(drawn) < max(drawn) < 4
    assert sum(d < 2 for d in drawn) == pytest.approx(100, abs=30)
    assert 0 <= between(rng, 0.0, 1.0) < 1


def test_few_colours_are_few_and_near():
    sharp = windows(1)
    for seed in range(8):
        few = with_few_colours(sharp, seeded(seed))
        assert 2 <= len(few.flatten(2)[0].T.unique(dim=0)) <= 128
        assert (few - sharp).abs().mean() < 0.35  # two of these pictures: .7
    alpha = torch.rand(1, 1, 96, 96)
    assert torch.equal(with_few_colours(torch.cat((sharp, alpha), 1), seeded())[:, 3:], alpha)
