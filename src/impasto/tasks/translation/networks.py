"""From a descriptor to a translator and its discriminator: which class a kind stands for."""

from typing import assert_never

from impasto.config.shared import Config
from impasto.config.translation import Pix2pixConfig, TranslationConfig, TranslatorConfig
from impasto.errors import CheckpointError
from impasto.nn.layers import spectrally_normalised
from impasto.tasks.translation.discriminators import PatchDiscriminator, Pix2pixDiscriminator
from impasto.tasks.translation.translators import Pix2pix, Translator

AnyTranslator = Translator | Pix2pix
AnyDiscriminator = PatchDiscriminator | Pix2pixDiscriminator


def build_translator(config: TranslationConfig) -> AnyTranslator:
    """A freshly initialised translator (torch's global RNG decides the weights)."""
    match config.model:
        case TranslatorConfig():
            return Translator(config.model, config.layout.channels)
        case Pix2pixConfig():
            return Pix2pix(config.model, config.layout.channels, config.image.size)
        case _:
            assert_never(config.model)


def saved_translator(config: Config) -> AnyTranslator:
    """The translator whose weights a model folder holds; raises as `Task.saved_network` does."""
    if not isinstance(config, TranslationConfig):
        raise CheckpointError(f"{config.makes} and translates none", f"`impasto {config.verb}` uses it")
    return build_translator(config)


def build_discriminator(config: TranslationConfig) -> AnyDiscriminator:
    """A freshly initialised discriminator, its layers spectrally normalised where the config says so."""
    cfg, channels = config.model, config.layout.channels
    made: AnyDiscriminator
    if isinstance(cfg, TranslatorConfig):
        made = PatchDiscriminator(cfg, channels)
    else:
        made = Pix2pixDiscriminator(cfg, channels)
    return spectrally_normalised(made) if cfg.spectral_norm else made
