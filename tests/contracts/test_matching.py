"""What the losses must satisfy that compare generated pictures with real ones directly."""

import pytest
import torch

from impasto.nn.losses.matching import distances, energy_distance, map_difference


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


def rows(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def energy(fake, real, alike=None, exponent=1.0):
    return energy_distance(distances(fake, real, exponent), alike, exponent)


def test_energy_distance_by_hand():
    """Between: (1 + 3 + 1 + 1) / 4 = 1.5; within either: 2. So (2 x 1.5 - 2 - 2) / 2."""
    assert float(energy(rows(0, 2), rows(1, 3))) == pytest.approx(-0.5, abs=0.02)
    # Between: 10; within the samples 0, within the real ones 2.
    assert float(energy(rows(0, 0), rows(9, 11))) == pytest.approx((20 - 2) / 2, abs=0.05)


def test_energy_distance_to_more_real_rows_than_a_batch_has():
    """Between: (1 + 3 + 5 + 1 + 1 + 3) / 6; within: 2; real: (2 + 4 + 2 + 2) / 4."""
    assert float(energy(rows(0, 2), rows(1, 3, 5))) == pytest.approx((14 / 3 - 2 - 2.5) / 2.5, abs=0.02)
    x = rows(0.0, 2.0).requires_grad_()
    energy(x, rows(0, 2, 9)).backward()
    assert x.grad.sum() < 0, "the earlier row attracts"


def test_a_power_of_the_distances_by_hand():
    """Distances 1, 4, 9 and 16 have roots 1, 2, 3 and 4, less what keeps the gradient finite."""
    pairs = distances(rows(0, 16), rows(9, 0), 0.5)
    assert pairs.between.tolist() == [pytest.approx([3, 0], abs=0.11), pytest.approx([7**0.5, 4], abs=0.11)]
    assert pairs.within.tolist() == [pytest.approx([0, 4], abs=0.11), pytest.approx([4, 0], abs=0.11)]
    # Between: (3 + 0 + sqrt 7 + 4) / 4; within: 4; real: 3.
    expected = ((3 + 7**0.5 + 4) / 2 - 4 - 3) / (0.5 * 3)
    assert float(energy(rows(0, 16), rows(9, 0), exponent=0.5)) == pytest.approx(expected, abs=0.1)


def test_a_smaller_exponent_sees_groups_of_twins():
    """Groups that are where real ones are, and whose members hardly differ: what few latents matter make."""
    draw = torch.Generator().manual_seed(0)
    groups = torch.eye(8).repeat(16, 1) @ (3 * torch.randn(8, 16, generator=draw))
    real, new, twins = (groups + size * torch.randn(128, 16, generator=draw) for size in (1, 1, 0.2))
    excess = {}
    for exponent in (1.0, 0.5):
        one, other = (float(energy(fake, real, exponent=exponent)) for fake in (new, twins))
        assert abs(one) < 0.02
        excess[exponent] = other - one
    assert excess[0.5] > 2 * excess[1.0] > 0


def test_energy_distance_is_zero_on_average_for_the_same_distribution_and_only_there():
    draw = torch.Generator().manual_seed(0)
    pairs = [torch.randn(2, 16, 8, generator=draw) for _ in range(400)]
    assert float(torch.stack([energy(x, y) for x, y in pairs]).mean()) == pytest.approx(0, abs=0.01)
    moved = torch.stack([energy(x + 0.5, y) for x, y in pairs]).mean()
    narrow = torch.stack([energy(0.5 * x, y) for x, y in pairs]).mean()
    assert min(float(moved), float(narrow)) > 0.03


def test_energy_distance_pushes_equal_samples_apart_no_more_than_nearly_equal_ones():
    x = torch.zeros(4, 3, requires_grad=True)
    energy(x, torch.randn(4, 3, generator=torch.Generator().manual_seed(0))).backward()
    assert torch.isfinite(x.grad).all()
    alone = torch.zeros(1, 3, requires_grad=True)
    assert torch.isfinite(energy(alone, torch.ones(1, 3)))


def test_samples_descend_to_the_distribution_and_not_to_its_members():
    """Moved along the gradient 40 rows get the mean and the spread of 1,000 others, a few at a time."""
    draw = torch.Generator().manual_seed(0)
    real = 2 + 3 * torch.randn(1_000, 1, generator=draw)
    x = torch.randn(200, 1, generator=draw).requires_grad_()
    optimizer = torch.optim.Adam([x], 0.05)
    for _ in range(600):
        optimizer.zero_grad()
        some = real[torch.randint(len(real), (100,), generator=draw)]
        energy(x[torch.randperm(200, generator=draw)[:100]], some).backward()
        optimizer.step()
    assert float(x.detach().mean()) == pytest.approx(2, abs=0.5)
    assert float(x.detach().std()) == pytest.approx(3, rel=0.2)


def test_energy_within_by_hand():
    """The first two rows are alike and like real row 5; the third is like nothing."""
    fake, real = rows(0, 2, 9), rows(1, 3, 8, 5)
    alike = torch.tensor([[1, 1, 0, 1], [1, 1, 0, 1], [0, 0, 1, 0]], dtype=torch.float64)
    # Of 0: between (1 + 3 + 5) / 3 = 3, within 2, real within |1 - 3| and |1 - 5|: 3.
    # Of 2: between (1 + 1 + 3) / 3 = 5/3, within 2, real within |3 - 1| and |3 - 5|: 2.
    assert float(energy(fake, real, alike)) == pytest.approx(((6 - 2 - 3) + (10 / 3 - 2 - 2)) / 5, abs=0.03)
    assert float(energy(fake[2:], real[2:3], alike[2:, 2:3])) == 0, "nothing is like it"


def test_one_picture_for_each_theme_is_far_within_and_near_in_all():
    draw = torch.Generator().manual_seed(0)
    themes = torch.eye(8).repeat(8, 1)
    centres = 3 * torch.randn(8, 16, generator=draw)
    real = themes @ centres + torch.randn(64, 16, generator=draw)
    new = themes @ centres + torch.randn(64, 16, generator=draw)
    same = themes @ centres
    alike = themes @ themes.T
    assert abs(float(energy(new, real, alike))) < 0.1
    assert float(energy(same, real, alike)) > 0.3
    assert float(energy(same, real)) < 0.2
    x = (same + 0.01 * torch.randn(64, 16, generator=draw)).requires_grad_()
    energy(x, real, alike).backward()
    start = x.detach()
    moved = start - 20 * x.grad
    assert float((moved - same).norm()) > 2 * float((start - same).norm())
