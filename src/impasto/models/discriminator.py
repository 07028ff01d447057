"""Discriminators: pictures `(B, channels, size, size)` in [-1, 1] -> logits `(B,)`, higher for real."""

import itertools
import math

import torch
from torch import Tensor, nn

from impasto.config import DcganConfig, ImageConfig, MlpConfig, ResidualConfig
from impasto.models.generator import stage_widths
from impasto.models.layers import LEAK, ResidualBlock, conv, downsample, leaky, linear


class Discriminator(nn.Module):
    """What every discriminator offers: logits, and the probability that a picture is real.

    `centre` is the logit at which real and generated are equally likely. It stays 0 for losses that fix the
    zero; a relativistic loss sees differences only, so training keeps it between the two means.
    """  # fmt: skip

    centre: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(()))

    def probability(self, images: Tensor) -> Tensor:
        """(B, channels, size, size) in [-1, 1] -> (B,) in [0, 1]: how likely each picture is real."""
        return torch.sigmoid(self(images) - self.centre)

    def __call__(self, images: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B,)."""
        logits: Tensor = super().__call__(images)
        return logits


class MlpDiscriminator(Discriminator):
    """Fully connected layers with leaky ReLU, ending in one logit (Goodfellow et al. 2014)."""

    def __init__(self, cfg: MlpConfig, image: ImageConfig) -> None:
        super().__init__()
        widths = (image.channels * image.size**2, *reversed(cfg.hidden))
        hidden = [
            layer
            for i in range(len(cfg.hidden))
            for layer in (nn.Linear(widths[i], widths[i + 1]), nn.LeakyReLU(LEAK))
        ]
        self.layers = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(widths[-1], 1))

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B,)."""
        logits: Tensor = self.layers(images)
        return logits[:, 0]


class DcganDiscriminator(Discriminator):
    """Convolutions, pooling, and a fully connected layer: the mirror of `DcganGenerator`."""

    def __init__(self, cfg: DcganConfig, image: ImageConfig) -> None:
        super().__init__()
        halvings = int(math.log2(image.size)) - 2
        widths = [image.channels, *(cfg.base_channels * 2**i for i in range(halvings))]
        layers: list[nn.Module] = []
        for narrow, wide in itertools.pairwise(widths):
            layers += [conv(narrow, wide), nn.LeakyReLU(LEAK), nn.AvgPool2d(2)]
        # Not the generator's N(0, 0.02): without batch norm behind it four layers of that say nothing.
        self.layers = nn.Sequential(*layers, nn.Flatten(), linear(widths[-1] * 4 * 4, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B,)."""
        logits: Tensor = self.layers(images)
        return logits[:, 0]


class ResidualDiscriminator(Discriminator):
    """The mirror of `ResidualGenerator`: halve the picture, then per resolution blocks and pooling."""

    def __init__(self, cfg: ResidualConfig, image: ImageConfig) -> None:
        super().__init__()
        widths = stage_widths(cfg.discriminator_channels, cfg.max_channels, image.size)[::-1]
        self.from_image = conv(image.channels, widths[0] // 2)
        self.widen = conv(widths[0] // 2, widths[0])
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(ResidualBlock(narrow) for _ in range(cfg.blocks)),
                conv(narrow, wide, 1, gain=0.7) if narrow != wide else nn.Identity(),
            )
            for narrow, wide in zip(widths, (*widths[1:], widths[-1]), strict=True)
        )
        self.head = linear(widths[-1] * 4 * 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, size, size) -> (B,)."""
        x: Tensor = self.widen(downsample(leaky(self.from_image(images))))
        for i, stage in enumerate(self.stages):
            x = stage(x if i == 0 else downsample(x))
        logits: Tensor = self.head(leaky(x).flatten(1))
        return logits[:, 0]
