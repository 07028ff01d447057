"""Generators: latents `(B, latent_dim)` -> pictures `(B, channels, height, width)` around [-1, 1].

A latent enters a network at one place or at several, its `levels`; each may be given a latent of its own,
`(B, levels, latent_dim)`, coarsest first (after the W+ of Karras et al. 2019): sampling/latents.py mixes so.

The textbook networks end in tanh. The residual one is linear at its end, which learns faster near pure
white and black; whoever shows its pictures clamps them (`image.codec.to_uint8`).
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.config.generation import DcganConfig, MlpConfig, ModulatedConfig, ProjectedConfig, ResidualConfig
from impasto.config.shared import ImageConfig
from impasto.config.upscaling import CompactConfig
from impasto.nn import draws
from impasto.nn.compact import CompactUpscaler, enlarge
from impasto.nn.layers import (
    Modulation,
    Recomputing,
    ResidualBlock,
    ToImage,
    UpsamplingBlock,
    conv,
    leaky,
    linear,
    near_range,
    resize,
    upsample,
)

Prior = Literal["normal", "uniform"]
KEPT_THEMES = 2_048  # real pictures whose themes a generator keeps
FAINT = 0.05  # alpha: what is meant to be transparent is drawn nearly so
SKETCH_SIDE = 16  # the thumbnails that the latents of version 0.1 describe


class Generator(Recomputing):
    """What every generator offers: the size of its latent, the prior that latents are drawn from, and the
    `levels` at which they enter, as sides of the maps there in px, coarsest first.

    Where pictures are no squares that begin with 4 px, levels have the names that they would have there.
    """

    def __init__(self, latent_dim: int, prior: Prior, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.prior = prior
        self.levels = levels

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.parameters()).device

    def sample_latents(self, count: int, rng: torch.Generator, truncation: float = 1.0) -> Tensor:
        """Draw (count, latent_dim) float32 from N(0, 1), or from U(-1, 1), on the CPU whatever the device:
        a seed means the same picture everywhere.

        They are scaled by `truncation`: nearer to the mean below 1 (Brock et al. 2019, section 3.1).
        """  # fmt: skip
        if self.prior == "normal":
            return draws.randn(count, self.latent_dim, rng=rng) * truncation
        return (draws.rand(count, self.latent_dim, rng=rng) * 2 - 1) * truncation

    def vary(self, z: Tensor, rng: torch.Generator, share: float) -> Tensor:
        """Latents (B, latent_dim) with a `share` of the same noise mixed into each: 0 changes nothing."""
        return mix_noise(z, Generator.sample_latents(self, 1, rng).to(z), share)

    def at_levels(self, z: Tensor) -> list[Tensor]:
        """(B, latent_dim), or (B, levels, latent_dim), -> (B, latent_dim) for each level."""
        if z.ndim == 2:
            return [z] * len(self.levels)
        # Copies in one piece: a product must not take another way through memory, and round otherwise.
        return [part.contiguous() for part in z.unbind(1)]

    @property
    def middle(self) -> nn.Module:
        """The layer about half-way, whose output (B, ...) says what a picture will show before it says how;
        of a network that names none, the whole."""  # fmt: skip
        return self

    def __call__(self, z: Tensor) -> Tensor:
        """(B, latent_dim), or (B, levels, latent_dim), -> (B, channels, height, width)."""
        images: Tensor = super().__call__(z)
        return images


class MlpGenerator(Generator):
    """Fully connected layers with ReLU, ending in tanh (Goodfellow et al. 2014)."""

    def __init__(self, cfg: MlpConfig, image: ImageConfig) -> None:
        super().__init__(cfg.latent_dim, cfg.prior, (image.size,))
        self.shape = (image.channels, image.size, image.size)
        widths = (cfg.latent_dim, *cfg.hidden)
        hidden = [
            layer
            for i in range(len(cfg.hidden))
            for layer in (nn.Linear(widths[i], widths[i + 1]), nn.ReLU())
        ]
        self.layers = nn.Sequential(*hidden, nn.Linear(widths[-1], math.prod(self.shape)), nn.Tanh())

    @property
    def middle(self) -> nn.Module:
        """The last hidden layer."""
        return self.layers[-3]

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent_dim), or one for each level, -> (B, channels, size, size) in [-1, 1]."""
        (z,) = self.at_levels(z)
        images: Tensor = self.layers(z).view(-1, *self.shape)
        return images


class DcganGenerator(Generator):
    """Noise -> fully connected -> transposed convolutions + batch norm + ReLU -> tanh (Radford et al. 2016).

    The width halves as the resolution doubles, from 4 px to the picture.
    """  # fmt: skip

    def __init__(self, cfg: DcganConfig, image: ImageConfig) -> None:
        super().__init__(cfg.latent_dim, cfg.prior, (4,))
        doublings = int(math.log2(image.size)) - 2
        widths = [cfg.base_channels * 2**i for i in reversed(range(doublings))]
        self.width = widths[0]
        self.project = nn.Linear(cfg.latent_dim, self.width * 4 * 4, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(self.width), nn.ReLU()]
        for wide, narrow in itertools.pairwise(widths):
            layers += [
                nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(narrow),
                nn.ReLU(),
            ]
        layers += [nn.ConvTranspose2d(widths[-1], image.channels, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(initialise_dcgan)

    @property
    def middle(self) -> nn.Module:
        """The map of 8 px."""
        return self.layers[4]

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent_dim), or one for each level, -> (B, channels, size, size) in [-1, 1]."""
        (z,) = self.at_levels(z)
        images: Tensor = self.layers(self.project(z).unflatten(1, (self.width, 4, 4)))
        return images


class ResidualGenerator(Generator):
    """Normalisation-free: a 4 px map from the latent, then per resolution upsample, modulate, blocks.

    The blocks run at half the picture's size and below; only two narrow convolutions see all of it.
    """  # fmt: skip

    def __init__(self, cfg: ResidualConfig, image: ImageConfig) -> None:
        finest = image.size // 2
        super().__init__(cfg.latent_dim, cfg.prior, sides_to(finest))
        widths = widths_to(finest, cfg.generator_channels, cfg.max_channels)
        self.width = widths[0]
        self.project = linear(cfg.latent_dim, self.width * 4 * 4)
        self.stages = nn.ModuleList(
            GeneratorStage(wide, narrow, cfg.latent_dim, cfg.blocks)
            for wide, narrow in zip((widths[0], *widths), widths, strict=False)
        )
        # Not a pixel shuffle from half size: its four phases learn apart and leave a stripe on every edge.
        half = widths[-1] // 2
        self.narrow = conv(widths[-1], half, 1, gain=0.7)
        self.sharpen = conv(half, half)
        self.to_image = conv(half, image.channels, gain=0.5)

    @property
    def middle(self) -> nn.Module:
        """The middle stage."""
        return self.stages[len(self.stages) // 2]

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent_dim), or one for each level, -> (B, channels, size, size), mostly in [-1, 1]."""
        by_level = self.at_levels(z)
        x: Tensor = self.project(by_level[0]).unflatten(1, (self.width, 4, 4))
        for i, (stage, level) in enumerate(zip(self.stages, by_level, strict=True)):
            x = self.run(stage, x if i == 0 else upsample(x), level)
        x = upsample(self.narrow(leaky(x)))
        images: Tensor = self.to_image(leaky(self.sharpen(x)))
        return images


class GeneratorStage(nn.Module):
    """One resolution of `ResidualGenerator`.

    Args:
        wide: Channels of the maps that come in.
        narrow: Channels of the maps that go out.
        latent_dim: Numbers in the latent that modulates the maps.
        blocks: Residual blocks.
    """

    def __init__(self, wide: int, narrow: int, latent_dim: int, blocks: int) -> None:
        super().__init__()
        self.change = conv(wide, narrow, 1, gain=0.7) if wide != narrow else nn.Identity()
        self.modulate = Modulation(latent_dim, narrow)
        self.blocks = nn.Sequential(*(ResidualBlock(narrow) for _ in range(blocks)))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(B, wide, H, W) and (B, latent_dim) -> (B, narrow, H, W)."""
        y: Tensor = self.blocks(self.modulate(self.change(x), z))
        return y


class GrowingGenerator(Generator):
    """Version 0.1's: residual blocks with batch norm; every resolution adds to the picture.

    A sketch of 16 px, linear in the latent, goes into the picture and into the features of that resolution.
    A model that had not grown up has a `resolution` below its size: it leaves the finer ones out.
    """

    resolution: Tensor
    exemplars: Tensor
    noise: Tensor
    themes: Tensor

    def __init__(self, cfg: ProjectedConfig, image: ImageConfig) -> None:
        super().__init__(cfg.latent_dim, cfg.prior, sides_to(image.size))
        self.size = image.size
        widths = widths_to(image.size, cfg.generator_channels, cfg.max_channels)
        self.width = widths[0]
        self.project = nn.Linear(cfg.latent_dim, self.width * 4 * 4)
        nn.init.orthogonal_(self.project.weight)
        self.stages = nn.ModuleList(
            UpsamplingBlock(wide, narrow, cfg.latent_dim) for wide, narrow in itertools.pairwise(widths)
        )
        self.to_image = nn.ModuleList(ToImage(width, image.channels) for width in widths[1:])
        self.sketch = nn.Linear(cfg.latent_dim, image.channels * SKETCH_SIDE**2)
        nn.init.zeros_(self.sketch.weight)
        nn.init.zeros_(self.sketch.bias)
        self.read_sketch = nn.Conv2d(image.channels, widths[self.levels.index(SKETCH_SIDE)], 3, padding=1)
        self.register_buffer("resolution", torch.tensor(image.size))
        self.register_buffer("exemplars", torch.zeros(cfg.exemplars, cfg.latent_dim))
        self.register_buffer("noise", torch.ones(cfg.latent_dim))
        if cfg.themes:
            self.register_buffer("themes", torch.zeros(cfg.exemplars, len(cfg.themes)))

    @property
    def middle(self) -> nn.Module:
        """The features of the sketch's resolution, the sketch among them."""
        norm: nn.Module = self.to_image[self.levels.index(SKETCH_SIDE) - 1].norm  # type: ignore[assignment]
        return norm

    def sample_latents(
        self, count: int, rng: torch.Generator, truncation: float = 1.0, themes: Sequence[int] = ()
    ) -> Tensor:
        """Draw (count, latent_dim) latents around exemplars, on the CPU.

        Each is the latent of a real picture, any of them, and noise, so mixed that each component keeps unit
        variance. A generator without exemplars draws from the prior alone.

        Args:
            count: How many to draw.
            rng: Random numbers.
            truncation: Scales the share of noise. Towards 0 lie the exemplars themselves, not their mean,
                which would be the one picture that is like none of them.
            themes: Themes that the exemplars must all have, by their places in the config. Empty: any
                exemplar.

        Raises:
            ValueError: No exemplar has all of the themes.
        """
        if not len(self.exemplars):
            return super().sample_latents(count, rng, truncation)
        noise = super().sample_latents(count, rng)
        exemplars = self.exemplars.cpu()
        if len(themes):
            exemplars = exemplars[self.having(themes).cpu()]
            if not len(exemplars):
                raise ValueError("no exemplar has all of these themes")
        chosen = draws.randint(0, len(exemplars), count, rng=rng)
        share = (self.noise.cpu() * truncation).clamp(max=1)
        return mix_noise(exemplars[chosen], noise, share)

    def having(self, themes: Sequence[int]) -> Tensor:
        """(exemplars,) bool: which have all of the themes, given by their places in the config."""
        return (self.themes[:, list(themes)] > 0).all(1)

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent_dim), or one for each level, -> (B, channels, size, size), in or near [-1, 1]."""
        grown = int(self.resolution)
        first, *others = self.at_levels(z)
        x: Tensor = self.project(first).unflatten(1, (4, 4, self.width)).permute(0, 3, 1, 2)  # channels last
        images: Tensor | None = None
        for stage, to_image, level in zip(self.stages, self.to_image, others, strict=True):
            x = self.run(stage, x, level)
            if x.shape[-1] == SKETCH_SIDE:
                sketch = self.sketch(level).unflatten(1, (-1, SKETCH_SIDE, SKETCH_SIDE))
                x = x + self.read_sketch(sketch)
                detail = to_image(x) + sketch
            else:
                detail = to_image(x)
            images = detail if images is None else upsample(images) + detail
            if x.shape[-1] == grown:
                break
        assert images is not None
        return near_range(resize(images, self.size))


class ModulatedGenerator(Generator):
    """Residual blocks with batch norm that the latent modulates; every resolution adds to the picture
    (Karras et al. 2020, section 4).

    A latent is which themes the picture has, (T,) zeros and ones, then noise (latent_dim - T,). No number of
    it describes a real picture. Growing begins with a map of a few cells, 4 by 4 for squares of 16, 32, 64 px
    and so on. Where cells, doubled, come to more than the picture its middle is taken.
    """

    themes: Tensor

    def __init__(self, cfg: ModulatedConfig, image: ImageConfig) -> None:
        kinds = len(cfg.themes)
        cells, finest = first_map(image.shape)
        super().__init__(kinds + cfg.latent_dim, cfg.prior, sides_to(finest))
        self.drawn, self.cells = image.shape, cells
        widths = widths_to(finest, cfg.generator_channels, cfg.max_channels)
        self.width, self.kinds = widths[0], kinds
        told = cfg.latent_dim
        if kinds:
            # Themes as numbers of about unit size, as many as the noise has half of: none drowns the other.
            self.embed = nn.Linear(kinds, cfg.latent_dim // 2, bias=False)
            nn.init.normal_(self.embed.weight)
            told += cfg.latent_dim // 2
        self.project = nn.Linear(told, self.width * math.prod(self.cells))
        nn.init.orthogonal_(self.project.weight)
        self.stages = nn.ModuleList(
            UpsamplingBlock(wide, narrow, told, self._map_at(side) if side <= cfg.latent_map_px else None)
            for (wide, narrow), side in zip(itertools.pairwise(widths), self.levels[1:], strict=True)
        )
        self.to_image = nn.ModuleList(ToImage(width, image.channels) for width in widths[1:])
        if kinds:
            self.register_buffer("themes", torch.zeros(KEPT_THEMES, kinds))

    def _map_at(self, level: int) -> tuple[int, int]:
        """Height and width of the map at a level, which is 4 doubled some times."""
        height, width = self.cells
        return height * level // 4, width * level // 4

    @property
    def middle(self) -> nn.Module:
        """The features of 16 px."""
        norm: nn.Module = self.to_image[self.levels.index(16) - 1].norm  # type: ignore[assignment]
        return norm

    @torch.no_grad()
    def learn_themes(self, themes: Tensor) -> None:
        """Keep which themes real pictures have, (N, T) zeros and ones: so unasked ones are drawn."""
        if self.kinds:
            self.themes.copy_(themes[torch.arange(len(self.themes)) % len(themes)])

    def with_own_themes(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of the same network with other themes -> weights for this one.

        At first it then draws for every theme what the other draws when it is told none: themes that the
        other does not know have an embedding of 0, or where it knows none at all their embedding is not
        looked at. Both learn from there.
        """
        ours, noise = self.state_dict(), self.latent_dim - self.kinds
        made = {name: tensor for name, tensor in weights.items() if name not in ("themes", "embed.weight")}
        for name, tensor in made.items():
            if name in ours and tensor.ndim == 2 and tensor.shape != ours[name].shape:
                told = tensor[:, -noise:]
                made[name] = F.pad(told, (max(0, ours[name].shape[1] - noise), 0))
        if self.kinds:
            known = "embed.weight" in weights
            embedding = ours["embed.weight"]
            made["embed.weight"] = torch.zeros_like(embedding) if known else embedding
            made["themes"] = ours["themes"]
        return made

    def sample_latents(
        self, count: int, rng: torch.Generator, truncation: float = 1.0, themes: Sequence[int] = ()
    ) -> Tensor:
        """Draw (count, latent_dim) latents: which themes each has, then noise from N(0, 1), on the CPU.

        Args:
            count: How many to draw.
            rng: Random numbers.
            truncation: Factor of the noise; below 1 pictures are more typical. The themes stay.
            themes: Themes of all of them, by their places in the config. Empty: those of real pictures are
                drawn at random.
        """
        noise = draws.randn(count, self.latent_dim - self.kinds, rng=rng) * truncation
        if not self.kinds:
            return noise
        if len(themes):
            asked = torch.zeros(self.kinds).index_fill_(0, torch.tensor(list(themes)), 1.0)
            return torch.cat((asked.expand(count, -1), noise), 1)
        kept = self.themes.cpu()
        return torch.cat((kept[draws.randint(0, len(kept), count, rng=rng)], noise), 1)

    def vary(self, z: Tensor, rng: torch.Generator, share: float) -> Tensor:
        """As `Generator.vary`; themes stay."""
        noise = draws.randn(1, self.latent_dim - self.kinds, rng=rng).to(z)
        return torch.cat((z[:, : self.kinds], mix_noise(z[:, self.kinds :], noise, share)), 1)

    def _told(self, z: Tensor) -> Tensor:
        """(B, latent_dim) as the blocks are told it: themes embedded, noise as it is."""
        if not self.kinds:
            return z
        return torch.cat((self.embed(z[:, : self.kinds]), z[:, self.kinds :]), 1)

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent_dim), or one for each level, -> (B, channels, height, width), in or near [-1, 1]."""
        first, *others = (self._told(level) for level in self.at_levels(z))
        # channels last
        x: Tensor = self.project(first).unflatten(1, (*self.cells, self.width)).permute(0, 3, 1, 2)
        images: Tensor | None = None
        for stage, to_image, level in zip(self.stages, self.to_image, others, strict=True):
            x = self.run(stage, x, level)
            images = to_image(x) if images is None else upsample(images) + to_image(x)
        assert images is not None
        return near_range(middle_of(images, self.drawn))


class EnlargedGenerator(ModulatedGenerator):
    """A modulated generator of small pictures, and a network that makes them larger and sharp."""

    def __init__(self, cfg: ModulatedConfig, image: ImageConfig, enlarger: CompactConfig) -> None:
        super().__init__(cfg, image.reduced(enlarger.scale))
        self.enlarger = CompactUpscaler(enlarger, wide=False)

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent_dim), or one for each level, -> (B, channels, height, width), in or near [-1, 1]."""
        small = super().forward(z).clamp(-1, 1)
        return enlarge(self.enlarger, small.contiguous(memory_format=torch.channels_last), FAINT)


def mix_noise(latents: Tensor, noise: Tensor, share: Tensor | float) -> Tensor:
    """Latents (B, d) with a `share` of N(0, 1) noise (B, d) mixed in; unit variance stays unit variance."""
    return (1 - share**2) ** 0.5 * latents + share * noise


def first_map(shape: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """(height, width) of a picture -> the cells of the map that growing begins with, and its finest level.

    The shorter side has 4 cells or up to 8, so that there are as many doublings as in the largest square of
    16, 32, 64 px and so on that is no larger than the picture.
    """
    doublings = int(math.log2(min(shape))) - 2
    height, width = (-(-side // 2**doublings) for side in shape)
    return (height, width), 4 * 2**doublings


def middle_of(images: Tensor, shape: tuple[int, int]) -> Tensor:
    """(B, C, H, W) -> the middle (B, C, *shape); themselves where that is all."""
    if images.shape[2:] == shape:
        return images
    top, left = ((side - kept) // 2 for side, kept in zip(images.shape[2:], shape, strict=True))
    return images[:, :, top : top + shape[0], left : left + shape[1]]


def sides_to(finest: int) -> tuple[int, ...]:
    """4, 8, ... `finest`: sides of maps in px, each twice the one before."""
    return tuple(4 * 2**i for i in range(int(math.log2(finest)) - 1))


def widths_to(finest: int, base: int, most: int) -> list[int]:
    """Channels at 4 px, 8 px, ... `finest` px: `base` at the finest, doubling downwards, at most `most`."""
    return [min(most, base * 2**i) for i in reversed(range(len(sides_to(finest))))]


def initialise_dcgan(module: nn.Module) -> None:
    """Weights from N(0, 0.02), batch-norm gains from N(1, 0.02) (Radford et al. 2016, section 4)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
