"""Discriminators of upscalers: sharp or enlarged windows `(B, 3, s, s)` in [-1, 1] -> logits."""

import itertools

from torch import Tensor, nn
from torch.nn import functional as F

from impasto.config.upscaling import CompactConfig, SrresnetConfig
from impasto.nn.discriminator import Discriminator
from impasto.nn.layers import LEAK, conv, leaky, linear


class UnetDiscriminator(Discriminator):
    """A logit for every 2 x 2 pixels, from a U-Net (Schonfeld et al. 2020; Real-ESRGAN's, Wang et al. 2021).

    Pixels are gathered two by two, which halves the time; then down twice and up again, what was seen on the
    way down added on the way up: each place is judged by what is in it and by what is around it. Sides must
    be multiples of 8.
    """

    def __init__(self, cfg: CompactConfig) -> None:
        super().__init__()
        widths = [cfg.discriminator_channels * 2**i for i in range(3)]
        self.first = conv(3 * 4, widths[0])
        self.down = nn.ModuleList(
            nn.Conv2d(narrow, wide, 4, stride=2, padding=1) for narrow, wide in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(
            conv(wide, narrow) for narrow, wide in reversed([*itertools.pairwise(widths)])
        )
        self.last = nn.Sequential(conv(widths[0], widths[0]), nn.LeakyReLU(LEAK), conv(widths[0], 1))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, s, s) -> (B, s^2 / 4)."""
        x = leaky(self.first(F.pixel_unshuffle(images, 2)))
        seen = []
        for layer in self.down:
            seen.append(x)
            x = leaky(layer(x))
        for layer in self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = leaky(layer(x)) + seen.pop()
        logits: Tensor = self.last(x)
        return logits.flatten(1)


class VggDiscriminator(Discriminator):
    """SRGAN's: eight convolutions that halve four times, two fully connected layers (Ledig et al. 2017).

    The last map is averaged to 6 x 6, so that windows may be of any size; at the paper's 96 px that is the
    map itself.
    """

    def __init__(self, cfg: SrresnetConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, cfg.discriminator_channels, 3, padding=1), nn.LeakyReLU(LEAK)]
        width = cfg.discriminator_channels
        for index in range(7):
            stride, wide = (2, width) if index % 2 == 0 else (1, width * 2)
            layers += [
                nn.Conv2d(width, wide, 3, stride=stride, padding=1),
                nn.BatchNorm2d(wide),
                nn.LeakyReLU(LEAK),
            ]
            width = wide
        self.layers = nn.Sequential(*layers)
        self.judge = nn.Sequential(
            nn.AdaptiveAvgPool2d(6),
            nn.Flatten(),
            linear(width * 36, 1024),
            nn.LeakyReLU(LEAK),
            linear(1024, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, s, s) -> (B,)."""
        logits: Tensor = self.judge(self.layers(images))
        return logits[:, 0]
