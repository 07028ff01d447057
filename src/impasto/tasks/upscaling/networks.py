"""From a descriptor to an upscaler and its discriminator: which class a kind stands for."""

from typing import assert_never

from impasto.config.shared import Config
from impasto.config.upscaling import CompactConfig, SrresnetConfig, UpscalerConfig, UpscalingConfig
from impasto.errors import CheckpointError
from impasto.nn.compact import CompactUpscaler, Upscaler
from impasto.nn.discriminator import Discriminator
from impasto.nn.layers import spectrally_normalised
from impasto.tasks.upscaling.critics import UnetDiscriminator, VggDiscriminator
from impasto.tasks.upscaling.srresnet import Srresnet


def build_upscaler(cfg: UpscalerConfig, *, wide: bool = True) -> Upscaler:
    """A freshly initialised upscaler, or with `wide=False` an empty one in its deployed form."""
    match cfg:
        case CompactConfig():
            return CompactUpscaler(cfg, wide=wide)
        case SrresnetConfig():
            return Srresnet(cfg)
        case _:
            assert_never(cfg)


def saved_upscaler(config: Config) -> Upscaler:
    """The upscaler whose weights a model folder holds; raises as `Task.saved_network` does."""
    if not isinstance(config, UpscalingConfig):
        raise CheckpointError(f"{config.makes} and does not enlarge any", f"`impasto {config.verb}` uses it")
    return build_upscaler(config.model, wide=False)


def build_discriminator(cfg: UpscalerConfig) -> Discriminator:
    """A freshly initialised discriminator, its layers spectrally normalised where the config says so."""
    discriminator = UnetDiscriminator(cfg) if isinstance(cfg, CompactConfig) else VggDiscriminator(cfg)
    return spectrally_normalised(discriminator) if cfg.spectral_norm else discriminator
