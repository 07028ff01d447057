"""Collective operations of the processes that train one run together; in a single process they do nothing.

Every process runs the same loop in step with the others. They divide the pictures and random numbers of the
global batch (data/batches.py, draws.py). Gradients are averaged here. The first process decides what depends
on a clock, a signal or a measurement. Networks are not wrapped in DistributedDataParallel: a step passes
through D several times, and through its gradient, between two updates, and that wrapper expects one backward
pass for each forward pass.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from impasto.errors import TrainingError

T = TypeVar("T")


class RankLostError(TrainingError):
    """Another process of the run is gone, or has not answered within the backend's timeout."""

    def __init__(self) -> None:
        super().__init__(
            "another process of this training ended",
            "--resume goes on from the last checkpoint, with as many processes as there are",
        )


def rank() -> int:
    """Which of the processes this is, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first_rank() -> bool:
    """Whether this process is the one that writes, measures and decides."""
    return rank() == 0


def all_reduce(tensor: Tensor) -> None:
    """The tensor becomes, in place, the sum of all processes' ones."""
    if world_size() > 1:
        with communicating():
            dist.all_reduce(tensor)


def average(tensors: Sequence[Tensor]) -> None:
    """Each tensor becomes, in place, the mean of all processes' ones; all of them in one message."""
    if world_size() == 1 or not tensors:
        return
    flat = torch.cat([t.reshape(-1) for t in tensors])
    all_reduce(flat)
    flat /= world_size()
    for tensor, part in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """The mean over all processes of each gradient.

    Parameters without a gradient are left so: they are the same everywhere, since all do the same.
    """
    average([p.grad for p in parameters if p.grad is not None])


def gather(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors (b, ...), of one shape, of all processes in the order of the batch: (b x world, ...) each.

    Losses over the result are those of the whole batch, whatever they compare. The others' tensors have no
    history here. This process's own pass back `world` times the gradient, so that the mean of all processes'
    gradients is the gradient of the loss of the whole batch. Fabric's `all_gather(sync_grads=True)` has the
    same gradient, and sends another message on the way back.
    """
    count = world_size()
    if count == 1:
        return tensors
    together = torch.stack([t.detach() for t in tensors])
    parts = [torch.empty_like(together) for _ in range(count)]
    with communicating():
        dist.all_gather(parts, together)
    result = []
    for i, own in enumerate(tensors):
        rows = [part[i] for part in parts]
        rows[rank()] = own.detach() + count * (own - own.detach())
        result.append(torch.stack(rows, 1).flatten(0, 1))
    return tuple(result)


def broadcast(value: T | None) -> T:
    """The first process's value, in every process; the others may pass None."""
    values: list[Any] = [value]
    if world_size() > 1:
        with communicating():
            dist.broadcast_object_list(values, 0)
    return cast(T, values[0])


def broadcast_tensors(tensors: Iterable[Tensor]) -> None:
    """Every process takes the first one's values over, in place."""
    if world_size() == 1:
        return
    with torch.no_grad(), communicating():
        for tensor in tensors:
            values = tensor.contiguous()
            dist.broadcast(values, 0)
            tensor.copy_(values)


@contextmanager
def first_rank_first() -> Iterator[None]:
    """The first process goes through what is inside before the others: they find in a cache what it made."""
    if not is_first_rank():
        broadcast(None)
    yield
    if is_first_rank():
        broadcast(None)


@contextmanager
def communicating() -> Iterator[None]:
    """Raise `RankLostError` for a connection that breaks: the backends have only `RuntimeError` for it."""
    try:
        yield
    except RuntimeError as error:
        raise RankLostError from error
