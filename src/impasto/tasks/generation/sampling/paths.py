"""Ways through the space of noise, walked at an even pace.

Latents at even steps are not pictures at even steps: a picture changes little for a while and then all at
once. So the way is first measured, in features of the pictures along it, and then divided by that measure.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.tasks.generation.sampling.recipe import Between, Point

ROUNDS = 2  # of measuring as many pictures as there are frames, each better placed

Look = Callable[[Sequence[Point]], Tensor]
"""Points -> (N, D): what is seen of their pictures."""


def walk(stops: Sequence[Point], frames: int, look: Look, *, loop: bool) -> list[Point]:
    """Points from the first stop to the last, or all the way round, at an even pace.

    Each stop is one of them, exactly; the others lie on arcs between neighbours. A longer leg gets more
    frames. In a loop the frame after the last would be the first.

    Args:
        stops: Where the way leads; at least two.
        frames: Points in all; at least as many as stops.
        look: Sees the pictures at points. It decides what an even pace is.
        loop: Whether the way goes back to the first stop.
    """
    ends = [*stops, stops[0]] if loop else list(stops)
    legs = [Leg(first, last, look) for first, last in itertools.pairwise(ends)]
    steps = divide(frames if loop else frames - 1, [leg.length for leg in legs])
    points: list[Point] = []
    for leg, count in zip(legs, steps, strict=True):
        points += leg.evenly(count)
    return points if loop else [*points, ends[-1]]


class Leg:
    """One arc, measured: where on it one has come how far."""

    def __init__(self, first: Point, last: Point, look: Look) -> None:
        self.first, self.last, self.look = first, last, look
        self.at = np.linspace(0, 1, 9)
        self.features = look([self.point(at) for at in self.at])

    def point(self, at: float) -> Point:
        """The point there; at the ends the ends themselves."""
        if at in (0, 1):
            return self.last if at else self.first
        return Between(first=self.first, last=self.last, at=float(at))

    @property
    def length(self) -> float:
        """How far it is, in features."""
        return float(self._come_so_far()[-1])

    def evenly(self, steps: int) -> list[Point]:
        """`steps` points at an even pace, the first of them `first`; `last` would be the next."""
        for _ in range(ROUNDS):
            self._probe(self._even(steps))
        return [self.point(at) for at in self._even(steps)]

    def _even(self, steps: int) -> NDArray[np.float64]:
        come = self._come_so_far()
        if come[-1] == 0:  # the same picture at both ends
            return np.arange(steps) / steps
        even: NDArray[np.float64] = np.interp(np.arange(steps) * (come[-1] / steps), come, self.at)
        return even

    def _probe(self, at: NDArray[np.float64]) -> None:
        new = np.setdiff1d(at, self.at)
        if not len(new):
            return
        features = torch.cat((self.features, self.look([self.point(a) for a in new])))
        both = np.concatenate((self.at, new))
        order = np.argsort(both)
        self.at, self.features = both[order], features[torch.from_numpy(order)]

    def _come_so_far(self) -> NDArray[np.float64]:
        apart = torch.linalg.vector_norm(self.features.diff(dim=0).double(), dim=1)
        return np.concatenate(([0.0], apart.cumsum(0).numpy()))


def divide(steps: int, lengths: Sequence[float]) -> list[int]:
    """`steps` shared out by length, at least one to each (largest remainders)."""
    total = sum(lengths) or 1.0
    exact = [1 + (steps - len(lengths)) * length / total for length in lengths]
    if not sum(lengths):
        exact = [steps / len(lengths)] * len(lengths)
    shares = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[: steps - sum(shares)]:
        shares[i] += 1
    return shares
