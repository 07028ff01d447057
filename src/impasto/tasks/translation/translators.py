"""Networks that make a picture of a layout: `(B, L, H, W)` and a latent -> `(B, 3, H, W)` in [-1, 1]."""

import itertools
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.config.translation import Pix2pixConfig, TranslatorConfig
from impasto.nn.layers import LEAK, Modulation, conv, double_and_convolve, downsample, leaky, linear

ENCODED_PX = 64  # pictures are this high, about, when the encoder finds their latents


class TranslatingNetwork(nn.Module):
    """What every translator offers. A latent says how a picture looks, its layout what is where.

    Attributes:
        latent_dim: How many numbers a latent has, each from N(0, 1).
        multiple: Height and width of a layout must be multiples of it.
    """

    latent_dim: int
    multiple: int

    def __call__(self, layout: Tensor, z: Tensor) -> Tensor:
        """(B, L, H, W), labels as ones or pictures in [-1, 1], and (B, latent_dim) -> (B, 3, H, W)."""
        made: Tensor = super().__call__(layout, z)
        return made


class Translator(TranslatingNetwork):
    """A U-Net of residual blocks, modulated by the layout, as in SPADE (Park et al. 2019), and by the latent.

    On the way down maps say what is around each place of the layout. On the way up each block's maps are
    scaled and shifted place by place by what they say, and channel by channel by the latent, so that a
    latent can paint walls red and leave windows blue. `encode` finds a latent in a picture.

    Args:
        cfg: The networks.
        layout_channels: Channels of a layout.
    """

    def __init__(self, cfg: TranslatorConfig, layout_channels: int) -> None:
        super().__init__()
        self.latent_dim, self.multiple = cfg.latent_dim, 2**cfg.halvings
        widths = [min(cfg.channels * 2**i, cfg.max_channels) for i in range(cfg.halvings + 1)]
        self.first = conv(layout_channels, widths[0])
        self.down = nn.ModuleList(conv(narrow, wide) for narrow, wide in itertools.pairwise(widths))
        self.mapping = nn.Sequential(
            linear(cfg.latent_dim, widths[-1]), nn.LeakyReLU(LEAK), linear(widths[-1], widths[-1])
        )
        self.begin = conv(widths[-1], widths[-1])
        self.up = nn.ModuleList(
            ModulatedBlock(wide, narrow, widths[-1])
            for wide, narrow in zip(reversed(widths[1:]), reversed(widths[:-1]), strict=True)
        )
        self.norm = nn.BatchNorm2d(widths[0])
        self.last = nn.Conv2d(widths[0], 3, 3, padding=1)
        nn.init.orthogonal_(self.last.weight, 0.5)
        self.encoder = LatentEncoder(cfg.latent_dim, 2 * cfg.channels)

    def forward(self, layout: Tensor, z: Tensor) -> Tensor:
        """See `TranslatingNetwork.__call__`."""
        seen = [leaky(self.first(layout))]
        for layer in self.down:
            seen.append(leaky(layer(downsample(seen[-1]))))
        w = self.mapping(z)
        x = self.begin(seen.pop() * w[:, :, None, None])
        for block in self.up:
            x = block(x, seen.pop(), w)
        made: Tensor = torch.tanh(self.last(F.relu6(self.norm(x))))
        return made

    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> mean and logarithm of the variance of the latent, (B, latent_dim) each."""
        mean, log_variance = self.encoder(pictures).chunk(2, 1)
        return mean, log_variance


class ModulatedBlock(nn.Module):
    """A residual block that doubles the resolution, modulated by the layout at either and by the latent.

    Args:
        wide: Channels of its input.
        narrow: Channels of its output.
        latent_dim: Numbers of the mapped latent.
    """

    def __init__(self, wide: int, narrow: int, latent_dim: int) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(wide)
        self.first_modulate = Modulation(latent_dim, wide)
        self.first = nn.Conv2d(wide, narrow, 3, padding=1)
        self.place = LayoutModulation(latent_dim, narrow)
        self.last = nn.Conv2d(narrow, narrow, 3, padding=1)
        self.skip = nn.Conv2d(wide, narrow, 1)
        for layer in (self.first, self.last, self.skip):
            nn.init.orthogonal_(layer.weight)
            nn.init.zeros_(cast(Tensor, layer.bias))

    def forward(self, x: Tensor, layout: Tensor, w: Tensor) -> Tensor:
        """(B, wide, H, W), of the layout (B, narrow, 2 H, 2 W), (B, latent_dim) -> (B, narrow, 2 H, 2 W)."""
        y = F.relu6(self.first_modulate(self.first_norm(x), w))
        y = double_and_convolve(y, self.first)
        y = self.last(F.relu6(self.place(y, layout, w)))
        widened: Tensor = y + F.interpolate(self.skip(x), scale_factor=2, mode="nearest")
        return widened


class LayoutModulation(nn.Module):
    """Scale and shift at each place by an affine function of the layout's maps (Park et al. 2019, eq. 1).

    The latent modulates these maps first.
    """

    def __init__(self, latent_dim: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.modulate = Modulation(latent_dim, channels)
        self.affine = conv(channels, 2 * channels, 1, gain=0.5)

    def forward(self, x: Tensor, layout: Tensor, w: Tensor) -> Tensor:
        """(B, C, H, W), (B, C, H, W) and (B, latent_dim) -> (B, C, H, W)."""
        scale, shift = self.affine(leaky(self.modulate(layout, w))).chunk(2, 1)
        y: Tensor = self.norm(x) * (1 + scale) + shift
        return y


class LatentEncoder(nn.Module):
    """Pictures (B, 3, H, W), reduced to about `ENCODED_PX` -> (B, 2 latent_dim), after SPADE's encoder."""

    def __init__(self, latent_dim: int, channels: int) -> None:
        super().__init__()
        widths = [3, channels, 2 * channels, 4 * channels, 4 * channels]
        self.layers = nn.Sequential(
            *itertools.chain.from_iterable(
                (nn.Conv2d(narrow, wide, 4, stride=2, padding=1), nn.LeakyReLU(LEAK))
                for narrow, wide in itertools.pairwise(widths)
            )
        )
        self.last = linear(2 * widths[-1], 2 * latent_dim, gain=0.5)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, 2 latent_dim)."""
        factor = min(pictures.shape[2:]) // ENCODED_PX
        x = F.avg_pool2d(pictures, factor) if factor > 1 else pictures
        maps = self.layers(x)
        # Means and deviations of each channel: the style of a picture (Huang & Belongie 2017).
        deviation = maps.float().var((2, 3), unbiased=False).add(1e-5).sqrt()
        found: Tensor = self.last(torch.cat((maps.float().mean((2, 3)), deviation), 1))
        return found


class Pix2pix(TranslatingNetwork):
    """pix2pix's U-Net (Isola et al. 2017, section 6.1.1). Its noise is dropout, also in use.

    A latent has one number, of which the dropped places follow: the same latent drops the same.

    Args:
        cfg: The networks.
        layout_channels: Channels of a layout.
        size: Side of the squares that are trained on; it is halved down to one place, at most `cfg.halvings`
            times.
    """

    def __init__(self, cfg: Pix2pixConfig, layout_channels: int, size: int) -> None:
        super().__init__()
        halvings = min(cfg.halvings, (size & -size).bit_length() - 1)
        self.latent_dim, self.multiple, self.dropout = 1, 2**halvings, cfg.dropout
        widths = [cfg.channels * min(2**i, 8) for i in range(halvings)]
        pairs = list(itertools.pairwise([layout_channels, *widths]))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairs)
        # With batches of one the paper's batch norm is instance norm; one place has nothing to normalise.
        self.down_norms = nn.ModuleList(
            nn.InstanceNorm2d(width, affine=True) if 0 < i < halvings - 1 else nn.Identity()
            for i, width in enumerate(widths)
        )
        narrow = [3, *widths[:-1]]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(widths[i] * (1 if i == halvings - 1 else 2), narrow[i], 4, stride=2, padding=1)
            for i in reversed(range(halvings))
        )
        self.up_norms = nn.ModuleList(nn.InstanceNorm2d(n, affine=True) for n in reversed(narrow[1:]))
        for layer in (*self.down, *self.up):
            nn.init.normal_(cast(nn.Conv2d, layer).weight, 0.0, 0.02)

    def forward(self, layout: Tensor, z: Tensor) -> Tensor:
        """See `TranslatingNetwork.__call__`."""
        seen, x = [], layout
        for i, (layer, norm) in enumerate(zip(self.down, self.down_norms, strict=True)):
            x = norm(layer(leaky(x) if i else x))
            seen.append(x)
        rngs = [torch.Generator().manual_seed(int(row.view(torch.int32))) for row in z.detach().float().cpu()]
        for i, layer in enumerate(self.up):
            x = layer(F.relu(x if i == 0 else torch.cat((x, seen[-1 - i]), 1)))
            if i < len(self.up_norms):
                x = self.up_norms[i](x)
            if i < 3 and self.dropout:
                x = x * self._kept(x, rngs)
        made: Tensor = torch.tanh(x)
        return made

    def _kept(self, x: Tensor, rngs: list[torch.Generator]) -> Tensor:
        """Zeros where dropout takes away, and elsewhere what makes up for it: like x."""
        masks = torch.stack([torch.rand(x.shape[1:], generator=rng) >= self.dropout for rng in rngs])
        return masks.to(x) / max(1 - self.dropout, 1e-3)
