"""What several processes that train one run together say to each other; alone, all of it does nothing.

Every process runs the same loop in step with the others. Pictures and random numbers of the global batch
are dealt out (data/batches.py, draws.py), gradients are averaged here, and what only one may decide, by its
clock, its signals or its measurement, the first process decides for all. Networks are not wrapped: a step
passes through D several times, and through its gradient, between two updates, which a wrapper that listens to
backward passes does not understand.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from impasto.errors import TrainingError

if TYPE_CHECKING:
    from impasto.training.blackboard import Blackboard

T = TypeVar("T")

_board: "Blackboard | None" = None  # of this process's default group, of which PyTorch has one, too


class RankLostError(TrainingError):
    """Another process of the run is gone: what was to be said to it cannot be."""

    def __init__(self) -> None:
        super().__init__(
            "another process of this training ended", "--resume goes on, with as many processes as there are"
        )


def rank() -> int:
    """Which of the processes this is, from 0."""
    return dist.get_rank() if _several() else 0


def world() -> int:
    """How many processes there are."""
    return dist.get_world_size() if _several() else 1


def is_first() -> bool:
    """Whether this process is the one that writes, measures and decides."""
    return rank() == 0


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """The mean over all processes of each gradient, in one message.

    Parameters without a gradient are left so: they are the same everywhere, since all do the same.
    """
    if not _several():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    if gradients:
        add_up(gradients)
        torch._foreach_div_(gradients, dist.get_world_size())


def add_up(tensors: Sequence[Tensor]) -> None:
    """Each tensor becomes, in place, the sum of all processes' ones."""
    if _board is not None and all(_dense(t) for t in tensors):
        with _talking():
            _board.add_up(tensors)
        return
    flat = torch.cat([t.reshape(-1) for t in tensors])
    with _talking():
        dist.all_reduce(flat)
    for tensor, part in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def gather(*logits: Tensor) -> tuple[Tensor, ...]:
    """The logits (b, ...) of every process, in the order of the batch: (b x world, ...) each.

    Losses over the result are those of the whole batch, whatever they compare. The others' logits have no
    history here. This process's own pass back `world` times the gradient, so that the mean of all processes'
    gradients is the gradient of the loss of the whole batch.
    """
    if not _several():
        return logits
    count, me = dist.get_world_size(), dist.get_rank()
    together = torch.stack([t.detach() for t in logits])
    parts = _said_by_each(together)
    result = []
    for i, own in enumerate(logits):
        rows = [part[i] for part in parts]
        rows[me] = own.detach() + count * (own - own.detach())
        result.append(torch.stack(rows, 1).flatten(0, 1))
    return tuple(result)


def mean(values: Tensor) -> Tensor:
    """The mean over all processes of values without a history."""
    if not _several():
        return values
    total = values.detach().clone()
    add_up([total])
    return total / dist.get_world_size()


def of_the_first(values: Sequence[float]) -> list[float]:
    """The first process's numbers, in every process."""
    if not _several():
        return list(values)
    sent = torch.tensor(values, dtype=torch.float64, device=_device())
    return [float(v) for v in _said_by_each(sent)[0]]


def said_by_the_first(find: Callable[[], T]) -> T:
    """What `find` returns in the first process, in every process; the others do not call it."""
    if not _several():
        return find()
    said: list[Any] = [find() if is_first() else None]
    with _talking():
        dist.broadcast_object_list(said, 0)
    result: T = said[0]
    return result


def share(tensors: Iterable[Tensor]) -> None:
    """Every process takes the first one's values over, in place."""
    if not _several():
        return
    with torch.no_grad(), _talking():
        for tensor in tensors:
            whole = tensor.contiguous()
            dist.broadcast(whole, 0)
            if whole.data_ptr() != tensor.data_ptr():
                tensor.copy_(whole)


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if _several():
        with _talking():
            dist.barrier()


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process goes through what is inside before the others: they find in a cache what it made."""
    if not is_first():
        wait_for_all()
    yield
    if is_first():
        wait_for_all()


def talk_by_memory() -> None:
    """From now on the messages of every step go through memory, where all processes are on one machine
    without GPUs. All call this together, once they have met."""
    global _board
    if _several() and _board is None and dist.get_backend() == "gloo" and sys.platform == "linux":
        from impasto.training import blackboard

        _board = blackboard.set_up()


def _said_by_each(tensor: Tensor) -> list[Tensor]:
    with _talking():
        if _board is not None:
            return _board.gather(tensor)
        parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tensor)
        return parts


def _dense(tensor: Tensor) -> bool:
    return tensor.is_contiguous() or tensor.is_contiguous(memory_format=torch.channels_last)


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _device() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


@contextmanager
def _talking() -> Iterator[None]:
    """A connection that breaks is another process's end, whatever words the library has for it."""
    try:
        yield
    except RuntimeError as error:
        raise RankLostError from error
