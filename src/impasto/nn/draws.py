"""Random numbers for a batch that several processes share.

Each process draws those of the whole batch from the same seed and keeps every `world`-th from its rank on. So
N processes learn from exactly the numbers that one process would have drawn. Generators with a seed for each
rank would be other numbers, and a run could not go on with another number of processes by the same curve.
"""

import torch
from torch import Tensor


class Shared(torch.Generator):
    """A generator of numbers for a batch of which this process has a part. Alone, it is any generator."""

    rank: int = 0
    world: int = 1


def shared(seed: int, rank: int = 0, world: int = 1) -> Shared:
    """A generator on the CPU. Raises `ValueError` unless 0 <= rank < world."""
    if not 0 <= rank < world:
        raise ValueError(f"there is no rank {rank} among {world}")
    rng = Shared()
    rng.rank, rng.world = rank, world
    rng.manual_seed(seed)
    return rng


def whole(count: int, rng: torch.Generator) -> int:
    """How many the batch has of which this process has `count`."""
    return count * rng.world if isinstance(rng, Shared) else count


def mine(numbers: Tensor, rng: torch.Generator, dim: int = 0) -> Tensor:
    """This process's part of what was drawn for the whole batch along `dim`."""
    if not isinstance(rng, Shared):
        return numbers
    return numbers[(slice(None),) * dim + (slice(rng.rank, None, rng.world),)]


def rand(count: int, *shape: int, rng: torch.Generator) -> Tensor:
    """(count, *shape) from U(0, 1)."""
    return mine(torch.rand(whole(count, rng), *shape, generator=rng), rng)


def randn(count: int, *shape: int, rng: torch.Generator) -> Tensor:
    """(count, *shape) from N(0, 1)."""
    return mine(torch.randn(whole(count, rng), *shape, generator=rng), rng)


def randint(low: int, high: int, count: int, *shape: int, rng: torch.Generator) -> Tensor:
    """(count, *shape) whole numbers, each from low to high - 1 with the same probability.

    Args:
        low: The least.
        high: One more than the greatest.
        count: Pictures in this process's part of the batch.
        *shape: The shape of what is drawn for each picture.
        rng: Draws the numbers of the whole batch; of these, the part of this process is returned.
    """
    return mine(torch.randint(low, high, (whole(count, rng), *shape), generator=rng), rng)
