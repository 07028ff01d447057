"""OKLab against its author's published values; distances between palettes by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.image.oklab import (
    linear_from_oklab,
    oklab_from_linear,
    oklab_from_srgb,
    oklab_of,
    palette_difference,
    palette_distance,
    srgb_from_oklab,
)

# https://bottosson.github.io/posts/oklab/, "Table of example XYZ and Oklab pairs"
PUBLISHED = [
    ((0.950, 1.000, 1.089), (1.000, 0.000, 0.000)),
    ((1.000, 0.000, 0.000), (0.450, 1.236, -0.019)),
    ((0.000, 1.000, 0.000), (0.922, -0.671, 0.263)),
    ((0.000, 0.000, 1.000), (0.153, -1.415, -0.449)),
]
# IEC 61966-2-1
XYZ_TO_LINEAR = torch.tensor(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]], dtype=torch.float64
)
RED, GREEN, BLUE = (0.62796, 0.22486, 0.12585), (0.86644, -0.23389, 0.17950), (0.45201, -0.03246, -0.31153)


@pytest.mark.parametrize(("xyz", "lab"), PUBLISHED)
def test_the_published_pairs(xyz, lab):
    linear = XYZ_TO_LINEAR @ torch.tensor(xyz, dtype=torch.float64)
    expected = torch.tensor(lab, dtype=torch.float64)
    torch.testing.assert_close(oklab_from_linear(linear), expected, atol=1.5e-3, rtol=0)
    torch.testing.assert_close(linear_from_oklab(oklab_from_linear(linear)), linear, atol=1e-5, rtol=0)


def test_primaries_white_black_and_grey():
    corners = torch.tensor([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 0, 0)], dtype=torch.float64)
    expected = torch.tensor([RED, GREEN, BLUE, (1, 0, 0), (0, 0, 0)], dtype=torch.float64)
    torch.testing.assert_close(oklab_from_srgb(corners), expected, atol=1e-5, rtol=0)
    # Grey of linear light 1/8 has a lightness of 1/2.
    torch.testing.assert_close(
        oklab_from_linear(torch.full((3,), 0.125, dtype=torch.float64)),
        torch.tensor((0.5, 0, 0), dtype=torch.float64),
        atol=1e-6,
        rtol=0,
    )


def test_every_byte_comes_back():
    generator = torch.Generator().manual_seed(0)
    colours = torch.randint(0, 256, (4000, 3), generator=generator)
    colours[:256] = torch.arange(256)[:, None]
    back = srgb_from_oklab(oklab_from_srgb(colours / 255))
    torch.testing.assert_close((back * 255).round().long(), colours)


def test_pictures_become_rows_of_pixels():
    images = torch.zeros(2, 3, 4, 5) - 1
    images[1, 0, 2, 3] = 1
    found = oklab_of(images)
    assert found.shape == (2, 20, 3)
    torch.testing.assert_close(found[1, 2 * 5 + 3], torch.tensor(RED), atol=1e-5, rtol=0)
    assert oklab_of(torch.zeros(1, 1, 2, 2))[..., 1:].abs().max() < 1e-5


def test_gradients_are_finite_and_right_even_at_black():
    image = torch.tensor([-1.0, -1, -1, 0.3, 1.2, -1.1, 0, 0, 0]).view(1, 3, 3, 1).requires_grad_()
    oklab_of(image).square().sum().backward()
    assert image.grad is not None
    assert torch.isfinite(image.grad).all()
    black = torch.full((1, 3, 1, 1), -1.0, requires_grad=True)
    oklab_of(black)[..., 0].sum().backward()
    assert 0 < float(black.grad.max()) < 100
    colours = torch.rand(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.01
    assert torch.autograd.gradcheck(oklab_from_srgb, colours.requires_grad_())


def palette(*rows):
    return torch.tensor([rows], dtype=torch.float64)


def test_distance_of_palettes_by_hand():
    asked = palette((0.5, 0, 0, 1), (0.9, 0, 0, 1), (0, 0, 0, 0))
    found = palette((0.5, 0, 0, 0.98), (0.8, 0, 0, 0.02), (0.9, 0, 0, 0))
    # 0.5 is there; of the 0.05 that 0.9 wants, 0.02 are 0.1 away and 0.03 are 0.4 away; absent 0.9 is none
    expected = (0 + (0.02 * 0.1 + 0.03 * 0.4) / 0.05) / 2
    assert float(palette_distance(asked, found)) == pytest.approx(expected)
    assert float(palette_distance(asked, found, share=0.02)) == pytest.approx(0.1 / 2)


def test_by_shares_each_colour_needs_its_own():
    asked = palette((0, 0, 0, 0.25), (1, 0, 0, 0.75))
    found = palette((0, 0, 0, 0.5), (1, 0, 0, 0.5))
    # black is there; of the white's 0.75 only 0.5 is white and 0.25 black
    assert float(palette_distance(asked, found, share=None)) == pytest.approx(0.75 * 0.25 / 0.75)
    assert float(palette_difference(asked, found)) == pytest.approx((0.25 + 0.25) / 2)


def test_asking_for_nothing_costs_nothing():
    nothing = torch.zeros(1, 3, 4, dtype=torch.float64, requires_grad=True)
    distance = palette_distance(nothing, palette((0.5, 0, 0, 1)))
    assert float(distance.detach()) == 0
    distance.sum().backward()
    assert torch.isfinite(nothing.grad).all()


@st.composite
def palettes(draw, rows=4):
    seed = draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    found = torch.rand(3, rows, 4, generator=generator, dtype=torch.float64)
    found[:, -1, 3] = 0
    found[..., 3] /= found[..., 3].sum(1, keepdim=True)
    return found


@settings(max_examples=30, deadline=None)
@given(palettes(), palettes(rows=6), st.permutations(range(4)), st.permutations(range(6)))
def test_what_every_palette_distance_keeps_to(one, other, order, other_order):
    for distance in (
        palette_distance(one, other),
        palette_distance(one, other, None),
        palette_difference(one, other),
    ):
        assert distance.shape == (3,)
        assert (distance >= 0).all()
    for function in (palette_distance, palette_difference):
        torch.testing.assert_close(function(one, other), function(one[:, order], other[:, other_order]))
        torch.testing.assert_close(function(one, other)[1:2], function(one[1:2], other[1:2]))
    torch.testing.assert_close(palette_difference(one, other), palette_difference(other, one))
    torch.testing.assert_close(palette_difference(one, one[:, order]), torch.zeros(3, dtype=torch.float64))


def test_the_gradient_pulls_the_nearest_towards_what_is_asked():
    asked = palette((0.5, 0.1, 0, 1))
    found = palette((0.6, 0, 0, 0.5), (0.1, 0, 0, 0.5)).requires_grad_()
    before = palette_distance(asked, found)
    before.sum().backward()
    assert found.grad[0, 1].abs().max() == 0
    moved = found.detach() - 0.01 * torch.cat((found.grad[..., :3], torch.zeros(1, 2, 1)), 2)
    assert float(palette_distance(asked, moved)) < float(before.detach())
    one, other = (torch.rand(2, 3, 4, dtype=torch.float64) for _ in range(2))
    check = lambda a, b: palette_distance(torch.cat((a, one[..., 3:]), 2), torch.cat((b, other[..., 3:]), 2))  # noqa: E731
    assert torch.autograd.gradcheck(check, (one[..., :3].requires_grad_(), other[..., :3].requires_grad_()))
