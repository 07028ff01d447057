"""Muon: what it does to one matrix by hand, what it leaves to Adam, and that it resumes."""

import copy
import math

import pytest
import torch
from torch import nn

from impasto.training.muon import RMS, Muon, orthogonal


@pytest.mark.parametrize("shape", [(4, 4), (3, 8), (8, 3), (1, 5)])
def test_singular_values_are_brought_near_one(shape):
    matrices = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))
    made = orthogonal(matrices)
    values = torch.linalg.svdvals(made)
    assert made.shape == matrices.shape
    assert values.min() > 0.5
    assert values.max() < 1.3
    # The directions stay: with the singular vectors of the given matrix it is all but diagonal.
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
    inside = u.mT @ made @ vh.mT
    assert torch.allclose(inside, torch.diag_embed(inside.diagonal(dim1=1, dim2=2)), atol=1e-4)


def test_products_in_bfloat16_say_nearly_the_same():
    matrices = torch.randn(5, 6, 20, generator=torch.Generator().manual_seed(0))
    exact, made = orthogonal(matrices), orthogonal(matrices, torch.bfloat16)
    assert made.dtype == torch.float32
    assert not torch.equal(made, exact)
    likeness = nn.functional.cosine_similarity(made.flatten(1), exact.flatten(1))
    assert likeness.min() > 0.999


def test_zeros_stay_zeros():
    assert orthogonal(torch.zeros(2, 3, 4)).abs().max() == 0


def test_the_first_step_by_hand():
    weight, bias = nn.Parameter(torch.zeros(2, 3, 1, 1)), nn.Parameter(torch.zeros(2))
    optimizer = Muon([weight, bias], lr=0.1)
    weight.grad = torch.tensor([[3.0, 0, 0], [0, -0.5, 0]]).view_as(weight)
    bias.grad = torch.tensor([5.0, -0.01])
    optimizer.step()
    pace = 0.1 * RMS * math.sqrt(3)
    values = weight.detach().view(2, 3)
    assert float(values[0, 0]) == pytest.approx(-pace, rel=0.35)  # whatever the gradient's size
    assert float(values[1, 1]) == pytest.approx(pace, rel=0.35)
    assert values[0, 1:].abs().max() == 0
    assert bias.detach().tolist() == pytest.approx([-0.1, 0.1], rel=1e-4)  # Adam's first step is a sign


def test_what_has_no_gradient_stays():
    used, unused = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    optimizer = Muon([used, unused], lr=0.1)
    used.grad = torch.eye(2)
    optimizer.step()
    assert torch.equal(unused, torch.ones(2, 2))
    assert not torch.equal(used, torch.ones(2, 2))


def test_equal_shapes_together_are_each_alone():
    torch.manual_seed(0)
    layers = [nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(4, 6)]
    alone = copy.deepcopy(layers)
    together = Muon([p for layer in layers for p in layer.parameters()], lr=0.02)
    apart = [Muon(layer.parameters(), lr=0.02) for layer in alone]
    for step in range(3):
        for layer, twin in zip(layers, alone, strict=True):
            for p, q in zip(layer.parameters(), twin.parameters(), strict=True):
                p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(step + p.numel()))
                q.grad = p.grad.clone()
        together.step()
        for optimizer in apart:
            optimizer.step()
    for layer, twin in zip(layers, alone, strict=True):
        assert torch.allclose(layer.weight, twin.weight, atol=1e-6)
        assert torch.allclose(layer.bias, twin.bias, atol=1e-6)


def test_it_learns_a_linear_map():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(256, 16, generator=rng)
    meant = 0.1 * x @ torch.randn(16, 8, generator=rng) + 0.3
    layer = nn.Linear(16, 8)
    optimizer = Muon(layer.parameters(), lr=0.02)
    losses = []
    for step in range(150):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 150)
        loss = (layer(x) - meant).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 1e-3 * losses[0]
