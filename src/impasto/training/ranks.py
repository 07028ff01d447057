"""What several processes that train one run together say to each other; alone, all of it does nothing.

Every process runs the same loop in step with the others. Pictures and random numbers of the global batch
are dealt out (data/batches.py, draws.py), gradients are averaged here, and what only one may decide, by its
clock, its signals or its measurement, the first process decides for all. Networks are not wrapped: a step
passes through D several times, and through its gradient, between two updates, which a wrapper that listens to
backward passes does not understand.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from impasto.errors import TrainingError

T = TypeVar("T")


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
    if not gradients:
        return
    flat = torch.cat([g.reshape(-1) for g in gradients])
    with _talking():
        dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


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
    parts = [torch.empty_like(together) for _ in range(count)]
    with _talking():
        dist.all_gather(parts, together)
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
    with _talking():
        dist.all_reduce(total)
    return total / dist.get_world_size()


def most(value: float) -> float:
    """The largest of the processes' values."""
    if not _several():
        return value
    found = torch.tensor(value, dtype=torch.float64, device=_device())
    with _talking():
        dist.all_reduce(found, dist.ReduceOp.MAX)
    return float(found)


def of_the_first(values: Sequence[float]) -> list[float]:
    """The first process's numbers, in every process."""
    if not _several():
        return list(values)
    sent = torch.tensor(values, dtype=torch.float64, device=_device())
    with _talking():
        dist.broadcast(sent, 0)
    return [float(v) for v in sent]


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


class Sum(torch.autograd.Function):
    """The sum over all processes of a tensor that each has; differentiable as often as one likes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Any shape, the same everywhere."""
        total = x.detach().clone()
        with _talking():
            dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Each process's value is part of every process's sum."""
        result: Tensor = Sum.apply(gradient.contiguous())
        return result


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation by the statistics of the whole batch, of which this process has a part.

    PyTorch's own is for GPUs alone and cannot be differentiated twice, which a gradient penalty on a
    network with batch norm does.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(b, C, H, W) -> (b, C, H, W). Every process must come here with as many pictures."""
        if not self.training:
            return super().forward(x)
        wide = x.float()
        variance, average = torch.var_mean(wide, (0, 2, 3), correction=0)
        # The means and the mean squares of equal parts average to those of the whole. In float64, or the
        # difference of two large numbers would be noise.
        moments = torch.stack((average, variance + average.square())).double()
        average, square = (Sum.apply(moments) / world()).unbind()
        variance = (square - average.square()).clamp_min(0)
        self._remember(average, variance, world() * x.numel() // x.shape[1])
        scale = (variance + self.eps).rsqrt().float() * self.weight
        shift = self.bias - average.float() * scale
        result: Tensor = (wide * scale[:, None, None] + shift[:, None, None]).to(x.dtype)
        return result

    @torch.no_grad()
    def _remember(self, average: Tensor, variance: Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(average.to(self.running_mean), momentum)
        self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var), momentum)


def synchronise(network: nn.Module) -> None:
    """Let each batch norm of a network that trains see the whole batch, where there are several processes."""
    if not _several():
        return
    for module in network.modules():
        if type(module) is nn.BatchNorm2d and module.affine:
            module.__class__ = SharedBatchNorm2d


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process goes through what is inside before the others: they find in a cache what it made."""
    if not is_first():
        wait_for_all()
    yield
    if is_first():
        wait_for_all()


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
