"""What a projected discriminator and the energy distances see: maps of a frozen EfficientNet-Lite1.

Lite1, never the judge's Lite0: a network that helps to train must not measure (Kynkaanniemi et al. 2023).
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.nn.features import folded_network, prepare
from impasto.nn.frozen import FrozenMaps
from impasto.nn.frozen_blocks import fuse_blocks

CHANNELS = (24, 40, 112, 320)  # of the maps at strides 4, 8, 16 and 32
STAGES = (1, 2, 4, 6)  # the last block of the network at each of these strides


class FrozenFeatures(FrozenMaps):
    """Pictures (B, C, H, W) in [-1, 1] -> maps (B, 24, h/4, w/4) ... (B, 320, h/32, w/32), (h, w) = `shape`.

    With `shape` of None pictures keep their size.
    """  # fmt: skip

    def __init__(self, shape: tuple[int, int] | None) -> None:
        super().__init__()
        self.shape = shape
        self.net = folded_network("lite1")
        self.freeze()
        self._low: tuple[nn.Module, ...] = ()  # the network in bfloat16; in a tuple: not a submodule

    def forward(self, images: Tensor) -> list[Tensor]:
        """The same; use the call."""
        x, device = prepare(images, self.shape), images.device.type
        if not torch.is_autocast_enabled(device) or torch.get_autocast_dtype(device) != torch.bfloat16:
            return self._maps(self.net, x)
        # Autocast would round all the weights anew at each call: it remembers only those that learn.
        if not self._low:
            low = deepcopy(self.net).bfloat16()
            if device == "cpu":
                fuse_blocks(low)
            self._low = (low,)
        with torch.autocast(device, enabled=False):
            return self._maps(self._low[0], x.bfloat16())

    @staticmethod
    def _maps(net: Any, x: Tensor) -> list[Tensor]:
        x = net.bn1(net.conv_stem(x))
        maps = []
        for index, block in enumerate(net.blocks):
            x = block(x)
            if index in STAGES:
                maps.append(x)
        return maps

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "FrozenFeatures":
        self._low = ()
        return super()._apply(fn, recurse)  # type: ignore[no-any-return, no-untyped-call]


def map_shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Height and width of the four maps of a picture of that `shape`: each stride rounds up."""
    height, width = shape
    return [(-(-height // stride), -(-width // stride)) for stride in (4, 8, 16, 32)]


def thumbnail(images: Tensor, side: int) -> Tensor:
    """(B, C, H, W) -> (B, C side^2): the mean of each cell."""
    return F.adaptive_avg_pool2d(images.float(), side).flatten(1)


def content(maps: Sequence[Tensor]) -> Tensor:
    """(B, 1600): the deepest map's mean and its four quarters, what a picture shows and roughly where."""
    deepest = maps[-1].float()
    return torch.cat((deepest.mean((2, 3)), F.adaptive_avg_pool2d(deepest, 2).flatten(1)), 1)
