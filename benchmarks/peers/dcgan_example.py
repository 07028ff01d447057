"""The recipe of PyTorch's own DCGAN tutorial (after Radford et al. 2016), written anew from its description.

At 64 px as published: strided (transposed) convolutions of kernel 4 with batch norm in both networks, 100
latents, 64 channels at the finest, batch 128, Adam 2e-4 with beta1 0.5, binary cross-entropy, weights from
N(0, 0.02). D sees real and generated pictures in separate batches; G's step uses the pictures that D has just
seen. No weights are averaged, and samples are made with the batch's own statistics, since the script never
leaves training mode. Other sizes have a layer more or less.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.image.codec import to_uint8
from peers import NextBatch, seeded_normal

BATCH, LATENTS, CHANNELS = 128, 100, 64


class DcganExample:
    """Both networks and their optimizers."""

    images_per_step = BATCH

    def __init__(self, next_batch: NextBatch, size: int, channels: int) -> None:
        self.next_batch = next_batch
        self.generator, self.discriminator = generator(size, channels), discriminator(size, channels)
        self.generator_optimizer, self.discriminator_optimizer = (
            torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for net in (self.generator, self.discriminator)
        )

    def step(self) -> None:
        """D on real, D on generated, G."""
        real = self.next_batch()
        fake = self.generator(torch.randn(len(real), LATENTS, 1, 1))
        self.discriminator.zero_grad()
        self._loss(real, is_real=True).backward()
        self._loss(fake.detach(), is_real=False).backward()
        self.discriminator_optimizer.step()
        self.generator.zero_grad()
        self._loss(fake, is_real=True).backward()
        self.generator_optimizer.step()

    @torch.no_grad()
    def render(self, seeds: Sequence[int]) -> NDArray[np.uint8]:
        """In whole batches, each normalised by itself as in training."""
        wanted = math.ceil(len(seeds) / BATCH) * BATCH
        every = [*seeds, *range(max(seeds) + 1, max(seeds) + 1 + wanted - len(seeds))]
        z = seeded_normal(every, LATENTS)[:, :, None, None]
        return np.concatenate([to_uint8(self.generator(part)) for part in z.split(BATCH)])[: len(seeds)]

    def _loss(self, images: Tensor, *, is_real: bool) -> Tensor:
        logits = self.discriminator(images).flatten()
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))


def generator(size: int, channels: int) -> nn.Sequential:
    """(B, 100, 1, 1) -> (B, channels, size, size) in [-1, 1]."""
    widths = _widths(size)[::-1]
    layers: list[nn.Module] = [nn.ConvTranspose2d(LATENTS, widths[0], 4, bias=False)]
    for wide, narrow in itertools.pairwise(widths):
        layers += [nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU()]
    layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers).apply(_initialise)


def discriminator(size: int, channels: int) -> nn.Sequential:
    """(B, channels, size, size) -> (B, 1, 1, 1) logits; the published sigmoid is in the loss."""
    widths = _widths(size)
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for narrow, wide in itertools.pairwise(widths):
        layers += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, bias=False)).apply(_initialise)


def _widths(size: int) -> list[int]:
    """Channels at size / 2, size / 4, ... 4 px."""
    return [CHANNELS * 2**i for i in range(int(math.log2(size)) - 2)]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
