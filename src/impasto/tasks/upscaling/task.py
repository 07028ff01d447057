"""The task of enlarging pictures."""

from pathlib import Path
from typing import ClassVar, cast

import torch
from lightning_fabric import Fabric

from impasto.adaptive_threads import AdaptiveThreads
from impasto.config.shared import Config
from impasto.config.upscaling import RestorationConfig, UpscalingConfig
from impasto.data.folder import Dataset
from impasto.data.opening import open_pictures
from impasto.data.pairs import open_pairs
from impasto.nn.compact import CompactUpscaler, Upscaler
from impasto.nn.discriminator import Discriminator
from impasto.nn.frozen import FrozenMaps
from impasto.nn.frozen_features import FrozenFeatures
from impasto.nn.vgg import Vgg19
from impasto.tasks.upscaling.learner import COMPARED_PX, MOST_COMPARED, UpscalerEvaluator, UpscalerLearner
from impasto.tasks.upscaling.networks import build_discriminator, build_upscaler, saved_upscaler
from impasto.training.checkpoints import load_weights
from impasto.training.state import Beginning, TrainingState, check_networks
from impasto.training.task import Progress


class Upscaling:
    """See `training.task.Task`."""

    name: ClassVar = "upscaling"
    tries_memory: ClassVar = False  # it learns from small windows

    def open_data(
        self, directory: str | Path, pairs: str | Path | None, config: Config, progress: Progress | None
    ) -> tuple[Dataset, Config]:
        """The pictures of a folder, from which low-resolution ones are made; or pairs of both.

        Args:
            directory: Folder of the sharp pictures, folder of shards, or the name of a set that a library
                knows. With `pairs` it must be a folder.
            pairs: Folder of the low-resolution pictures of pairs. None: they are made from the sharp ones.
            config: Config of the run; it is returned as it is.
            progress: Is told how far the pictures have been read. None: nobody is told.

        Raises:
            InputError: The pictures or pairs cannot be learnt from.
        """
        how, seed = (config.data, config.image), config.train.seed
        if pairs is None:
            return open_pictures(directory, *how, seed=seed, progress=progress), config
        scale = cast(UpscalingConfig, config).model.scale
        return open_pairs(Path(directory), Path(pairs), *how, scale, seed=seed, progress=progress), config

    def build(self, config: Config) -> tuple[Upscaler, Discriminator]:
        """An upscaler and a discriminator."""
        model = cast(UpscalingConfig, config).model
        return build_upscaler(model), build_discriminator(model)

    def saved_network(self, config: Config) -> Upscaler:
        """The upscaler in its deployed form."""
        return saved_upscaler(config)

    def take(self, state: TrainingState, begun: Beginning, config: Config) -> None:
        """Begin with another upscaler; the critic begins anew.

        A saved model has the deployed form, which a wide network can hold. Raises `CheckpointError` where the
        networks are others.
        """
        check_networks(begun.config, config)
        if begun.saved and isinstance(state.average, CompactUpscaler):
            state.average.hold(begun.weights)
        else:
            load_weights(state.average, begun.weights, begun.source)

    def start(
        self,
        config: Config,
        state: TrainingState,
        fabric: Fabric,
        data: Dataset,
        *,
        first: bool,
        threads: AdaptiveThreads | None = None,
    ) -> UpscalerLearner:
        """The learner. It measures how true enlarged held-out windows are to the sharp ones.

        Args:
            config: Config of the run.
            state: Not used: the networks are ready as they are.
            fabric: Runs the backward passes; its device is the one that measurements are computed on.
            data: The pictures of the run.
            first: Not used.
            threads: Not used.
        """
        holdout = data.holdout_windows(MOST_COMPARED, COMPARED_PX)
        model, restoration = cast(UpscalingConfig, config).model, cast(UpscalingConfig, config).restoration
        evaluator = UpscalerEvaluator(holdout, model.scale, restoration, fabric.device)
        return UpscalerLearner(fabric, evaluator, _feature_network(restoration, fabric))

    def follows(self, model: Path) -> tuple[str, ...]:
        """Larger pictures."""
        return ("impasto", "upscale", "PICTURE", "--model", str(model), "--out", "larger")


def _feature_network(cfg: RestorationConfig, fabric: Fabric) -> FrozenMaps | None:
    """The network of the feature loss, where that has any weight."""
    if not cfg.features:
        return None
    network = Vgg19() if cfg.feature_network == "vgg19" else FrozenFeatures(None)
    return network.to(device=fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
