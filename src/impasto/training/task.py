"""The spine: what the engine asks of whatever can be learnt. `tasks/` has a folder for each answer."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from impasto.adaptive_threads import AdaptiveThreads
from impasto.config.shared import Config
from impasto.data.batches import Batches
from impasto.data.cache import Indices
from impasto.image.codec import to_tensor
from impasto.nn.discriminator import Discriminator
from impasto.training.game import StepStats
from impasto.training.logging.events import Event
from impasto.training.state import Beginning, TrainingState

Progress = Callable[[str, int, int], None]  # what is done, how much of it, of how much


class Data(Protocol):
    """What is learnt from. `fingerprint` says whether it is still the same when a run goes on."""

    @property
    def train_indices(self) -> Indices:
        """Which of it is learnt from."""
        ...

    @property
    def holdout_indices(self) -> Indices:
        """Which of it never trains."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of the contents and of how they are read."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how it was read."""
        ...

    def batches(self, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> Batches:
        """Endless batches to learn from, or the part of them that one process gets.

        Args:
            batch_size: Pictures in a batch, over all processes.
            seed: Decides the order of the pictures and every other choice of chance.
            rank: Number of this process, from 0.
            world: Number of processes that share each batch.
        """
        ...

    def about(self) -> dict[str, Any]:
        """What a model says of it, ready for JSON."""
        ...


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

    def tensor(self, rows: NDArray[Any], device: torch.device) -> Tensor:
        """What `Batches.next` gave, as `step` sees it; of pictures see `picture_tensor`."""
        ...

    def step(self, state: TrainingState, config: Config, next_batch: Callable[[], Tensor]) -> StepStats:
        """Both networks learn from what `next_batch` gives, as `config` says."""
        ...

    def show(self, state: TrainingState, folder: Path) -> Path:
        """Write a picture of what the averaged network makes now, named by images seen."""
        ...

    def measure(self, state: TrainingState) -> Measurement:
        """Compare what it makes with what never trains."""
        ...

    def kept(self, state: TrainingState) -> nn.Module:
        """The averaged network in the form whose weights a model folder holds."""
        ...


class Task(Protocol):
    """Something that can be learnt, from its data to its model file. It holds nothing of a run."""

    name: ClassVar[str]  # as `Config.task`, events, cards and the studio call it
    tries_memory: ClassVar[bool]  # whether a batch may be too large for this machine: then it is tried first

    def open_data(
        self, directory: str | Path, pairs: str | Path | None, config: Config, progress: Progress | None
    ) -> tuple[Data, Config]:
        """What a run learns from, and the config with what it takes from there, such as names of themes.

        Args:
            directory: Folder of the pictures to learn from.
            pairs: Where an upscaler or a translator learns from pairs, the folder of what belongs to these
                pictures, or a word of the task. None: there are no pairs.
            config: Config of the run.
            progress: Is told how far the pictures have been read. None: nobody is told.

        Raises:
            ConfigError: The config is of a kind of model that can be used but is no longer trained.
            InputError: The pictures cannot be learnt from, or `pairs` do not suit the task.
        """
        ...

    def build(self, config: Config) -> tuple[nn.Module, Discriminator]:
        """Both networks, freshly initialised by torch's global generator of random numbers."""
        ...

    def saved_network(self, config: Config) -> nn.Module:
        """A network whose weights are those of a model folder.

        Raises `CheckpointError` for another task's, with words that go on after the model's name.
        """
        ...

    def take(self, state: TrainingState, begun: Beginning, config: Config) -> None:
        """Load another run's networks, or a model's, into the average and the discriminator of `state`.

        The generator gets the average's weights afterwards. Raises `CheckpointError` where they do not fit.
        """
        ...

    def start(
        self,
        config: Config,
        state: TrainingState,
        fabric: Fabric,
        data: Any,
        *,
        first: bool,
        threads: AdaptiveThreads | None = None,
    ) -> Learner:
        """The learner that the engine runs. Before the `first` step it may give the networks their start.

        Args:
            config: Config of the run.
            state: State of the run, new or resumed. It may be changed where `first` is true.
            fabric: Runs the backward passes; its device is the one that the run computes on.
            data: What `open_data` gave.
            first: Whether the run is new, so that no step has been made.
            threads: Threads that also compute what evaluations need beside the averaged network. None: those
                that the process uses for everything else.
        """
        ...

    def follows(self, model: Path) -> Sequence[str]:
        """The words of the command that uses a model, for whoever has just trained it."""
        ...


def picture_tensor(rows: NDArray[Any], device: torch.device) -> Tensor:
    """Pictures (B, H, W, C) uint8 -> (B, C, H, W) in [-1, 1], channels last."""
    return to_tensor(rows, device).contiguous(memory_format=torch.channels_last)
