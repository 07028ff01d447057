"""From points to pixels: the generator at work, and what is then asked of the colours.

Every picture is computed by itself: it is the same alone or among others, bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from impasto.image.codec import Pixels, to_uint8
from impasto.nn.frozen_features import FrozenFeatures, content
from impasto.tasks.generation.generator import Generator
from impasto.tasks.generation.sampling.directions import KeptDirections
from impasto.tasks.generation.sampling.latents import colouring_of, latent_of
from impasto.tasks.generation.sampling.recipe import Point
from impasto.tasks.generation.sampling.recolour import recolour
from impasto.tasks.generation.sampling.repaint import coloured

SEEN_PX = 128  # at which pictures are compared


@dataclass(frozen=True)
class Painter:
    """Makes the pictures at points.

    Attributes:
        generator: What makes them.
        themes: Names of the themes that it knows, in its order.
        background: Colour of the page that pictures lie on, "#rrggbb".
        directions: Its directions, by which points move.
    """

    generator: Generator
    themes: tuple[str, ...]
    background: str
    directions: KeptDirections

    def latent(self, point: Point) -> Tensor:
        """(levels, latent_dim) float32 on the CPU. Raises `InputError` for what the generator cannot do."""
        return latent_of(point, self.generator, lambda name: self.directions.find()[name], self.themes)

    def paint(self, point: Point, colours_of: Point | None = None) -> Pixels:
        """(H, W, channels) uint8, in the colours of the picture at another point where one is given."""
        pixels: Pixels = to_uint8(self._image(point, colours_of))[0]
        return pixels

    @torch.inference_mode()
    def see(self, points: Sequence[Point]) -> Tensor:
        """What the frozen network says of the pictures at points: (B, 1600) on the CPU."""
        seen = [content(self._pyramid(self._image(point).clamp(-1, 1))) for point in points]
        return torch.cat(seen).cpu()

    @cached_property
    def _pyramid(self) -> FrozenFeatures:
        return FrozenFeatures((SEEN_PX, SEEN_PX)).to(self.generator.device)

    @torch.inference_mode()
    def _image(self, point: Point, colours_of: Point | None = None) -> Tensor:
        """(1, channels, H, W), about [-1, 1]."""
        image = self.generator(self.latent(point)[None].to(self.generator.device))
        image = coloured(image, colouring_of(point), self.background)
        return image if colours_of is None else recolour(image, self._image(colours_of))
