"""Other shapes of small upscalers, written anew from their papers, each x4 on pictures in [-1, 1]."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.config.upscaling import CompactConfig
from impasto.tasks.upscaling.networks import build_upscaler

SCALE = 4


def conv(channels_in: int, channels_out: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, groups=groups)


class OverNearest(nn.Module):
    """What the body makes is added to the nearest enlargement."""

    def forward(self, images: Tensor) -> Tensor:
        added = F.pixel_shuffle(self.body(images), SCALE)
        return added + F.interpolate(images, scale_factor=SCALE, mode="nearest")

    def body(self, images: Tensor) -> Tensor:
        raise NotImplementedError


class Plain(OverNearest):
    """Convolutions and PReLU, as SRVGGNetCompact has them (Real-ESRGAN, Wang et al. 2021)."""

    def __init__(self, channels: int, convolutions: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv(3, channels), nn.PReLU(channels)]
        for _ in range(convolutions):
            layers += [conv(channels, channels), nn.PReLU(channels)]
        self.layers = nn.Sequential(*layers, conv(channels, 3 * SCALE**2))
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.25)
        quiet(self.layers[-1], 0.01)

    def body(self, images: Tensor) -> Tensor:
        added: Tensor = self.layers(images)
        return added


class Residual(OverNearest):
    """Blocks of two convolutions and the input added, without normalisation (EDSR, Lim et al. 2017)."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.head, self.tail = conv(3, channels), quiet(conv(channels, 3 * SCALE**2), 0.1)
        self.blocks = nn.ModuleList(
            nn.Sequential(conv(channels, channels), nn.LeakyReLU(0.1), quiet(conv(channels, channels), 0.1))
            for _ in range(blocks)
        )

    def body(self, images: Tensor) -> Tensor:
        x = self.head(images)
        for block in self.blocks:
            x = x + block(x)
        added: Tensor = self.tail(x)
        return added


class Span(OverNearest):
    """Blocks of three convolutions that weigh themselves by an odd function (SPAN, Wan et al. 2024)."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.head, self.tail = conv(3, channels), quiet(conv(channels, 3 * SCALE**2), 0.1)
        self.blocks = nn.ModuleList(
            nn.ModuleList(conv(channels, channels) for _ in range(3)) for _ in range(blocks)
        )
        self.last, self.gather = conv(channels, channels), nn.Conv2d(4 * channels, channels, 1)

    def body(self, images: Tensor) -> Tensor:
        head = x = self.head(images)
        first = between = head
        for index, (one, two, three) in enumerate(self.blocks):  # type: ignore[misc]
            between = two(F.silu(one(x)))
            y = three(F.silu(between))
            x = (y + x) * (torch.sigmoid(y) - 0.5)
            if index == 0:
                first = x
        gathered = self.gather(torch.cat((head, self.last(x), first, between), 1))
        added: Tensor = self.tail(gathered)
        return added


class Safmn(nn.Module):
    """Blocks that modulate features by themselves at four resolutions (SAFMN, Sun et al. 2023)."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.head, self.tail = conv(3, channels), conv(channels, 3 * SCALE**2)
        self.blocks = nn.ModuleList(SafmnBlock(channels) for _ in range(blocks))

    def forward(self, images: Tensor) -> Tensor:
        head = x = self.head(images)
        for block in self.blocks:
            x = block(x)
        return F.pixel_shuffle(self.tail(x + head), SCALE)


class SafmnBlock(nn.Module):
    """Spatially adaptive modulation, then convolutional mixing of channels, each over the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        quarter = channels // 4
        self.norms = nn.ModuleList(nn.GroupNorm(1, channels) for _ in range(2))
        self.scales = nn.ModuleList(conv(quarter, quarter, groups=quarter) for _ in range(4))
        self.gather = nn.Conv2d(channels, channels, 1)
        wide = 2 * channels
        self.mix = nn.Sequential(conv(channels, wide), nn.GELU(), nn.Conv2d(wide, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        y = self.norms[0](x)
        parts = []
        for index, (part, layer) in enumerate(zip(y.chunk(4, 1), self.scales, strict=True)):
            sides = max(1, height >> index), max(1, width >> index)
            small = layer(F.adaptive_max_pool2d(part, sides) if index else part)
            parts.append(F.interpolate(small, (height, width)) if index else small)
        x = x + F.gelu(self.gather(torch.cat(parts, 1))) * y
        mixed: Tensor = self.mix(self.norms[1](x))
        return x + mixed


def quiet(layer: nn.Conv2d, gain: float) -> nn.Conv2d:
    """The same layer, saying little at first."""
    with torch.no_grad():
        layer.weight.mul_(gain)
        if layer.bias is not None:
            layer.bias.zero_()
    return layer


def make(name: str) -> nn.Module:
    """A candidate of about 130 thousand deployed parameters."""
    match name:
        case "compact":
            return build_upscaler(CompactConfig(channels=32, convolutions=13))
        case "compact-narrow":
            return build_upscaler(CompactConfig(channels=32, convolutions=13)).deployed()
        case "plain":
            return Plain(32, 13)
        case "residual":
            return Residual(32, 6)
        case "span":
            return Span(26, 6)
        case "safmn":
            return Safmn(28, 8)
    raise ValueError(f"there is no candidate '{name}'")


CANDIDATES = ("compact", "plain", "residual", "span", "safmn")
