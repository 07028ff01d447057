"""What a network is, in numbers: a frozen descriptor for each kind; `tasks/build.py` builds from it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]


# Bounds of what a network may be: far above what can be trained, low enough that a description from anywhere
# is laid out in a moment.
Dims = Annotated[int, Field(gt=0, le=65_536)]
Channels = Annotated[int, Field(gt=0, le=16_384)]
Layers = Annotated[int, Field(gt=0, le=256)]


class Frozen(BaseModel):
    """Base of every part of the tree: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MlpConfig(Frozen):
    """The multilayer-perceptron GAN (Goodfellow et al. 2014)."""

    kind: Literal["mlp"] = "mlp"
    latent_dim: Dims = 64
    prior: Literal["normal", "uniform"] = "normal"
    hidden: Annotated[tuple[Dims, ...], Field(max_length=64)] = (256, 512)
    spectral_norm: bool = False  # of the discriminator


class DcganConfig(Frozen):
    """Transposed convolutions against pooled convolutions (after Radford et al. 2016)."""

    kind: Literal["dcgan"] = "dcgan"
    latent_dim: Dims = 100
    prior: Literal["normal", "uniform"] = "normal"
    base_channels: Channels = 64
    spectral_norm: bool = False  # of the discriminator


class ResidualConfig(Frozen):
    """Normalisation-free residual networks (after R3GAN, Huang et al. 2024).

    Channels are those at half the picture's size, the finest with residual blocks; they double with every
    halving, up to `max_channels`. `blocks` is the number of residual blocks at each resolution.
    """

    kind: Literal["residual"] = "residual"
    latent_dim: Dims = 64
    prior: Literal["normal", "uniform"] = "normal"
    generator_channels: Annotated[int, Field(ge=2, le=16_384)] = 48
    discriminator_channels: Annotated[int, Field(ge=2, le=16_384)] = 32
    max_channels: Channels = 256
    blocks: Layers = 1
    spectral_norm: bool = False  # of the discriminator


class ProjectedConfig(Frozen):
    """Version 0.1's generator, which draws around the latents of training pictures, its `exemplars`.

    It redraws them. Its models can be used, and none is trained any more; the settings are those that its
    files have.
    """

    kind: Literal["projected"] = "projected"
    latent_dim: Dims = 128
    prior: Literal["normal"] = "normal"
    generator_channels: Annotated[int, Field(ge=2, le=16_384)] = 16
    max_channels: Channels = 256
    pyramid_px: Annotated[int, Field(ge=32, le=256)] | None = None
    head_channels: Channels = 64
    pixel_dims: Dims = 64
    content_dims: Dims = 32
    exemplars: Annotated[int, Field(ge=0, le=10_000_000)] = 2_048
    exemplar_noise: Share = 0.5  # how much of a latent is noise: 0 nothing, 1 all of it
    themes: Annotated[tuple[str, ...], Field(max_length=65_536)] = ()  # that can be asked for
    spectral_norm: bool = True


class ModulatedConfig(Frozen):
    """A generator whose latent steers every block, against heads on frozen features and on pixels.

    `generator_channels` are those at the picture's size; they double with every halving. The frozen network
    sees pictures at `pyramid_px`, or at their own size where that is None, but at 64 px at least and 128 at
    most. Latents come from N(0, I); where there are themes, these are said beside them to both networks.
    Blocks of at most `latent_map_px` are told the latent place by place, too. What the energy distances
    compare is whitened in its `whitened_directions` leading directions (nn/whitening.py).
    """

    kind: Literal["modulated"] = "modulated"
    latent_dim: Dims = 128
    latent_map_px: Annotated[int, Field(ge=0, le=64)] = 16
    prior: Literal["normal"] = "normal"
    generator_channels: Annotated[int, Field(ge=2, le=16_384)] = 16
    max_channels: Channels = 256
    pyramid_px: Annotated[int, Field(ge=32, le=256)] | None = None
    head_channels: Channels = 64
    whitened_directions: Annotated[int, Field(ge=0, le=1_024)] = 128
    # That can be asked for; a run takes them from its pictures.
    themes: Annotated[tuple[str, ...], Field(max_length=65_536)] = ()
    spectral_norm: bool = True  # of the discriminator's heads

    @property
    def known_dims(self) -> int:
        """How many numbers of a latent the discriminator is told."""
        return len(self.themes)


class CompactConfig(Frozen):
    """A plain stack of 3x3 convolutions that enlarges (after SRVGG-compact of Real-ESRGAN, Wang et al. 2021).

    It trains wide and is deployed narrow: each convolution is the product of one to `expand` times as many
    channels and one back, plus the identity, multiplied out (SESR, Bhardwaj et al. 2022). The other player
    is a U-Net with spectral norm, of `discriminator_channels` at half the size.
    """

    kind: Literal["compact"] = "compact"
    scale: Literal[2, 3, 4] = 4
    channels: Channels = 64
    convolutions: Layers = 16
    expand: Annotated[int, Field(gt=0, le=64)] = 2
    discriminator_channels: Channels = 32
    spectral_norm: bool = True  # of the discriminator


class SrresnetConfig(Frozen):
    """SRGAN's networks: SRResNet against a VGG-like discriminator (Ledig et al. 2017, figure 4)."""

    kind: Literal["srresnet"] = "srresnet"
    scale: Literal[2, 4] = 4
    channels: Channels = 64
    blocks: Layers = 16
    discriminator_channels: Channels = 64
    spectral_norm: bool = False  # of the discriminator


GeneratorConfig = MlpConfig | DcganConfig | ResidualConfig | ProjectedConfig | ModulatedConfig
UpscalerConfig = CompactConfig | SrresnetConfig
ModelConfig = Annotated[GeneratorConfig | UpscalerConfig, Field(discriminator="kind")]
