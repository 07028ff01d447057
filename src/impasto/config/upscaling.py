"""The config of the task of enlarging pictures."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from impasto.config.shared import AugmentConfig, Config, NetworkConfig
from impasto.config.types import Channels, Frozen, Layers, NonNegative

MIN_WINDOW = 64  # px: less shows an upscaler too little around what it enlarges


class CompactConfig(NetworkConfig):
    """A plain stack of 3x3 convolutions that enlarges (after SRVGG-compact of Real-ESRGAN, Wang et al. 2021).

    It trains wide and is deployed narrow: each convolution is the product of one to more channels and one
    back, plus the identity, multiplied out (SESR, Bhardwaj et al. 2022). The other player is a U-Net.

    Attributes:
        kind: The name of these networks.
        scale: How many times larger pictures become.
        channels: Channels between convolutions.
        convolutions: How many there are between the first and the last.
        expand: How many times as many channels each convolution has inside while it trains.
        discriminator_channels: Channels of the U-Net at half the size.
        spectral_norm: Whether the U-Net has spectral norm.
    """

    kind: Literal["compact"] = "compact"
    scale: Literal[2, 3, 4] = 4
    channels: Channels = 64
    convolutions: Layers = 16
    expand: Annotated[int, Field(gt=0, le=64)] = 2
    discriminator_channels: Channels = 32
    spectral_norm: bool = True  # of the discriminator


class SrresnetConfig(NetworkConfig):
    """SRGAN's networks: SRResNet against a VGG-like discriminator (Ledig et al. 2017, figure 4).

    Attributes:
        kind: The name of these networks.
        scale: How many times larger pictures become.
        channels: Channels of the residual blocks.
        blocks: How many residual blocks there are.
        discriminator_channels: Channels of the discriminator's first convolution; they double three times.
    """

    kind: Literal["srresnet"] = "srresnet"
    scale: Literal[2, 4] = 4
    channels: Channels = 64
    blocks: Layers = 16
    discriminator_channels: Channels = 64


UpscalerConfig = CompactConfig | SrresnetConfig


class RestorationConfig(Frozen):
    """What an upscaler learns: to undo a `degradation`.

    Attributes:
        degradation: What made the pictures small (tasks/upscaling/degradations.py).
        pixels: Weight of the mean absolute difference in pixels.
        luma: Weight of the mean absolute difference in luma.
        frequencies: Weight of the mean absolute difference of the spectra.
        consistency: Weight of the mean absolute difference once both are made as small as what was given.
        lattice: Weight of the mean absolute difference in what comes back from cell to cell.
        features: Weight of the mean absolute difference in the maps of a frozen network.
        feature_network: Which frozen network. "vgg19" needs torchvision's file on the disk.
        adversarial: Weight of the game.
        adversarial_from_images: Images seen before the game begins.
        phases: By how many px, at most, the window that networks look at is moved by chance, a multiple of 8.
            0: they look at the whole.
    """

    degradation: Literal["bicubic", "photo", "drawing"] = "bicubic"
    pixels: NonNegative = 1.0
    luma: NonNegative = 0.0
    frequencies: NonNegative = 0.0
    consistency: NonNegative = 0.0
    lattice: NonNegative = 0.0
    features: NonNegative = 0.0
    feature_network: Literal["lite1", "vgg19"] = "lite1"  # vgg19: where torchvision's file is on the disk
    adversarial: NonNegative = 0.0
    adversarial_from_images: Annotated[int, Field(ge=0)] = 0
    phases: Annotated[int, Field(ge=0, multiple_of=8)] = 0  # px that windows are moved by, for networks


class UpscalingConfig(Config):
    """Everything about the training of an upscaler."""

    makes: ClassVar[str] = "is an upscaler: it makes pictures larger"
    verb: ClassVar[str] = "upscale"
    task: Literal["upscaling"] = "upscaling"
    model: Annotated[UpscalerConfig, Field(discriminator="kind")] = CompactConfig()
    restoration: RestorationConfig = RestorationConfig()

    @model_validator(mode="after")
    def _windows_suit_the_networks(self) -> "UpscalingConfig":
        size = self.image.size
        if size % 16 or size < MIN_WINDOW:
            raise ValueError(f"image.size must be a multiple of 16 from {MIN_WINDOW} on for an upscaler")
        if self.image.shape != (size, size):
            raise ValueError("image.width is for generators: an upscaler learns from square windows")
        if self.data.fit != "windows" or self.image.channels != 3:
            raise ValueError("an upscaler needs data.fit=windows and image.channels=3")
        if self.augment != AugmentConfig():
            raise ValueError(
                "augment.* is for generators: what an upscaler sees is turned and mirrored anyway"
            )
        if self.train.parts > 1:
            raise ValueError("train.parts is for generators: an upscaler learns from small windows")
        return self
