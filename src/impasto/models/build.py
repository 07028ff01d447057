"""From a descriptor to a network: the only place that knows which class a kind stands for."""

from typing import assert_never

from impasto.config import DcganConfig, ImageConfig, MlpConfig, ModelConfig, ProjectedConfig, ResidualConfig
from impasto.models.discriminator import (
    DcganDiscriminator,
    Discriminator,
    MlpDiscriminator,
    ProjectedDiscriminator,
    ResidualDiscriminator,
)
from impasto.models.generator import (
    DcganGenerator,
    Generator,
    GrowingGenerator,
    MlpGenerator,
    ResidualGenerator,
)
from impasto.models.layers import spectrally_normalised


def build_generator(cfg: ModelConfig, image: ImageConfig) -> Generator:
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
        case _:
            assert_never(cfg)


def build_discriminator(cfg: ModelConfig, image: ImageConfig) -> Discriminator:
    """A freshly initialised discriminator, its layers spectrally normalised where the config says so."""
    discriminator = _discriminator(cfg, image)
    return spectrally_normalised(discriminator) if cfg.spectral_norm else discriminator


def _discriminator(cfg: ModelConfig, image: ImageConfig) -> Discriminator:
    match cfg:
        case MlpConfig():
            return MlpDiscriminator(cfg, image)
        case DcganConfig():
            return DcganDiscriminator(cfg, image)
        case ResidualConfig():
            return ResidualDiscriminator(cfg, image)
        case ProjectedConfig():
            return ProjectedDiscriminator(cfg, image)
        case _:
            assert_never(cfg)
