"""What is known of the real pictures before the first step of a projected GAN.

All of it is a function of the pictures and the config, so it is made anew on resuming and never saved.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.descriptors import ProjectedConfig
from impasto.models.discriminator import ProjectedDiscriminator
from impasto.models.encoder import THUMBNAIL_SIDE, Encoder
from impasto.models.generator import GrowingGenerator
from impasto.models.pyramid import Pyramid, content, thumbnail

MEASURED = 256  # pictures, the first, that scales are taken from


@dataclass(frozen=True)
class Reference:
    """The real pictures as the generator's lessons see them."""

    encoder: Encoder
    map_scales: list[float]  # one over the mean absolute value of each map of the pyramid


def make_reference(
    generator: GrowingGenerator,
    discriminator: ProjectedDiscriminator,
    batches: Iterable[Tensor],
    cfg: ProjectedConfig,
    *,
    first: bool,
) -> Reference:
    """Look at real pictures, batches of (B, C, H, W); before the `first` step give both players their start.

    At least two pictures, in random order: scales are taken from the first of them. Only one batch is needed
    at a time: 2,048 pictures of 256 px are 1.6 GB.
    """
    seen = survey(discriminator.pyramid, batches)
    encoder = Encoder(seen.thumbnails, seen.contents, cfg.pixel_dims, cfg.content_dims)
    if first:
        discriminator.calibrate(seen.maps)
        latents = encoder.encode(seen.thumbnails, seen.contents)
        generator.follow(latents, cfg.exemplar_noise)
        generator.draw_sketches(F.pad(latents, (0, generator.latent_dim - encoder.dims)), seen.thumbnails)
    return Reference(encoder, [float(1 / m.abs().mean()) for m in seen.maps])


@dataclass(frozen=True)
class Survey:
    """What the frozen network and the thumbnails say of N pictures."""

    contents: Tensor  # (N, 1600)
    thumbnails: Tensor  # (N, C 16^2)
    maps: list[Tensor]  # of the first 256 pictures or a few more


@torch.no_grad()
def survey(pyramid: Pyramid, batches: Iterable[Tensor]) -> Survey:
    """Look once at pictures, batches of (B, C, H, W)."""
    contents, thumbnails = [], []
    kept: list[list[Tensor]] = []
    for images in batches:
        maps = pyramid(images)
        contents.append(content(maps))
        thumbnails.append(thumbnail(images, THUMBNAIL_SIDE))
        if sum(len(finest) for finest, *_ in kept) < MEASURED:
            kept.append(maps)
    maps = [torch.cat(same) for same in zip(*kept, strict=True)]
    return Survey(torch.cat(contents), torch.cat(thumbnails), maps)
