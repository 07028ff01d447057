"""What the losses must satisfy that compare generated pictures with real ones directly."""

import torch

from impasto.losses.matching import map_difference


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
