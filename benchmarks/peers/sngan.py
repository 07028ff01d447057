"""SNGAN with residual networks (Miyato et al. 2018, appendix B.4), written anew from the paper.

At 64 px: pre-activation residual blocks, batch norm in G only, every layer of D divided by its spectral norm
(one power iteration a step), hinge loss, 128 latents, Adam 2e-4 with betas (0, 0.9), batch 64, five steps
of D for each of G. Samples are made with the running statistics, as the paper's code does. Other sizes have
a block more or less. The learning rate's decay over hundreds of thousands of steps is left out.
"""

import itertools
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from impasto.image.codec import to_uint8
from peers import NextBatch, seeded_normal

BATCH, LATENTS, CHANNELS, WIDEST, ROUNDS = 64, 128, 64, 1024, 5
Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class Sngan:
    """Both networks and their optimizers. A step is one update of D, every fifth with one of G."""

    images_per_step = BATCH

    def __init__(self, next_batch: NextBatch, size: int, channels: int) -> None:
        self.next_batch = next_batch
        self.generator, self.discriminator = Generator(size, channels), discriminator(size, channels)
        self.generator_optimizer, self.discriminator_optimizer = (
            torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.0, 0.9))
            for net in (self.generator, self.discriminator)
        )
        self.steps = 0

    def step(self) -> None:
        """D, and G when it is its turn."""
        real = self.next_batch()
        with torch.no_grad():
            fake = self.generator(torch.randn(len(real), LATENTS))
        loss = F.relu(1 - self.discriminator(real)).mean() + F.relu(1 + self.discriminator(fake)).mean()
        self.discriminator_optimizer.zero_grad()
        loss.backward()
        self.discriminator_optimizer.step()
        self.steps += 1
        if self.steps % ROUNDS == 0:
            self.discriminator.requires_grad_(False)
            loss = -self.discriminator(self.generator(torch.randn(BATCH, LATENTS))).mean()
            self.generator_optimizer.zero_grad()
            loss.backward()
            self.generator_optimizer.step()
            self.discriminator.requires_grad_(True)

    @torch.no_grad()
    def render(self, seeds: Sequence[int]) -> NDArray[np.uint8]:
        """With batch norm's running statistics."""
        self.generator.eval()
        parts = [to_uint8(self.generator(z)) for z in seeded_normal(seeds, LATENTS).split(BATCH)]
        self.generator.train()
        return np.concatenate(parts)


class Generator(nn.Module):
    """(B, 128) -> (B, channels, size, size) in [-1, 1]."""

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        widths = _widths(int(math.log2(size)) - 1)[::-1]  # 4 px ... size
        self.width = widths[0]
        self.project = _initialised(nn.Linear(LATENTS, widths[0] * 4 * 4))
        blocks = (GeneratorBlock(wide, narrow) for wide, narrow in itertools.pairwise(widths))
        to_image = _initialised(nn.Conv2d(widths[-1], channels, 3, padding=1))
        self.layers = nn.Sequential(*blocks, nn.BatchNorm2d(widths[-1]), nn.ReLU(), to_image, nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(self.project(z).unflatten(1, (self.width, 4, 4)))


class GeneratorBlock(nn.Module):
    """Twice the size: batch norm, ReLU, upsample, convolution, batch norm, ReLU, convolution; plus a 1x1."""

    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            _initialised(nn.Conv2d(wide, narrow, 3, padding=1), math.sqrt(2)),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            _initialised(nn.Conv2d(narrow, narrow, 3, padding=1), math.sqrt(2)),
        )
        shortcut = _initialised(nn.Conv2d(wide, narrow, 1))
        self.shortcut = nn.Sequential(nn.Upsample(scale_factor=2), shortcut)

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


class DiscriminatorBlock(nn.Module):
    """Half the size: ReLU, convolution, ReLU, convolution, mean of 2x2; plus a 1x1. The first has no ReLU."""

    def __init__(self, narrow: int, wide: int, *, first: bool) -> None:
        super().__init__()
        inner = narrow if not first else wide
        self.residual = nn.Sequential(
            nn.Identity() if first else nn.ReLU(),
            spectral_norm(_initialised(nn.Conv2d(narrow, inner, 3, padding=1), math.sqrt(2))),
            nn.ReLU(),
            spectral_norm(_initialised(nn.Conv2d(inner, wide, 3, padding=1), math.sqrt(2))),
            nn.AvgPool2d(2),
        )
        one = spectral_norm(_initialised(nn.Conv2d(narrow, wide, 1)))
        self.shortcut = nn.Sequential(*((nn.AvgPool2d(2), one) if first else (one, nn.AvgPool2d(2))))

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


def discriminator(size: int, channels: int) -> nn.Sequential:
    """(B, channels, size, size) -> (B, 1): blocks down to 2 px, ReLU, sum over places, one linear unit."""
    widths = [channels, *_widths(int(math.log2(size)) - 1)]
    blocks = [
        DiscriminatorBlock(narrow, wide, first=i == 0)
        for i, (narrow, wide) in enumerate(itertools.pairwise(widths))
    ]
    return nn.Sequential(*blocks, nn.ReLU(), Sum(), spectral_norm(_initialised(nn.Linear(widths[-1], 1))))


class Sum(nn.Module):
    """(B, C, H, W) -> (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum((2, 3))


def _widths(count: int) -> list[int]:
    return [min(WIDEST, CHANNELS * 2**i) for i in range(count)]


def _initialised(layer: Layer, gain: float = 1.0) -> Layer:
    """Glorot's uniform weights, zero bias."""
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer
