"""A generator in training: a game, and for some networks something to learn beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from impasto.config.generation import GenerationConfig, ModulatedConfig
from impasto.config.shared import Config
from impasto.data.cache import Indices
from impasto.data.themes import Floats
from impasto.image.files import grid, save
from impasto.tasks.generation.evaluator import GeneratorEvaluator, Measurement
from impasto.tasks.generation.gan_step import gan_step
from impasto.tasks.generation.generator import Generator
from impasto.tasks.generation.modulated_step import ModulatedStep
from impasto.tasks.generation.rendering import render
from impasto.training.game import StepStats
from impasto.training.state import TrainingState
from impasto.training.task import picture_tensor

GRID_SEEDS = range(48)


@dataclass
class GeneratorLearner:
    """See `task.Learner`.

    `themes` gives those of pictures by their indices, (n, T) ones and zeros.
    """

    fabric: Fabric
    evaluator: GeneratorEvaluator
    themes: Callable[[Indices], Floats]

    def tensor(self, rows: NDArray[Any], device: torch.device) -> Tensor:
        """Pictures in [-1, 1]."""
        return picture_tensor(rows, device)

    def step(self, state: TrainingState, config: Config, next_batch: Callable[[], Tensor]) -> StepStats:
        """D learns and G learns once."""
        config = cast(GenerationConfig, config)
        loss, parts = config.loss.at_size(*config.image.shape), max(1, config.train.parts)
        if isinstance(config.model, ModulatedConfig):
            game = ModulatedStep(self.fabric, state, loss, config.distribution, config.augment)
            real = next_batch()
            return game(real, self.themes_of_batch(state, config.model), parts)
        rounds = config.train.discriminator_steps
        return gan_step(self.fabric, state, next_batch, loss, config.augment, rounds, parts)

    def themes_of_batch(self, state: TrainingState, model: ModulatedConfig) -> Tensor:
        """(B, T): the themes of the batch's pictures, as far as the generator can be asked for them."""
        indices, _ = state.batches.served()
        if not model.themes:
            return torch.zeros(len(indices), 0)
        return torch.from_numpy(self.themes(indices))

    def show(self, state: TrainingState, folder: Path) -> Path:
        """A grid of pictures from fixed noise."""
        return save_grid(average(state), folder, state.images_seen)

    def measure(self, state: TrainingState) -> Measurement:
        """The distance to the hold-out, and the signs of health."""
        return self.evaluator.measure(average(state), state.discriminator)

    def kept(self, state: TrainingState) -> Generator:
        """The averaged generator."""
        return average(state)


def average(state: TrainingState) -> Generator:
    """The generator with averaged weights."""
    return cast(Generator, state.average)


def save_grid(generator: Generator, folder: Path, images_seen: int) -> Path:
    """Write `folder/<images seen>.png`: the same 48 seeds every time."""
    path = folder / f"{images_seen:010}.png"
    save(grid(render(generator, GRID_SEEDS), columns=8), path, metadata={"images_seen": str(images_seen)})
    return path
