"""The blocks of a frozen MobileNet-like network, there and back, without what only learning needs.

An inverted residual (Sandler et al. 2018, MobileNetV2) widens by 1 x 1, looks around in each channel by
itself, and narrows by 1 x 1. Where no weight learns, its way back needs the two activated maps and nothing
else. For bfloat16 on CPUs: 1 x 1 convolutions are matrix products over the pixels, activations are cut in
place, and the depthwise convolution's way back is a convolution of stride 1 with the kernel turned round.
In float32 oneDNN's convolutions are the faster ones.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, hardtanh_

CEILING = 6.0  # ReLU6


def fuse_blocks(net: nn.Module) -> None:
    """Replace, in place, each inverted residual of a frozen `features.folded_network` by a `FrozenBlock`."""
    for name, child in list(net.named_children()):
        if hasattr(child, "conv_pwl"):
            setattr(net, name, FrozenBlock(child))
        else:
            fuse_blocks(child)


class FrozenBlock(nn.Module):
    """timm's `InvertedResidual`, folded and frozen, for maps in channels_last: the same function."""

    wider: Tensor
    kernel: Tensor
    turned: Tensor
    narrower: Tensor

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        convolutions: Any = (block.conv_pw, block.conv_dw, block.conv_pwl)
        wider, around, narrower = (getattr(c, "plain", c) for c in convolutions)
        self.stride = int(around.stride[0])
        self.skips = bool(block.has_skip)
        self.register_buffer("wider", wider.weight.detach().flatten(1))
        # Of HalvingConv, its kernel: with a row and a column of zeros before it.
        self.register_buffer("kernel", getattr(convolutions[1], "kernel", around.weight.detach()))
        self.register_buffer("turned", around.weight.detach().flip(2, 3))
        self.register_buffer("narrower", narrower.weight.detach().flatten(1))
        self.biases = nn.ParameterList((wider.bias, around.bias, narrower.bias))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride), rounded up."""
        if self.stride == 2 and (x.shape[2] % 2 or x.shape[3] % 2):  # padded otherwise: as HalvingConv says
            plain: Tensor = self.block(x)
            return plain
        result: Tensor = _InvertedResidual.apply(x, self)
        return result

    def look_around(self, x: Tensor) -> Tensor:
        """The depthwise convolution, (B, C, H, W) -> (B, C, H / stride, W / stride)."""
        padding = self.turned.shape[-1] // 2
        return conv2d(x, self.kernel, self.biases[1], self.stride, padding, groups=x.shape[1])

    def look_back(self, gradient: Tensor) -> Tensor:
        """Its transpose, (B, C, H / stride, W / stride) -> (B, C, H, W).

        Of stride 2 it is taken over a map with zeros between: oneDNN's own takes seventy times as long in
        bfloat16 as in float32.
        """
        count, channels, height, width = gradient.shape
        if self.stride == 2:
            spread = gradient.new_zeros(count, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)
            spread[:, :, 1::2, 1::2] = gradient
            gradient = spread
        return conv2d(gradient, self.turned, padding=self.turned.shape[-1] // 2, groups=channels)


class _InvertedResidual(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, block: FrozenBlock) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride)."""
        wide = hardtanh_(_by_pixel(x, block.wider.t(), block.biases[0]), 0.0, CEILING)
        deep = hardtanh_(block.look_around(wide), 0.0, CEILING)
        ctx.save_for_backward(wide, deep)
        ctx.block = block
        result = _by_pixel(deep, block.narrower.t(), block.biases[2])
        return result.add_(x) if block.skips else result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Differentiable itself: of the maps only where they were cut matters, which is the same nearby."""
        wide, deep = ctx.saved_tensors
        block: FrozenBlock = ctx.block
        back = _uncut(_by_pixel(gradient, block.narrower), deep)
        back = _by_pixel(_uncut(block.look_back(back), wide), block.wider)
        return back + gradient if block.skips else back, None


def _by_pixel(x: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """(B, C, H, W) times (C, D): (B, D, H, W) in channels_last."""
    count, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(-1, channels)
    product = pixels @ matrix if bias is None else torch.addmm(bias, pixels, matrix)
    return product.view(count, height, width, -1).permute(0, 3, 1, 2)


def _uncut(gradient: Tensor, activated: Tensor) -> Tensor:
    """The gradient of an activation's input, where it lay between 0 and `CEILING`."""
    result: Tensor = torch.ops.aten.hardtanh_backward(gradient, activated, 0.0, CEILING)
    return result
