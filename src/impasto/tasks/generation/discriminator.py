"""Discriminators: pictures `(B, channels, height, width)` in [-1, 1] -> logits `(B,)`, higher for real.

One with several heads gives `(B, N)`, a logit for every head and place.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.config.generation import DcganConfig, MlpConfig, ModulatedConfig, ResidualConfig
from impasto.config.shared import ImageConfig
from impasto.nn.discriminator import Discriminator
from impasto.nn.frozen_features import CHANNELS, FrozenFeatures, map_shapes
from impasto.nn.layers import LEAK, ResidualBlock, conv, downsample, leaky, linear
from impasto.nn.whitening import ComparedRows
from impasto.tasks.generation.generator import widths_to


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
        widths = widths_to(image.size // 2, cfg.discriminator_channels, cfg.max_channels)[::-1]
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


class ProjectedDiscriminator(Discriminator):
    """Small heads on the maps of a frozen network (Projected GAN, Sauer et al. 2021).

    Fixed random convolutions mix the channels of each map (CCM) and, from the deepest map upwards, the maps
    with each other (CSM), so that no head can rest on a few features. The heads are spectrally normalised.

    Its frozen network is not among its weights: it is the same everywhere, and no checkpoint needs it.
    """

    def __init__(self, cfg: ModulatedConfig, image: ImageConfig) -> None:
        super().__init__()
        seen = seen_shape(image.shape, cfg.pyramid_px)
        self._pyramid = (FrozenFeatures(seen),)  # in a tuple: not a submodule
        width, shapes = cfg.head_channels, map_shapes(seen)
        self.mix_channels = nn.ModuleList(FixedConv(c, width, 1) for c in CHANNELS)
        self.mix_scales = nn.ModuleList(FixedConv(width, width, 3) for _ in CHANNELS[1:])
        self.known_dims = cfg.known_dims
        self.heads = nn.ModuleList(Head(width, shape, self.known_dims) for shape in shapes)
        self.units: Tensor
        self.scales: Tensor
        self.register_buffer("units", torch.ones(len(CHANNELS)))
        self.register_buffer("scales", torch.ones(len(CHANNELS)))
        self.pixel_head = Head(width, image.shape, self.known_dims, image.channels)
        self._shapes = [(*shape, c) for shape, c in zip(shapes, CHANNELS, strict=True)]
        self._shapes.append((*image.shape, image.channels))
        # Not judged by the heads: the step compares whole batches by these rows.
        self.compared = ComparedRows(image.channels, seen, cfg.whitened_directions)
        self.condition_weight = 1.0  # how much of what a latent says counts; training sets it

    @property
    def pyramid(self) -> FrozenFeatures:
        """The frozen network whose maps the heads see."""
        return self._pyramid[0]

    def __call__(self, images: Tensor, latents: Tensor | None = None) -> Tensor:
        """Pictures (B, C, H, W), or features of them (B, d), -> logits (B, N).

        With `latents` (B, latent_dim) the question is whether the picture is real and has that latent.
        """
        logits: Tensor = nn.Module.__call__(self, images, latents)
        return logits

    def calibrate(self, maps: Sequence[Tensor]) -> None:
        """Scale features, and mixed maps, to unit mean square over some real pictures, before training."""
        with torch.no_grad():
            units = [1 / m.square().mean().sqrt() for m in maps]
            mixed = [mix(m * unit) for mix, m, unit in zip(self.mix_channels, maps, units, strict=True)]
            self.units.copy_(torch.stack(units))
            self.scales.copy_(torch.stack([1 / m.std() for m in mixed]))

    def features(self, maps: Sequence[Tensor], images: Tensor) -> Tensor:
        """The pyramid's maps and the pixels, one row for each picture, (B, d) of about unit mean square.

        They are to this discriminator what pixels are to another: penalties bound its slope over them, which
        spares them the way through the frozen network and back (as Sauer et al. 2024, ADD, do with R1).
        """
        scaled = [m.float() * unit for m, unit in zip(maps, self.units, strict=True)]
        return torch.cat([m.permute(0, 2, 3, 1).flatten(1) for m in (*scaled, images)], 1)

    def _split(self, features: Tensor) -> list[Tensor]:
        parts = torch.split(features, [math.prod(shape) for shape in self._shapes], 1)
        return [
            part.view(len(part), *shape).permute(0, 3, 1, 2)
            for part, shape in zip(parts, self._shapes, strict=True)
        ]

    def forward(self, images: Tensor, latents: Tensor | None = None) -> Tensor:
        """The same; use the call."""
        features = images if images.dim() == 2 else self.features(self.pyramid(images), images)
        *maps, pixels = self._split(features)
        known = latents[:, : self.known_dims] if latents is not None and self.known_dims else None
        logits = [self.pixel_head(pixels, known, self.condition_weight)]
        above: Tensor | None = None
        for i in reversed(range(len(self.heads))):
            x = self.mix_channels[i](maps[i]) * self.scales[i]
            if above is not None:
                x = x + F.interpolate(above, x.shape[2:], mode="bilinear")
            logits.append(self.heads[i](x, known, self.condition_weight))
            if i:
                above = 0.7 * self.mix_scales[i - 1](x)
        return torch.cat(logits, 1)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ProjectedDiscriminator":
        self.pyramid._apply(fn, recurse)
        return super()._apply(fn, recurse)  # type: ignore[no-any-return, no-untyped-call]


def seen_shape(shape: tuple[int, int], asked_px: int | None) -> tuple[int, int]:
    """Height and width at which the frozen network sees pictures of that `shape`.

    Squares at `asked_px`; without it at their own size, but from 64 to 128 px. Others with about as many
    pixels as such a square, both sides multiples of 8.
    """
    height, width = shape
    if height == width:
        side = asked_px or min(max(64, height), 128)
        return side, side
    own = math.sqrt(height * width)
    factor = (asked_px or min(max(64, own), 128)) / own
    return max(8, 8 * round(height * factor / 8)), max(8, 8 * round(width * factor / 8))


class FixedConv(nn.Module):
    """A convolution with random weights that never learn: buffers, saved and not optimised."""

    weight: Tensor

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        weight = nn.init.kaiming_normal_(torch.empty(channels_out, channels_in, kernel, kernel))
        self.register_buffer("weight", weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) -> (B, channels_out, H, W)."""
        return F.conv2d(x, self.weight, padding="same")


class Head(nn.Module):
    """Halve a map until its shorter side is at most 4 px, then one logit for each place.

    A latent adds its projection on the features (Miyato & Koyama 2018). It is linear in the latent, so that
    knowing the latents of all the real pictures by heart is of no use.

    Args:
        width: Channels of the map, and of the features that logits are made of.
        shape: Height and width of the map in px.
        latent_dims: Numbers of a latent that the head can be told. 0: it is told none.
        channels: Channels of the map, where they are fewer than `width`, as those of a picture are. None:
            `width`.
    """

    def __init__(
        self, width: int, shape: tuple[int, int], latent_dims: int, channels: int | None = None
    ) -> None:
        super().__init__()
        tall, long = shape
        # From few channels (a picture's) it widens as it halves: all of `width` at full size is dear.
        channels, wide = (channels, width // 4) if channels else (width, width)
        layers: list[nn.Module] = []
        while min(tall, long) > 4:
            layers += [nn.Conv2d(channels, wide, 3, stride=2, padding=1), nn.LeakyReLU(LEAK)]
            tall, long = (tall + 1) // 2, (long + 1) // 2
            channels, wide = wide, min(width, 2 * wide)
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(LEAK)]
        self.trunk = nn.Sequential(*layers)
        self.logit = nn.Conv2d(width, 1, (min(tall, 3), min(long, 3)))
        if latent_dims:
            self.embed = nn.Linear(latent_dims, width * tall * long, bias=False)

    def forward(self, x: Tensor, latents: Tensor | None, condition_weight: float) -> Tensor:
        """(B, width, *shape) and (B, latent_dims), which count `condition_weight` times -> (B, N)."""
        features = self.trunk(x)
        logits: Tensor = self.logit(features).flatten(1)
        if latents is not None:
            direction = self.embed(latents / latents.shape[1] ** 0.5)  # latents of about unit length
            logits = logits + condition_weight * (features.flatten(1) * direction).sum(1, keepdim=True)
        return logits
