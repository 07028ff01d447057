"""What the engine runs: making pictures and enlarging them differ in these few things, in nothing else."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from impasto.config.settings import Config
from impasto.tasks.generation.gan_step import StepStats
from impasto.training.logging.events import Event
from impasto.training.state import TrainingState


class Measurement(Protocol):
    """One evaluation. `distance` decides which model is best: smaller is better."""

    @property
    def distance(self) -> float:
        """How far what was made is from what was meant."""
        ...

    def record(self) -> dict[str, Any]:
        """What the training state keeps, ready for JSON: `distance`, and `figures` for the model card."""
        ...

    def event(self, images_seen: int, best: bool) -> Event:
        """The same for whoever watches."""
        ...


class Task(Protocol):
    """A way to train: one step, one look, one measurement."""

    def step(self, state: TrainingState, config: Config, next_batch: Callable[[], Tensor]) -> StepStats:
        """Both networks learn from `next_batch`, (B, C, size, size) in [-1, 1], as `config` says."""
        ...

    def show(self, state: TrainingState, folder: Path) -> Path:
        """Write a picture of what the averaged network makes now, named by images seen."""
        ...

    def measure(self, state: TrainingState) -> Measurement:
        """Compare what it makes with pictures that never train."""
        ...

    def weights(self, state: TrainingState) -> Mapping[str, Tensor]:
        """What a model folder holds of the averaged network."""
        ...
