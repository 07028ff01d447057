"""The palette loss: per sample, blind to the order of colours, 0 where it is obeyed, and learnt by."""

import torch

from impasto.losses.palette import palette_consistency
from impasto.palettes import hex_to_oklab


def request(*colours: str) -> torch.Tensor:
    asked = torch.zeros(1, 5, 4)
    for index, colour in enumerate(colours):
        asked[0, index] = torch.cat((hex_to_oklab(colour), torch.ones(1)))
    return asked


def pictures(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.9


def test_it_is_per_sample_and_the_order_of_colours_does_not_matter():
    images, asked = pictures(), request("#ff0000", "#0000ff", "#008080").expand(3, -1, -1)
    losses = palette_consistency(images, asked)
    assert losses.shape == (3,)
    torch.testing.assert_close(palette_consistency(images[1:2], asked[1:2]), losses[1:2])
    torch.testing.assert_close(palette_consistency(images, asked.flip(1)), losses)
    assert (palette_consistency(images, torch.zeros(3, 5, 4)) == 0).all()


def test_a_picture_that_has_the_colours_costs_nothing_and_white_pages_do_not_count_as_white():
    images = torch.ones(1, 3, 64, 64)
    images[:, 1:, 16:48, 16:48] = -1  # a red square on a page
    assert float(palette_consistency(images, request("#ff0000"))) < 1e-3
    assert float(palette_consistency(images, request("#ffffff"))) > 0.3
    assert float(palette_consistency(images, request("#ff0000", "#0000ff"))) > 0.2


def test_descending_it_brings_the_colours():
    images, asked = pictures(), request("#f4c20d", "#008080").expand(3, -1, -1)
    before = palette_consistency(images, asked)
    learnt = images.clone().requires_grad_()
    optimizer = torch.optim.Adam([learnt], 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        loss = palette_consistency(learnt, asked)
        loss.sum().backward()
        assert torch.isfinite(learnt.grad).all()
        optimizer.step()
    assert (palette_consistency(learnt, asked) < 0.2 * before).all()
    moved = ((learnt - images).detach().abs().amax(1) > 0.1).float().mean()
    assert 0 < moved < 0.3  # only as much of the picture as the colours need
