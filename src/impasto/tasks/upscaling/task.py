"""The task of enlarging pictures."""

from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from impasto.adaptive_threads import AdaptiveThreads
from impasto.config.descriptors import GeneratorConfig, UpscalerConfig
from impasto.config.settings import Config, RestorationConfig
from impasto.data.folder import Dataset
from impasto.data.opening import open_pictures
from impasto.data.pairs import open_pairs
from impasto.nn.discriminator import Discriminator
from impasto.nn.frozen import FrozenMaps
from impasto.nn.pyramid import Pyramid
from impasto.nn.vgg import Vgg19
from impasto.tasks.upscaling.learner import COMPARED_PX, MOST_COMPARED, UpscalerLearner, Yardstick
from impasto.tasks.upscaling.networks import build_discriminator, build_upscaler, saved_upscaler
from impasto.tasks.upscaling.upscaler import CompactUpscaler, Upscaler
from impasto.training.checkpoints import load_weights
from impasto.training.state import TrainingState
from impasto.training.task import Progress


class Upscaling:
    """See `training.task.Task`."""

    name = "upscaling"
    small = True  # it learns from small windows

    def check(self, config: Config) -> None:
        """All can be trained."""

    def open_data(
        self, directory: str | Path, low: Path | None, config: Config, progress: Progress | None
    ) -> Dataset:
        """A folder of pictures, from which low-resolution ones are made; or pairs of both."""
        seed = config.train.seed
        if low is None:
            return open_pictures(directory, config.data, config.image, seed=seed, progress=progress)
        scale = upscaler_config(config).scale
        return open_pairs(
            Path(directory), low, config.data, config.image, scale, seed=seed, progress=progress
        )

    def with_data(self, config: Config, dataset: Dataset) -> Config:
        """It takes nothing from its pictures."""
        return config

    def build(self, config: Config) -> tuple[Upscaler, Discriminator]:
        """An upscaler and a discriminator."""
        model = upscaler_config(config)
        return build_upscaler(model), build_discriminator(model)

    def saved_network(self, config: Config) -> Upscaler:
        """The upscaler in its deployed form."""
        return saved_upscaler(config)

    def take(
        self, average: nn.Module, weights: dict[str, Tensor], theirs: Config, ours: Config, *, saved: bool
    ) -> None:
        """A saved model has the deployed form, which a wide network can hold."""
        if saved and isinstance(average, CompactUpscaler):
            average.hold(weights)
        else:
            load_weights(average, weights, Path(ours.train.begin_with or ""))

    def start(
        self,
        config: Config,
        state: TrainingState,
        fabric: Fabric,
        dataset: Dataset,
        *,
        first: bool,
        threads: AdaptiveThreads | None = None,
    ) -> UpscalerLearner:
        """Fidelity to held-out windows is what is measured."""
        holdout = dataset.holdout_windows(MOST_COMPARED, COMPARED_PX)
        yardstick = Yardstick(holdout, upscaler_config(config).scale, config.restoration, fabric.device)
        return UpscalerLearner(fabric, yardstick, _feature_network(config.restoration, fabric))

    def follows(self, model: Path) -> tuple[str, ...]:
        """Larger pictures."""
        return ("impasto", "upscale", "PICTURE", "--model", str(model), "--out", "larger")


def upscaler_config(config: Config) -> UpscalerConfig:
    """What the config says of its networks."""
    assert not isinstance(config.model, GeneratorConfig)
    return config.model


def _feature_network(cfg: RestorationConfig, fabric: Fabric) -> FrozenMaps | None:
    """The network of the feature loss, where that has any weight."""
    if not cfg.features:
        return None
    network = Vgg19() if cfg.feature_network == "vgg19" else Pyramid(None)
    return network.to(device=fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
