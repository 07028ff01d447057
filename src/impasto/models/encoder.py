"""Pictures -> latents, without learning: whitened principal components made Gaussian.

A generator that knows which latent stands for which real picture can be shown, picture by picture, what it
should have made (after GLO, Bojanowski et al. 2018, whose latents are learnt, and IC-GAN, Casanova et al.
2021, which conditions on features of a picture). Fixed latents cost nothing per step and cannot collapse.
"""

import math

import torch
from torch import Tensor, nn

from impasto.models.generator import SKETCH_SIDE
from impasto.models.pyramid import content, thumbnail

THUMBNAIL_SIDE = SKETCH_SIDE
ROUNDING = 1e-5  # of the norm of the pictures: smaller differences are no descriptions of them


class Encoder(nn.Module):
    """The latents of pictures, about N(0, I) over the pictures that it was fitted to.

    The first components describe the picture at 16 px, the others what the deepest map of the pyramid knows
    beyond that. Each is mapped to a normal distribution by its rank among the fitted pictures.
    """

    def __init__(self, thumbnails: Tensor, contents: Tensor, pixel_dims: int, content_dims: int) -> None:
        """Fit to N pictures: `thumbnails` (N, C 16^2), `contents` (N, d). At most N - 1 components each."""
        super().__init__()
        self.pixel_basis, self.pixel_mean = _whitening(thumbnails, pixel_dims, ROUNDING * thumbnails.norm())
        pixels = (thumbnails - self.pixel_mean) @ self.pixel_basis
        self.content_mean = contents.mean(0)
        # What the thumbnail already tells of the content is taken out, so that no component says it twice.
        self.explained = pixels.T @ (contents - self.content_mean) / len(contents)
        rest = contents - self.content_mean - pixels @ self.explained
        self.content_basis, rest_mean = _whitening(rest, content_dims, ROUNDING * contents.norm())
        self.content_mean = self.content_mean + rest_mean
        components = torch.cat((pixels, (rest - rest_mean) @ self.content_basis), 1)
        self.ranked = components.T.contiguous().sort(1).values  # (dims, N)

    @property
    def dims(self) -> int:
        """How many components a latent has."""
        return len(self.ranked)

    @torch.no_grad()
    def forward(self, images: Tensor, maps: list[Tensor]) -> Tensor:
        """Pictures (B, C, H, W) and their pyramid's maps -> (B, dims)."""
        return self.encode(thumbnail(images, THUMBNAIL_SIDE), content(maps))

    @torch.no_grad()
    def encode(self, thumbnails: Tensor, contents: Tensor) -> Tensor:
        """Thumbnails (B, C 16^2) and contents (B, d) -> (B, dims)."""
        pixels = (thumbnails - self.pixel_mean) @ self.pixel_basis
        rest = (contents - self.content_mean - pixels @ self.explained) @ self.content_basis
        components = torch.cat((pixels, rest), 1).T.contiguous()
        low = torch.searchsorted(self.ranked, components)
        high = torch.searchsorted(self.ranked, components, right=True)
        share = ((low + high) / 2 + 0.5) / (self.ranked.shape[1] + 1)
        latents: Tensor = torch.special.ndtri(share)
        return latents.T.contiguous()


def _whitening(x: Tensor, dims: int, least: Tensor) -> tuple[Tensor, Tensor]:
    """Basis (d, dims) whose projections of `x - mean` have unit variance and no correlation, and the mean.

    There are fewer than `dims` where so few directions have a singular value above `least`.
    """
    mean = x.mean(0)
    _, scales, directions = torch.linalg.svd(x - mean, full_matrices=False)
    real = int((scales > torch.maximum(scales[0] * 1e-4, least)).sum())
    dims = min(dims, len(x) - 1, real)
    return directions[:dims].T / scales[:dims] * math.sqrt(len(x)), mean
