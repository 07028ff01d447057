"""SRGAN's upscaler; the compact one is `nn.compact`."""

import math

from torch import Tensor, nn

from impasto.config.upscaling import SrresnetConfig
from impasto.nn.compact import Upscaler


class Srresnet(Upscaler):
    """SRResNet: residual blocks with batch norm, then pixel shuffle by twos (Ledig et al. 2017, figure 4)."""

    def __init__(self, cfg: SrresnetConfig) -> None:
        doublings = int(math.log2(cfg.scale))
        super().__init__(cfg.scale, 4 + 2 * cfg.blocks + 1 + 4 + doublings)
        width = cfg.channels
        self.head = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*(SrresnetBlock(width) for _ in range(cfg.blocks)))
        self.tail = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width))
        double = [
            layer
            for _ in range(doublings)
            for layer in (nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.PReLU())
        ]
        self.enlarge = nn.Sequential(*double, nn.Conv2d(width, 3, 9, padding=4))

    def forward(self, images: Tensor) -> Tensor:
        """The same; use the call."""
        x = self.head(images)
        enlarged: Tensor = self.enlarge(x + self.tail(self.blocks(x)))
        return enlarged


class SrresnetBlock(nn.Module):
    """Convolution, batch norm, PReLU, convolution, batch norm, and the input added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.PReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) -> the same shape."""
        y: Tensor = x + self.layers(x)
        return y
