"""Blocks with a way back of their own, against the same blocks by autograd."""

from copy import deepcopy

import pytest
import torch

from impasto.nn.features import folded_network
from impasto.nn.frozen_blocks import FrozenBlock, fuse_blocks

# Of Lite1: a stride of 2 with 3 and 5 taps, the same size without and with what is added past it.
BLOCKS = {"halves": (1, 0), "halves by 5 taps": (2, 0), "keeps": (4, 0), "adds": (1, 1)}


@pytest.fixture(scope="module")
def net():
    return folded_network("lite1").requires_grad_(False).double()


@pytest.fixture(params=BLOCKS, ids=str)
def block(net, request):
    stage, index = BLOCKS[request.param]
    return net.blocks[stage][index]


def some(block, side=6, count=2):
    channels = block.conv_pw.in_channels
    x = torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(side))
    return x.double().mul(20).contiguous(memory_format=torch.channels_last).requires_grad_()


@pytest.mark.parametrize("side", [6, 5, 2])
def test_maps_and_gradients_are_those_of_autograd(block, side):
    fused, x = FrozenBlock(block), some(block, side)
    expected, got = block(x), fused(x)
    torch.testing.assert_close(got, expected)
    weights = torch.randn(expected.shape, dtype=torch.float64)
    (right,) = torch.autograd.grad(expected, x, weights)
    (ours,) = torch.autograd.grad(got, x, weights)
    torch.testing.assert_close(ours, right)
    assert not torch.allclose(right, torch.autograd.grad(x.sum(), x)[0])


def test_activations_cut_some_and_not_all(block):
    _, deep = FrozenBlock(block)(some(block)).grad_fn.saved_tensors
    assert {0.0, 6.0} < set(deep.unique().tolist())


def test_the_way_back_is_differentiable(block):
    x = some(block, 4, 1)

    def penalty(network):
        y = network(x)
        (gradient,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), x)[0]

    torch.testing.assert_close(penalty(FrozenBlock(block)), penalty(block))


def test_a_network_keeps_what_it_does(net):
    fused = deepcopy(net)
    fuse_blocks(fused)
    assert sum(isinstance(m, FrozenBlock) for m in fused.modules()) == 20
    x = torch.randn(1, 3, 48, 48, dtype=torch.float64)
    torch.testing.assert_close(fused(x), net(x))
