"""The task of making pictures from noise."""

from pathlib import Path
from typing import ClassVar, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from impasto.adaptive_threads import AdaptiveThreads
from impasto.config.generation import GenerationConfig, ModulatedConfig, ProjectedConfig
from impasto.config.shared import Config
from impasto.data.folder import Dataset
from impasto.data.opening import open_pictures
from impasto.errors import ConfigError, InputError
from impasto.image.codec import to_tensor
from impasto.nn.discriminator import Discriminator
from impasto.nn.features import thumbnails
from impasto.tasks.generation.evaluator import MOST_SOURCES, MOST_TRAINING, GeneratorEvaluator
from impasto.tasks.generation.generator import KEPT_THEMES, Generator, ModulatedGenerator
from impasto.tasks.generation.learner import GeneratorLearner
from impasto.tasks.generation.modulated_step import players
from impasto.tasks.generation.networks import (
    build_discriminator,
    build_generator,
    not_trained,
    saved_generator,
)
from impasto.training.checkpoints import load_weights
from impasto.training.state import Beginning, TrainingState, check_networks
from impasto.training.task import Progress

# More would make every measurement slower and hardly steadier.
MOST_HOLDOUT = 1_000
OF_EACH_THEME = 16  # pictures, as far as it has so many
CALIBRATED = 256  # real pictures, by which the scales of D are set
WHITENED = 1_024  # real pictures, by whose leading directions the rows that are compared are whitened
SURVEYED = 32  # real pictures at a time, before the first step


class Generation:
    """See `training.task.Task`."""

    name: ClassVar = "generation"
    tries_memory: ClassVar = True

    def open_data(
        self, directory: str | Path, pairs: str | Path | None, config: Config, progress: Progress | None
    ) -> tuple[Dataset, Config]:
        """The pictures of a folder, or of shards; the config gets the names of their themes.

        Args:
            directory: Folder of pictures, folder of shards, or the name of a set that a library knows.
            pairs: Must be None: pairs are for upscalers and translators.
            config: Config of the run.
            progress: Is told how far the pictures have been read. None: nobody is told.

        Raises:
            ConfigError: The model is of version 0.1's kind, which is no longer trained.
            InputError: there are `pairs`, or the pictures cannot be learnt from.
        """
        model, seed = cast(GenerationConfig, config).model, config.train.seed
        if isinstance(model, ProjectedConfig):
            raise not_trained()
        if cast(GenerationConfig, config).enlarger is not None:
            raise ConfigError(
                "a generator and its enlarger learn one after the other",
                "--size 256 trains both; without the setting enlarger the generator learns alone",
            )
        if pairs is not None:
            raise InputError(
                "pairs are for upscalers and translators", "--preset upscale-x4, translate or another of them"
            )
        data = open_pictures(directory, config.data, config.image, seed=seed, progress=progress)
        if isinstance(model, ModulatedConfig) and len(data.themes) > 1:
            config = config.model_copy(update={"model": model.model_copy(update={"themes": data.themes})})
        return data, config

    def build(self, config: Config) -> tuple[Generator, Discriminator]:
        """A generator and a discriminator."""
        model = cast(GenerationConfig, config).model
        return build_generator(model, config.image), build_discriminator(model, config.image)

    def saved_network(self, config: Config) -> Generator:
        """The generator."""
        return saved_generator(config)

    def take(self, state: TrainingState, begun: Beginning, config: Config) -> None:
        """Begin with another generator, and with its discriminator where there is one.

        Both are fitted to this run's own themes. What D's features are scaled by is found anew, as other
        pictures have other features. Raises `ConfigError` for weights of version 0.1's kind, which is no
        longer trained, and `CheckpointError` where the networks are others.
        """
        mine, other = config.model, begun.config.model
        if isinstance(other, ProjectedConfig):
            raise not_trained()
        check_networks(begun.config, config)
        weights = {name: t for name, t in begun.weights.items() if not name.startswith("enlarger.")}
        judging = begun.discriminator
        if (
            isinstance(mine, ModulatedConfig)
            and isinstance(other, ModulatedConfig)
            and mine.themes != other.themes
        ):
            weights = cast(ModulatedGenerator, state.average).with_own_themes(weights)
            judging = {name: tensor for name, tensor in judging.items() if ".embed." not in name}
        load_weights(state.average, weights, begun.source)
        ours = state.discriminator.state_dict()
        fitting = {n: t for n, t in judging.items() if n in ours and ours[n].shape == t.shape}
        load_weights(state.discriminator, ours | fitting, begun.source)

    def start(
        self,
        config: Config,
        state: TrainingState,
        fabric: Fabric,
        data: Dataset,
        *,
        first: bool,
        threads: AdaptiveThreads | None = None,
    ) -> GeneratorLearner:
        """The learner of the game. In a new run D's scales and G's themes are first found from some pictures.

        Args:
            config: Config of the run.
            state: State of the run. Both networks may change where `first` is true.
            fabric: Runs the backward passes; its device is the one that measurements are computed on.
            data: The pictures of the run.
            first: Whether no step has been made.
            threads: Threads that compute the features of measurements on a CPU. None: as many as pay at the
                moment.
        """
        evaluator = GeneratorEvaluator(
            data.holdout_pixels(MOST_HOLDOUT),
            data.train_pixels(MOST_TRAINING, config.train.seed),
            _sources(data, config.train.seed),
            config.train.evaluate_samples,
            fabric.device,
            _themes_of_holdout(data),
            threads,
        )
        if first and isinstance(config.model, ModulatedConfig):
            _prepare(config, state, data)
        return GeneratorLearner(fabric, evaluator, data.themes_of)

    def follows(self, model: Path) -> tuple[str, ...]:
        """New pictures."""
        return ("impasto", "generate", str(model), "--out", "new")


def _prepare(config: Config, state: TrainingState, dataset: Dataset) -> None:
    """Scale what D sees, and tell G which themes there are, by some of the pictures; before the first step.

    Both are part of the state from then on.
    """
    generator, discriminator = players(state)
    device = next(discriminator.parameters()).device

    surveyed, measured = (
        dataset.some_to_train_on(count, config.train.seed, OF_EACH_THEME) for count in (WHITENED, CALIBRATED)
    )
    wanted = set(measured.tolist())  # all of them among those that are surveyed
    rows, maps_of = [], dict[int, list[Tensor]]()
    with torch.no_grad():
        for start in range(0, len(surveyed), SURVEYED):
            part = surveyed[start : start + SURVEYED]
            images = to_tensor(dataset.pixels.take(part), device)
            maps = discriminator.pyramid(images)
            rows.append(discriminator.compared.plain(images, maps))
            for i, index in enumerate(part.tolist()):
                if index in wanted:  # copied: a view would keep the maps of the whole part
                    maps_of[index] = [m[i : i + 1].clone() for m in maps]
        chosen = [maps_of[index] for index in measured.tolist()]
        discriminator.calibrate([torch.cat(same) for same in zip(*chosen, strict=True)])
        discriminator.compared.fit(rows)
    if generator.kinds:
        some = dataset.some_to_train_on(KEPT_THEMES, config.train.seed)
        generator.learn_themes(torch.from_numpy(dataset.themes_of(some)))
    state.average.load_state_dict(state.generator.state_dict())


def _sources(dataset: Dataset, seed: int) -> torch.Tensor:
    """Thumbnails of the pictures that samples may be drawn after: (M, d), M at most `MOST_SOURCES`.

    Where training shows pictures mirrored, too, their mirror images are among them.
    """
    places = dataset.some_to_train_on(MOST_SOURCES // (2 if dataset.mirror else 1), seed)
    parts = (places[start : start + SURVEYED] for start in range(0, len(places), SURVEYED))
    pictures = (to_tensor(dataset.pixels.take(part)) for part in parts)
    both = (torch.cat((x, x.flip(3))) if dataset.mirror else x for x in pictures)
    return torch.cat([thumbnails(x) for x in both])


def _themes_of_holdout(dataset: Dataset) -> tuple[tuple[str, ...], torch.Tensor] | None:
    """Names of the themes and those of each picture of `holdout_pixels(MOST_HOLDOUT)`; None for too few."""
    if len(dataset.themes) < 2:
        return None
    return dataset.themes, torch.from_numpy(dataset.themes_of(dataset.some_held_out(MOST_HOLDOUT)))
