"""Losses between pairs of pictures: values by hand, symmetry, gradients."""

import math

import pytest
import torch

from impasto.nn.losses.reconstruction import (
    absolute_difference,
    frequency_difference,
    lattice_difference,
    luma_difference,
    reduced_difference,
)


def reduced_by_two(made, meant):
    return reduced_difference(made, meant, 2)


def lattice_of_two(made, meant):
    return lattice_difference(made, meant, 2)


LOSSES = [absolute_difference, luma_difference, frequency_difference, reduced_by_two, lattice_of_two]


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_between_equals_and_the_same_both_ways(loss):
    rng = torch.Generator().manual_seed(0)
    first, second = (torch.rand(3, 3, 8, 8, generator=rng) for _ in range(2))
    assert loss(first, first).tolist() == [0, 0, 0]
    torch.testing.assert_close(loss(first, second), loss(second, first))
    assert loss(first, second).shape == (3,)
    torch.testing.assert_close(loss(first, second)[1], loss(first[1:2], second[1:2])[0])


def test_absolute_difference_by_hand():
    made = torch.tensor([[[[1.0, -1.0], [0.0, 0.5]]]])
    assert absolute_difference(made, torch.zeros(1, 1, 2, 2)).item() == pytest.approx(2.5 / 4)


def test_luma_difference_by_hand():
    made = torch.tensor([0.5, -0.5, 1.0])[None, :, None, None].expand(1, 3, 2, 2)
    black = torch.zeros(1, 3, 2, 2)
    assert luma_difference(made, black).item() == pytest.approx(abs(0.1495 - 0.2935 + 0.114), abs=1e-6)
    grey = luma_difference(torch.full((1, 3, 2, 2), -0.5), black)
    assert grey.item() == pytest.approx(0.5)  # the weights are those of one picture


def test_reduced_difference_by_hand():
    made = torch.tensor([[[[1.0, -1.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.5]]]])  # means 0 and 0.5
    assert reduced_difference(made, torch.zeros(1, 1, 2, 4), 2).item() == pytest.approx(0.25)


def test_lattice_difference_by_hand():
    # Of each cell of 2 x 2 the first pixel is 0.8 too bright, in a picture of one neighbourhood.
    made = torch.zeros(1, 1, 8, 8)
    made[:, :, ::2, ::2] = 0.8
    assert lattice_difference(made, torch.zeros(1, 1, 8, 8), 2).item() == pytest.approx(0.8 / 4)


def test_a_lattice_counts_and_invented_detail_hardly():
    rng = torch.Generator().manual_seed(0)
    meant = torch.zeros(1, 1, 64, 64)
    detail = torch.randn(1, 1, 64, 64, generator=rng)
    lattice = torch.randn(1, 1, 4, 4, generator=rng).tile(16, 16)
    lattice = lattice / lattice.square().mean().sqrt()
    assert lattice_difference(lattice, meant, 4) > 3 * lattice_difference(detail, meant, 4)


def test_frequency_difference_by_hand():
    # A constant of c on n pixels is c sqrt(n) in one frequency and nothing in the others.
    made = torch.full((1, 1, 4, 4), 0.5)
    frequencies = 4 * 3
    assert frequency_difference(made, torch.zeros(1, 1, 4, 4)).item() == pytest.approx(0.5 * 4 / frequencies)


@pytest.mark.parametrize("loss", LOSSES)
def test_steps_against_the_gradient_bring_them_together(loss):
    rng = torch.Generator().manual_seed(1)
    meant = torch.rand(1, 3, 8, 8, generator=rng)
    made = torch.rand(1, 3, 8, 8, generator=rng).requires_grad_()
    before = float(loss(made, meant).detach())
    for _ in range(50):
        (gradient,) = torch.autograd.grad(loss(made, meant).sum(), made)
        made = (made - 0.1 * gradient / gradient.norm()).detach().requires_grad_()
    assert float(loss(made, meant).detach()) < 0.7 * before


def test_the_distance_of_latents_from_normal():
    """By hand: 0 for N(0, I); (m^2 + s^2 - 1 - log s^2) / 2 in each dimension."""
    from impasto.nn.losses.latents import distance_from_normal

    mean = torch.tensor([[0.0, 0.0], [1.0, -2.0]])
    log_variance = torch.tensor([[0.0, 0.0], [0.0, math.log(4.0)]])
    expected = [0.0, 0.5 * 1.0 + 0.5 * (4 + 4 - 1 - math.log(4.0))]
    torch.testing.assert_close(distance_from_normal(mean, log_variance), torch.tensor(expected))
