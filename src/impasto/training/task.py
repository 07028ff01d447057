"""The spine: what the engine asks of whatever can be learnt. `tasks/` has a folder for each answer."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from lightning_fabric import Fabric
from torch import Tensor, nn

from impasto.adaptive_threads import AdaptiveThreads
from impasto.config.settings import Config
from impasto.data.folder import Dataset
from impasto.nn.discriminator import Discriminator
from impasto.training.game import StepStats
from impasto.training.logging.events import Event
from impasto.training.state import TrainingState

Progress = Callable[[str, int, int], None]  # what is done, how much of it, of how much


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


class Learner(Protocol):
    """A task at work in one run: one step, one look, one measurement."""

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

    def kept_parameters(self, state: TrainingState) -> int:
        """How many weights those are."""
        ...


class Task(Protocol):
    """Something that can be learnt, from its data to its model file. It holds nothing of a run."""

    name: str  # as events, cards and the studio call it
    small: bool  # whether a batch fits into any memory: then none is tried for

    def check(self, config: Config) -> None:
        """Raise `ConfigError` for what can be used and no longer trained."""
        ...

    def open_data(
        self, directory: str | Path, low: Path | None, config: Config, progress: Progress | None
    ) -> Dataset:
        """The pictures of a run; `low` is the folder of what they are to be made from, where there is one."""
        ...

    def with_data(self, config: Config, dataset: Dataset) -> Config:
        """With what a new run takes from its pictures, such as the names of their themes."""
        ...

    def build(self, config: Config) -> tuple[nn.Module, Discriminator]:
        """Both networks, freshly initialised by torch's global generator of random numbers."""
        ...

    def saved_network(self, config: Config) -> nn.Module:
        """A network whose weights are those of a model folder.

        Raises `CheckpointError` for another task's, with words that go on after the model's name.
        """
        ...

    def take(
        self, average: nn.Module, weights: dict[str, Tensor], theirs: Config, ours: Config, *, saved: bool
    ) -> None:
        """Begin with the weights of another run's averaged network, or with those of a `saved` model.

        Their networks have the same form. Raises `CheckpointError`.
        """
        ...

    def start(
        self,
        config: Config,
        state: TrainingState,
        fabric: Fabric,
        dataset: Dataset,
        *,
        first: bool,
        threads: AdaptiveThreads | None = None,
    ) -> Learner:
        """What the engine is to run; before the `first` step of a run it may give the networks their start.

        `threads` also compute what the evaluations need beside the averaged network.
        """
        ...

    def follows(self, model: Path) -> tuple[str, ...]:
        """The words of the command that uses a model, for whoever has just trained it."""
        ...
