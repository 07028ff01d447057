"""Discriminators of pairs: picture and layout, `(B, 3 + L, H, W)` -> logits `(B, N)`, one for each patch."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.config.translation import Pix2pixConfig, TranslatorConfig
from impasto.nn.discriminator import Discriminator
from impasto.nn.layers import LEAK, conv, leaky

EMBEDDED = 6  # channels that a layout has for the discriminator


class PatchDiscriminator(Discriminator):
    """Judges patches at several sizes of the picture, each by networks of its own (Wang et al. 2018)."""

    def __init__(self, cfg: TranslatorConfig, layout_channels: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(layout_channels, EMBEDDED, 1)
        self.judges = nn.ModuleList(
            Patches(3 + EMBEDDED, cfg.discriminator_channels) for _ in range(cfg.scales)
        )

    def forward(self, pairs: Tensor) -> Tensor:
        """(B, 3 + L, H, W) -> (B, N)."""
        return self.both(pairs)[0]

    def both(self, pairs: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 3 + L, H, W) -> logits (B, N), and the maps between the layers."""
        x = torch.cat((pairs[:, :3], self.embed(pairs[:, 3:])), 1)
        logits, maps = [], []
        for judge in self.judges:
            *seen, last = judge(x)
            logits.append(last.flatten(1))
            maps += seen
            x = F.avg_pool2d(x, 2)
        return torch.cat(logits, 1), maps


class Patches(nn.Module):
    """A logit for every 8 x 8 px, of about 54 px around."""

    def __init__(self, channels_in: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(channels_in, width, 4, stride=2, padding=1),
                nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
                nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
                conv(4 * width, 4 * width),
            ]
        )
        self.last = conv(4 * width, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) -> the maps of each layer, and the logits (B, 1, H / 8, W / 8)."""
        maps = []
        for layer in self.layers:
            x = leaky(layer(x))
            maps.append(x)
        return [*maps, self.last(x)]


class Pix2pixDiscriminator(Discriminator):
    """pix2pix's PatchGAN of 70 px (Isola et al. 2017, section 6.1.2)."""

    def __init__(self, cfg: Pix2pixConfig, layout_channels: int) -> None:
        super().__init__()
        width, layers = cfg.discriminator_channels, list[nn.Module]()
        narrow = 3 + layout_channels
        for i, wide in enumerate((width, 2 * width, 4 * width, 8 * width)):
            layers.append(nn.Conv2d(narrow, wide, 4, stride=2 if i < 3 else 1, padding=1))
            if i:
                layers.append(nn.InstanceNorm2d(wide, affine=True))
            layers.append(nn.LeakyReLU(LEAK))
            narrow = wide
        layers.append(nn.Conv2d(narrow, 1, 4, padding=1))
        self.layers = nn.Sequential(*layers)
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0.0, 0.02)

    def forward(self, pairs: Tensor) -> Tensor:
        """(B, 3 + L, H, W) -> (B, N)."""
        logits: Tensor = self.layers(pairs)
        return logits.flatten(1)

    def both(self, pairs: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits, and no maps: the paper compares none."""
        return self(pairs), []
