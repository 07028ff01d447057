"""What is known of the real pictures before the first step of a projected GAN.

All of it is a function of the pictures and the config, so it is made anew on resuming and never saved.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.config import ProjectedConfig
from impasto.losses.matching import distances
from impasto.models.discriminator import ProjectedDiscriminator
from impasto.models.encoder import THUMBNAIL_SIDE, Encoder
from impasto.models.generator import GrowingGenerator
from impasto.models.pyramid import survey, thumbnail

MEASURED = 256  # pictures whose mean distance is the unit of a description


@dataclass(frozen=True)
class Reference:
    """The real pictures as the generator's lessons see them."""

    encoder: Encoder
    descriptions: list[Tensor]  # each (N, d), in units of the mean distance between two real pictures
    units: list[Tensor]  # that distance
    map_scales: list[float]  # one over the mean absolute value of each map of the pyramid


def make_reference(
    generator: GrowingGenerator,
    discriminator: ProjectedDiscriminator,
    images: Tensor,
    cfg: ProjectedConfig,
    *,
    first: bool,
) -> Reference:
    """Survey N >= 16 real pictures (N, C, H, W); before the `first` step also give both players their start.

    The pictures must be in random order: units and scales are taken from the first of them.
    """
    pyramid = discriminator.pyramid
    descriptions, contents = survey(pyramid, images)
    thumbnails = thumbnail(images, THUMBNAIL_SIDE)
    units = [_mean_distance(d) for d in descriptions]
    with torch.no_grad():
        maps = pyramid(images[:MEASURED])
    encoder = Encoder(thumbnails, contents, cfg.pixel_dims, cfg.content_dims)
    if first:
        discriminator.calibrate(maps)
        latents = encoder.encode(thumbnails, contents)
        generator.draw_sketches(F.pad(latents, (0, generator.latent_dim - encoder.dims)), thumbnails)
    return Reference(
        encoder,
        [d / unit for d, unit in zip(descriptions, units, strict=True)],
        units,
        [float(1 / m.abs().mean()) for m in maps],
    )


def _mean_distance(description: Tensor) -> Tensor:
    half = min(len(description) // 2, MEASURED)
    # Never zero: a folder of one picture repeated has no distances, and no lesson either.
    return distances(description[:half], description[half : 2 * half]).mean().clamp_min(1e-3)
