"""The clock of a run: how long it has trained, when it is saved, and whether it was interrupted."""

import time
from dataclasses import dataclass, field

from impasto.training.distributed import ranks
from impasto.training.signals import Interruption
from impasto.training.state import TrainingState

FIRST_CHECKPOINT_SECONDS = 5.0  # whatever happens early, little is lost


@dataclass
class Clock:
    """Counts `state.seconds`. The first process decides for all: by clocks of their own they would part."""

    state: TrainingState
    interrupted: Interruption
    save_every_seconds: float
    now: float = field(default=0.0, init=False)  # of `time.monotonic`, in this process
    saves: bool = field(default=False, init=False)  # whether a checkpoint is due
    ends: bool = field(default=False, init=False)  # whether the run was interrupted

    def start(self) -> None:
        """The first step is about to begin."""
        self.now = time.monotonic()
        self._save_at = self.now + min(FIRST_CHECKPOINT_SECONDS, self.save_every_seconds)
        self.ends = ranks.broadcast(self.interrupted.is_set())

    def tick(self) -> None:
        """A step is over, with all that followed it. All processes call this together."""
        before, self.now = self.now, time.monotonic()
        decided = self.now - before, self.now >= self._save_at, self.interrupted.is_set()
        passed, self.saves, self.ends = ranks.broadcast(decided)
        self.state.seconds += passed
        if self.saves:
            self._save_at = self.now + self.save_every_seconds
