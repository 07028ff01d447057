"""The config of the task of making pictures from noise."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from impasto.config.shared import Config, NetworkConfig
from impasto.config.types import Channels, Dims, Frozen, Layers, NonNegative, Share

SIZES = (16, 32, 64, 128, 256)


class MlpConfig(NetworkConfig):
    """The multilayer-perceptron GAN (Goodfellow et al. 2014)."""

    kind: Literal["mlp"] = "mlp"
    latent_dim: Dims = 64
    prior: Literal["normal", "uniform"] = "normal"
    hidden: Annotated[tuple[Dims, ...], Field(max_length=64)] = (256, 512)


class DcganConfig(NetworkConfig):
    """Transposed convolutions against pooled convolutions (after Radford et al. 2016)."""

    kind: Literal["dcgan"] = "dcgan"
    latent_dim: Dims = 100
    prior: Literal["normal", "uniform"] = "normal"
    base_channels: Channels = 64


class ResidualConfig(NetworkConfig):
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


class ProjectedConfig(NetworkConfig):
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


class ModulatedConfig(NetworkConfig):
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


GeneratorConfig = MlpConfig | DcganConfig | ResidualConfig | ProjectedConfig | ModulatedConfig


class DistributionConfig(Frozen):
    """What the generator of `model.kind=modulated` learns beside the game.

    Weights of the energy distances between the batch that was generated and the batch of real pictures, as
    thumbnails, in the frozen network's maps (nn/whitening.py) and at each of the `places` of these maps
    alone; and of the mean square by which values leave [-1, 1]. Distances are raised to `exponent`: the
    smaller, the more pictures that are nearly alike push each other. The real pictures compared are those of
    the batch and the last `remembered`. Where there are themes, pictures are also compared with those of the
    same themes alone, `themes` times as much. A `themeless_share` of each batch is told none; D heeds themes
    more and more, and fully from `heed_by_images` on.
    """

    adversarial: NonNegative = 1.0
    thumbnails: NonNegative = 4.0
    maps: NonNegative = 4.0
    places: NonNegative = 0.0
    overshoot: NonNegative = 1.0
    exponent: Annotated[float, Field(ge=0.05, lt=2)] = 1.0
    remembered: Annotated[int, Field(ge=0, le=65_536)] = 256
    themes: NonNegative = 1.0
    themeless_share: Share = 0.1
    heed_by_images: Annotated[int, Field(ge=0)] = 20_000


class GenerationConfig(Config):
    """Everything about the training of a generator."""

    task: Literal["generation"] = "generation"
    model: Annotated[GeneratorConfig, Field(discriminator="kind")] = ResidualConfig()
    distribution: DistributionConfig = DistributionConfig()

    @model_validator(mode="after")
    def _size_suits_the_networks(self) -> "GenerationConfig":
        if self.image.size not in SIZES:
            raise ValueError(f"image.size must be one of {', '.join(map(str, SIZES))}")
        if self.data.fit == "windows":
            raise ValueError("data.fit=windows is for upscalers: a generator needs whole pictures")
        return self

    @model_validator(mode="after")
    def _shared_batches_are_for_one_step(self) -> "GenerationConfig":
        model = self.model
        if isinstance(model, ModulatedConfig) and self.train.discriminator_steps > 1:
            raise ValueError(
                f"train.discriminator_steps must be 1 for model.kind={model.kind}: D and G share each "
                "generated batch"
            )
        return self
