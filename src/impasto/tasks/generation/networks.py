"""From a descriptor to the two networks of the game: which class a kind stands for."""

from typing import assert_never

from impasto.config.generation import (
    DcganConfig,
    GenerationConfig,
    GeneratorConfig,
    MlpConfig,
    ModulatedConfig,
    ProjectedConfig,
    ResidualConfig,
)
from impasto.config.shared import Config, ImageConfig
from impasto.errors import CheckpointError, ConfigError
from impasto.nn.discriminator import Discriminator
from impasto.nn.layers import spectrally_normalised
from impasto.tasks.generation.discriminator import (
    DcganDiscriminator,
    MlpDiscriminator,
    ProjectedDiscriminator,
    ResidualDiscriminator,
)
from impasto.tasks.generation.generator import (
    DcganGenerator,
    EnlargedGenerator,
    Generator,
    GrowingGenerator,
    MlpGenerator,
    ModulatedGenerator,
    ResidualGenerator,
)


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


def saved_generator(config: Config) -> Generator:
    """The generator whose weights a model folder holds; raises as `Task.saved_network` does."""
    if not isinstance(config, GenerationConfig):
        raise CheckpointError(f"{config.makes}, not new ones", f"`impasto {config.verb}` uses it")
    if config.enlarger is not None and isinstance(config.model, ModulatedConfig):
        return EnlargedGenerator(config.model, config.image, config.enlarger)
    return build_generator(config.model, config.image)


def build_discriminator(cfg: GeneratorConfig, image: ImageConfig) -> Discriminator:
    """A freshly initialised discriminator, its layers spectrally normalised where the config says so."""
    discriminator = _discriminator(cfg, image)
    return spectrally_normalised(discriminator) if cfg.spectral_norm else discriminator


def not_trained() -> ConfigError:
    """What is to be said where somebody wants to train a model of version 0.1's kind."""
    return ConfigError(
        "model.kind=projected is version 0.1's, whose models redraw their training pictures: none is trained",
        "begin a new run, with --preset default and without --from; `impasto generate` still uses the model",
    )


def _discriminator(cfg: GeneratorConfig, image: ImageConfig) -> Discriminator:
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
        case _:
            assert_never(cfg)
