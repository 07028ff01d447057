"""The task of translating layouts into pictures."""

from pathlib import Path
from typing import ClassVar, cast

import torch
from lightning_fabric import Fabric

from impasto.adaptive_threads import AdaptiveThreads
from impasto.config.shared import Config
from impasto.config.translation import TranslationConfig
from impasto.data.layouts import LayoutPairs, open_layouts
from impasto.errors import CheckpointError, InputError
from impasto.nn.discriminator import Discriminator
from impasto.nn.frozen_features import FrozenFeatures
from impasto.tasks.translation.learner import SHOWN, TranslatorLearner
from impasto.tasks.translation.networks import build_discriminator, build_translator, saved_translator
from impasto.tasks.translation.translators import TranslatingNetwork
from impasto.training.checkpoints import load_weights
from impasto.training.state import Beginning, TrainingState, check_networks
from impasto.training.task import Progress

MOST_COMPARED = 64  # held-out pairs


class Translation:
    """See `training.task.Task`."""

    name: ClassVar = "translation"
    tries_memory: ClassVar = False

    def open_data(
        self, directory: str | Path, pairs: str | Path | None, config: Config, progress: Progress | None
    ) -> tuple[LayoutPairs, Config]:
        """The pairs of two folders, or of files side by side; the config gets the labels of the layouts.

        Args:
            directory: Folder of the layouts, or of files that hold both.
            pairs: Folder of the pictures, or one of `data.pair_files.SIDE_BY_SIDE`.
            config: Config of the run.
            progress: Is told how far the pictures have been read. None: nobody is told.

        Raises:
            InputError: There are no `pairs`, or they cannot be learnt from.
        """
        if pairs is None:
            raise InputError(
                "a translator learns from pairs: to which pictures do these layouts belong?",
                "--pairs PICTURES, or --pairs side-by-side where each file holds both",
            )
        mine = cast(TranslationConfig, config)
        data, layout = open_layouts(
            Path(directory),
            pairs,
            mine.data,
            mine.image,
            mine.layout,
            seed=mine.train.seed,
            progress=progress,
        )
        return data, mine.model_copy(update={"layout": layout})

    def build(self, config: Config) -> tuple[TranslatingNetwork, Discriminator]:
        """A translator and a discriminator."""
        mine = cast(TranslationConfig, config)
        return build_translator(mine), build_discriminator(mine)

    def saved_network(self, config: Config) -> TranslatingNetwork:
        """The translator."""
        return saved_translator(config)

    def take(self, state: TrainingState, begun: Beginning, config: Config) -> None:
        """Begin with another translator of the same labels, and with its discriminator where there is one.

        Raises `CheckpointError` where labels or networks are others.
        """
        check_networks(begun.config, config)
        mine, theirs = (cast(TranslationConfig, c).layout.labels for c in (config, begun.config))
        if mine != theirs:
            raise CheckpointError(
                f"'{begun.source}' translates layouts of other labels",
                "name the same ones in the same order by --labels",
            )
        load_weights(state.average, begun.weights, begun.source)
        if begun.discriminator:
            load_weights(state.discriminator, begun.discriminator, begun.source)

    def start(
        self,
        config: Config,
        state: TrainingState,
        fabric: Fabric,
        data: LayoutPairs,
        *,
        first: bool,
        threads: AdaptiveThreads | None = None,
    ) -> TranslatorLearner:
        """The learner. It measures translations of held-out layouts.

        Args:
            config: Config of the run.
            state: Not used: the networks are ready as they are.
            fabric: Runs the backward passes; its device is the one that measurements are computed on.
            data: The pairs of the run.
            first: Not used.
            threads: Not used.
        """
        mine = cast(TranslationConfig, config)
        features = None
        if mine.translation.features:
            features = FrozenFeatures(None)
            features.to(device=fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return TranslatorLearner(
            fabric, mine.layout, features, data.holdout(MOST_COMPARED), data.holdout(SHOWN)
        )

    def follows(self, model: Path) -> tuple[str, ...]:
        """Pictures of layouts."""
        return ("impasto", "translate", str(model), "LAYOUT", "--out", "translated")
