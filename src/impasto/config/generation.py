"""The config of the task of making pictures from noise."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from impasto.config.shared import Config, ImageConfig, NetworkConfig
from impasto.config.types import Channels, Dims, Frozen, Layers, NonNegative, Share
from impasto.config.upscaling import CompactConfig

SIZES = (16, 32, 64, 128, 256)  # of the squares that textbook networks draw
LEAST_PX, MOST_PX, STEP_PX = 16, 256, 8  # of each side of what a modulated generator draws


class MlpConfig(NetworkConfig):
    """The multilayer-perceptron GAN (Goodfellow et al. 2014).

    Attributes:
        kind: The name of these networks.
        latent_dim: How many numbers a latent has.
        prior: What latents are drawn from: N(0, I), or U(-1, 1) for each number.
        hidden: Widths of the generator's hidden layers; the discriminator has them in reverse.
    """

    kind: Literal["mlp"] = "mlp"
    latent_dim: Dims = 64
    prior: Literal["normal", "uniform"] = "normal"
    hidden: Annotated[tuple[Dims, ...], Field(max_length=64)] = (256, 512)


class DcganConfig(NetworkConfig):
    """Transposed convolutions against pooled convolutions (after Radford et al. 2016).

    Attributes:
        kind: The name of these networks.
        latent_dim: How many numbers a latent has.
        prior: What latents are drawn from: N(0, I), or U(-1, 1) for each number.
        base_channels: Channels of the generator at half the picture's size, and of the discriminator's first
            convolution. They double with every halving.
    """

    kind: Literal["dcgan"] = "dcgan"
    latent_dim: Dims = 100
    prior: Literal["normal", "uniform"] = "normal"
    base_channels: Channels = 64


class ResidualConfig(NetworkConfig):
    """Normalisation-free residual networks (after R3GAN, Huang et al. 2024).

    Channels are those at half the picture's size, the finest with residual blocks. They double with every
    halving.

    Attributes:
        kind: The name of these networks.
        latent_dim: How many numbers a latent has.
        prior: What latents are drawn from: N(0, I), or U(-1, 1) for each number.
        generator_channels: Channels of the generator.
        discriminator_channels: Channels of the discriminator.
        max_channels: The most channels that doubling reaches.
        blocks: Residual blocks at each resolution.
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
    files have. Settings of the discriminator have no effect.

    Attributes:
        kind: The name of these networks.
        latent_dim: How many numbers a latent has.
        prior: What the noise around an exemplar is drawn from: N(0, I).
        generator_channels: Channels at the picture's size. They double with every halving.
        max_channels: The most channels that doubling reaches.
        pyramid_px: Of the discriminator.
        head_channels: Of the discriminator.
        pixel_dims: Has no effect.
        content_dims: Has no effect.
        exemplars: How many latents of training pictures the model holds.
        exemplar_noise: How much of a latent is noise: 0 nothing, 1 all of it.
        themes: The themes that can be asked for.
        spectral_norm: Of the discriminator.
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

    Where there are themes, these are said beside the latents to both networks.

    Attributes:
        kind: The name of these networks.
        latent_dim: How many numbers of noise a latent has; themes come on top.
        latent_map_px: Blocks with an output of at most this side are told the latent place by place, too. 0:
            no block is.
        prior: What the noise is drawn from: N(0, I).
        generator_channels: Channels at the picture's size. They double with every halving.
        max_channels: The most channels that doubling reaches.
        pyramid_px: The side at which the frozen network sees squares; other shapes have about as many pixels.
            None: their own, but at least 64 px and at most 128.
        head_channels: Channels of the discriminator's heads.
        whitened_directions: In how many leading directions the energy distances whiten what they compare
            (nn/whitening.py).
        themes: The themes that can be asked for; a run takes them from its pictures.
        spectral_norm: Whether the discriminator's heads have spectral norm.
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

    Energy distances are between the batch that was generated and real pictures: those of the batch and the
    last `remembered`.

    Attributes:
        adversarial: Weight of the game.
        thumbnails: Weight of the distance between thumbnails.
        maps: Weight of the distance in the frozen network's maps (nn/whitening.py).
        places: Weight of the distance at each place of these maps alone.
        overshoot: Weight of the mean square by which values leave [-1, 1].
        exponent: The power that distances are raised to: the smaller, the more pictures that are nearly alike
            push each other.
        remembered: How many earlier real pictures are compared, beside those of the batch.
        themes: Where there are themes: weight of the comparison with pictures of the same themes alone,
            relative to that with all pictures.
        themeless_share: The share of each batch that is told no theme.
        heed_by_images: Images seen until D heeds themes fully; it heeds them more and more until then.
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
    """Everything about the training of a generator, or about a generator that ends in an enlarger.

    Attributes:
        task: The name of the task.
        model: The networks.
        distribution: What the generator learns beside the game.
        enlarger: The network that enlarges what the generator draws, in models of large pictures
            (tasks/large.py). The generator itself draws pictures that are `enlarger.scale` times smaller than
            `image` then.
    """

    makes: ClassVar[str] = "makes new pictures"
    verb: ClassVar[str] = "generate"
    task: Literal["generation"] = "generation"
    model: Annotated[GeneratorConfig, Field(discriminator="kind")] = ResidualConfig()
    distribution: DistributionConfig = DistributionConfig()
    enlarger: CompactConfig | None = None

    @property
    def drawn(self) -> ImageConfig:
        """What the generator itself draws."""
        return self.image.reduced(self.enlarger.scale) if self.enlarger else self.image

    @model_validator(mode="after")
    def _enlargers_follow_modulated_generators(self) -> "GenerationConfig":
        enlarger = self.enlarger
        if enlarger is None:
            return self
        if not isinstance(self.model, ModulatedConfig):
            raise ValueError("an enlarger follows model.kind=modulated")
        if any(side % enlarger.scale for side in self.image.shape):
            raise ValueError("image.size and image.width must be multiples of enlarger.scale")
        return self

    @model_validator(mode="after")
    def _size_suits_the_networks(self) -> "GenerationConfig":
        height, width = self.drawn.shape
        if isinstance(self.model, ModulatedConfig):
            if any(side % STEP_PX or not LEAST_PX <= side <= MOST_PX for side in (height, width)):
                raise ValueError(
                    f"pictures of {width} x {height} px cannot be drawn: image.size and image.width must be "
                    f"multiples of {STEP_PX} from {LEAST_PX} to {MOST_PX}"
                )
        elif height != width:
            raise ValueError(
                f"model.kind={self.model.kind} draws squares alone: leave image.width out, or take "
                "--preset default or few-shot"
            )
        elif height not in SIZES:
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
