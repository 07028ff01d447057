"""From a descriptor to a network: the only place that knows which class a kind stands for."""

from typing import assert_never

from impasto.config.descriptors import (
    CompactConfig,
    DcganConfig,
    GeneratorConfig,
    MlpConfig,
    ModelConfig,
    ModulatedConfig,
    ProjectedConfig,
    ResidualConfig,
    SrresnetConfig,
    UpscalerConfig,
)
from impasto.config.settings import ImageConfig
from impasto.errors import ConfigError
from impasto.nn.layers import spectrally_normalised
from impasto.tasks.generation.discriminator import (
    DcganDiscriminator,
    Discriminator,
    MlpDiscriminator,
    ProjectedDiscriminator,
    ResidualDiscriminator,
)
from impasto.tasks.generation.generator import (
    DcganGenerator,
    Generator,
    GrowingGenerator,
    MlpGenerator,
    ModulatedGenerator,
    ResidualGenerator,
)
from impasto.tasks.upscaling.critics import UnetDiscriminator, VggDiscriminator
from impasto.tasks.upscaling.upscaler import CompactUpscaler, Srresnet, Upscaler


def build_upscaler(cfg: UpscalerConfig, *, wide: bool = True) -> Upscaler:
    """A freshly initialised upscaler, or with `wide=False` an empty one in its deployed form."""
    match cfg:
        case CompactConfig():
            return CompactUpscaler(cfg, wide=wide)
        case SrresnetConfig():
            return Srresnet(cfg)
        case _:
            assert_never(cfg)


def build_generator(cfg: GeneratorConfig, image: ImageConfig) -> Generator:
    """A freshly initialised generator (torch's global RNG decides the weights; seed it first)."""
    match cfg:
        case MlpConfig():
            return MlpGenerator(cfg, image)
        case DcganConfig():
            return DcganGenerator(cfg, image)
        case ResidualConfig():
            return ResidualGenerator(cfg, image)
        case ProjectedConfig():
            return GrowingGenerator(cfg, image)
        case ModulatedConfig():
            return ModulatedGenerator(cfg, image)
        case _:
            assert_never(cfg)


def build_discriminator(cfg: ModelConfig, image: ImageConfig) -> Discriminator:
    """A freshly initialised discriminator, its layers spectrally normalised where the config says so."""
    discriminator = _discriminator(cfg, image)
    return spectrally_normalised(discriminator) if cfg.spectral_norm else discriminator


def not_trained() -> ConfigError:
    """What is to be said where somebody wants to train a model of version 0.1's kind."""
    return ConfigError(
        "model.kind=projected is version 0.1's, whose models redraw their training pictures: none is trained",
        "begin a new run, with --preset default and without --from; `impasto generate` still uses the model",
    )


def _discriminator(cfg: ModelConfig, image: ImageConfig) -> Discriminator:
    match cfg:
        case MlpConfig():
            return MlpDiscriminator(cfg, image)
        case DcganConfig():
            return DcganDiscriminator(cfg, image)
        case ResidualConfig():
            return ResidualDiscriminator(cfg, image)
        case ModulatedConfig():
            return ProjectedDiscriminator(cfg, image)
        case ProjectedConfig():
            raise not_trained()
        case CompactConfig():
            return UnetDiscriminator(cfg)
        case SrresnetConfig():
            return VggDiscriminator(cfg)
        case _:
            assert_never(cfg)
