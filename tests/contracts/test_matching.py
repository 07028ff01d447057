"""What the losses must satisfy that compare generated pictures with real ones directly."""

import math

import pytest
import torch

from impasto.losses.matching import TEMPERATURES, distances, drift, map_difference


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def field_of(x, real, **more):
    """Where the loss sends each row: minus half its gradient."""
    x = x.clone().requires_grad_()
    drift(x, real, **more).sum().backward()
    return -x.grad / 2


def test_distances_by_hand():
    x, y = torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    torch.testing.assert_close(distances(x, y), torch.tensor([[5.0, 1e-3], [4.0, 3.0]]))


def test_distances_have_a_finite_gradient_at_zero():
    x = torch.ones(2, 3, requires_grad=True)
    distances(x, torch.ones(1, 3)).sum().backward()
    assert torch.equal(x.grad, torch.zeros(2, 3))


def test_drift_by_hand():
    """Two rows on a line, one real one at the origin, one temperature."""
    x, real = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0]])
    rows = []
    for i in range(2):  # affinities of row i with the real one and with the other row; itself it does not see
        pull, push = math.exp(-float(x[i])), math.exp(-1.0)
        rows.append((pull, push))
    along = [(p / (p + q), q / (p + q)) for p, q in rows]  # softmax over columns
    total = sum(p for p, _ in rows)
    across = [p / total for p, _ in rows]  # softmax over rows: the generated columns have one row each
    pulls = [math.sqrt(a[0] * c) for a, c in zip(along, across, strict=True)]
    pushes = [math.sqrt(a[1]) for a in along]
    steps = torch.tensor([-pulls[i] * pushes[i] * float(x[1 - i]) for i in range(2)])  # the pull is to 0
    steps = steps / steps.square().mean().sqrt()
    torch.testing.assert_close(field_of(x, real, temperatures=[1.0])[:, 0], steps, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(drift(x, real, temperatures=[1.0]), steps.square(), rtol=1e-4, atol=1e-5)


def test_drift_goes_towards_the_real_rows():
    real = torch.randn(64, 2, generator=seeded()) * 0.1
    x = torch.tensor([2.0, -1.0]) + torch.randn(32, 2, generator=seeded(1)) * 0.1
    directions = torch.nn.functional.cosine_similarity(field_of(x, real), -x)
    assert (directions > 0.8).all()


def test_a_row_alone_has_nothing_to_leave():
    x, real = torch.ones(1, 3), torch.randn(20, 3, generator=seeded())
    assert drift(x, real).tolist() == [0]


def test_a_crowd_spreads_over_the_real_rows():
    """All generated rows lie on one of two real clusters; following the field reaches the other too."""
    real = torch.cat((torch.zeros(32, 1), torch.ones(32, 1)))
    real = real + 0.02 * torch.randn(64, 1, generator=seeded())
    x = 0.3 + 0.1 * torch.randn(32, 1, generator=seeded(1))
    for _ in range(200):
        x = x + 0.05 * field_of(x, real)
    right = (x > 0.5).float().mean()
    assert 0.25 < right < 0.75
    assert ((x - x.round()).abs() < 0.25).float().mean() > 0.8


def test_gradients_flow_to_the_generated_rows_only():
    x = torch.randn(5, 4, generator=seeded()).requires_grad_()
    real = torch.randn(9, 4, generator=seeded(1)).requires_grad_()
    found = drift(x, real)
    assert found.shape == (5,)
    found.sum().backward()
    assert real.grad is None
    assert (x.grad.abs().sum(1) > 0).all()


def test_its_size_is_that_of_a_unit_field():
    x, real = torch.randn(16, 8, generator=seeded()), torch.randn(50, 8, generator=seeded(1))
    assert drift(x, real, temperatures=[0.2]).mean() == pytest.approx(1.0, rel=1e-3)
    assert 0 < drift(x, real).mean() <= 1 + 1e-3  # directions of several temperatures cancel in part
    assert len(TEMPERATURES) == 3


@pytest.mark.parametrize(
    ("x", "real"),
    [
        (torch.ones(1, 3), torch.randn(20, 3, generator=seeded())),  # alone
        (torch.ones(4, 3), torch.ones(20, 3)),  # all one
        (torch.full((4, 3), 1e4), torch.zeros(20, 3)),  # far off
        (torch.ones(4, 3), torch.zeros(1, 3)),
    ],
)
def test_extremes_are_finite(x, real):
    x = x.clone().requires_grad_()
    found = drift(x, real)
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(x.grad).all()


def test_map_difference_by_hand():
    maps = [torch.zeros(2, 1, 2, 2), torch.zeros(2, 3, 1, 1)]
    real = [torch.ones(2, 1, 2, 2), torch.zeros(2, 3, 1, 1)]
    real[1][1, 0] = -3.0
    # Means of absolute differences 1 and 1 in the first map; 0 and 1 in the second.
    assert map_difference(maps, real, [2.0, 10.0]).tolist() == [1.0, 6.0]


def test_map_difference_has_a_finite_gradient_at_zero():
    maps = [torch.ones(2, 3, 4, 4, requires_grad=True)]
    map_difference(maps, [torch.ones(2, 3, 4, 4)], [1.0]).sum().backward()
    assert torch.equal(maps[0].grad, torch.zeros(2, 3, 4, 4))
