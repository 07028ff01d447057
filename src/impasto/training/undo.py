"""The state before the step that is under way, for a run of several processes that loses one in its midst."""

from collections.abc import Iterator
from copy import copy
from typing import Any

import torch
from torch import Tensor

from impasto.training.state import TrainingState

# What a step or an evaluation changes beside tensors. Lists and dictionaries in it are replaced or grow.
VALUES = (
    "images_seen",
    "steps",
    "seconds",
    "evaluations",
    "balance",
    "vitals",
    "standing",
    "repairs",
    "healthy",
    "record",
    "recent",  # its tensors are replaced by others, never written over
)


class Undo:
    """A copy in memory, taken anew before each step: some three hundredths of the step's time on a CPU."""

    def __init__(self) -> None:
        self._copies: list[Tensor] = []
        self._values: dict[str, Any] = {}

    @torch.no_grad()
    def note(self, state: TrainingState) -> None:
        """Remember the state as it is."""
        tensors = list(_tensors(state))
        if len(tensors) == len(self._copies):
            torch._foreach_copy_(self._copies, tensors)
        else:  # the first time, and once more when the optimizers have made their moments
            self._copies = [t.clone(memory_format=torch.preserve_format) for t in tensors]
        self._values = {name: copy(getattr(state, name)) for name in VALUES}
        self._batches, self._rng = state.batches.state_dict(), state.rng.get_state()

    @torch.no_grad()
    def put_back(self, state: TrainingState) -> None:
        """Make the state again what it was at the last `note`."""
        if len(list(_tensors(state))) != len(self._copies):  # in the very first step: moments were not there
            for _, optimizer in state.optimizers():
                optimizer.state.clear()
        torch._foreach_copy_(list(_tensors(state)), self._copies)
        for name, value in self._values.items():
            setattr(state, name, value)
        state.batches.load_state_dict(self._batches)
        state.rng.set_state(self._rng)


def _tensors(state: TrainingState) -> Iterator[Tensor]:
    for _, module in state.modules():
        yield from module.parameters()
        yield from module.buffers()
    for _, optimizer in state.optimizers():
        for slots in optimizer.state.values():
            yield from (t for t in slots.values() if isinstance(t, Tensor))
