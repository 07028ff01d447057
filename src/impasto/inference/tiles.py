"""How a picture is cut into tiles and put together again: a pure plan, and the blending.

All tiles of a plan have one size, because engines prepare themselves for a size. Neighbours overlap, and in
the overlap one fades into the other, after its outermost part was dropped: there a tile cannot see what lies
beyond its edge.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from impasto.errors import InputError

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Span:
    """A stretch of one axis, in pixels of the input: what a tile sees, and how much of each pixel is its own.

    `weights` (stop - start,) are 0 where nothing of the tile is used; over all spans of an axis they add up
    to 1 at each pixel.
    """

    start: int
    stop: int
    weights: Weights


@dataclass(frozen=True)
class Plan:
    """The tiles of a picture: every span of rows with every span of columns."""

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    def tiles(self) -> Iterator[tuple[Span, Span]]:
        """Row by row, from left to right."""
        for row in self.rows:
            for column in self.columns:
                yield row, column


def plan(height: int, width: int, tile: int, reach: int, feather: int = 8) -> Plan:
    """Tiles of at most `tile` px for a picture of (height, width).

    Of each tile `reach` px are dropped at every edge that is not the picture's, and the next `feather` px
    fade into the neighbour. Raises `InputError` for a tile that would have nothing left.
    """
    if min(height, width) < 1:
        raise InputError(f"a picture of {width} x {height} px has nothing to enlarge")
    if tile < smallest_tile(reach, feather):
        least = smallest_tile(reach, feather)
        raise InputError(f"tiles of {tile} px are too small for this model", f"--tile {least} or more")
    # At least one is dropped: `enlarged` interpolates over half a pixel beyond the fading.
    return Plan(*(tuple(_spans(length, tile, max(1, reach), feather)) for length in (height, width)))


def smallest_tile(reach: int, feather: int = 8) -> int:
    """The least `tile` of `plan`."""
    return 2 * max(1, reach) + 3 * feather + 2  # or one fading would run into the next


def _spans(length: int, tile: int, reach: int, feather: int) -> Iterator[Span]:
    if length <= tile:
        yield Span(0, length, np.ones(length, np.float32))
        return
    step = tile - 2 * reach - feather  # neighbours share the dropped parts and the fading
    count = math.ceil((length - tile) / step) + 1
    # Evenly, so that the last tile is not nearly all overlap.
    starts = [round(i * (length - tile) / (count - 1)) for i in range(count)]
    # Where each fades into the next: `feather` px in the middle of what both see.
    fades = [(b + a + tile - feather) // 2 for a, b in pairwise(starts)]
    ramp = (np.arange(feather, dtype=np.float32) + 0.5) / feather if feather else np.zeros(0, np.float32)
    for i, start in enumerate(starts):
        weights = np.ones(tile, np.float32)
        if i > 0:
            fade = fades[i - 1] - start
            weights[:fade] = 0
            weights[fade : fade + feather] = ramp
        if i < count - 1:
            fade = fades[i] - start
            weights[fade : fade + feather] *= 1 - ramp
            weights[fade + feather :] = 0
        yield Span(start, start + tile, weights)


def enlarged(weights: Weights, scale: int) -> Weights:
    """Weights for pixels of the output: each input pixel's, interpolated between its `scale` new ones.

    Interpolated, not repeated: a staircase would leave one of its own in the picture. What adds up to 1
    still does.
    """
    centres = (np.arange(len(weights) * scale) + 0.5) / scale - 0.5
    return np.interp(centres, np.arange(len(weights)), weights).astype(np.float32)
