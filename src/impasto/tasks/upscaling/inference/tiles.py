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
FEATHER = 8  # px of the input over which one tile fades into the next


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


def plan(height: int, width: int, tile: tuple[int, int], reach: int, feather: int = FEATHER) -> Plan:
    """The plan of the tiles of a picture.

    Of each tile `reach` px are dropped at every edge that is not the picture's, and the next `feather` px
    fade into the neighbour.

    Args:
        height: Height of the picture, in px.
        width: Width of the picture, in px.
        tile: Height and width of a tile at most, in px.
        reach: How far a network looks, in px of its input; at least one is dropped.
        feather: Over how many px one tile fades into the next.

    Raises:
        InputError: The picture has no pixels, or a tile would have nothing left.
    """
    if min(height, width) < 1:
        raise InputError(f"a picture of {width} x {height} px has nothing to enlarge")
    least = smallest_tile(reach, feather)
    if min(tile) < least:
        raise InputError(f"tiles of {min(tile)} px are too small for this model", f"--tile {least} or more")
    down, across = (
        tuple(_spans(length, side, shared(reach, feather), feather))
        for length, side in zip((height, width), tile, strict=True)
    )
    return Plan(down, across)


def smallest_tile(reach: int, feather: int = FEATHER) -> int:
    """The least side of a `tile` of `plan`."""
    return shared(reach, feather) + 2 * feather + 2  # or one fading would run into the next


def shared(reach: int, feather: int = FEATHER) -> int:
    """How many pixels two neighbours both see: what each drops, and the fading."""
    # At least one is dropped: `enlarged` interpolates over half a pixel beyond the fading.
    return 2 * max(1, reach) + feather


def good_tile(height: int, width: int, reach: int, *, pixels: int, rows: int) -> tuple[int, int]:
    """The tile with which the fewest pixels are computed, overlaps counted: its height and width.

    Each side is `smallest_tile` at least, whatever the limits.

    Args:
        height: Height of the picture, in px.
        width: Width of the picture, in px.
        reach: How far a network looks, in px of its input.
        pixels: Most pixels of a tile.
        rows: Most rows of a tile.
    """
    overlap, least = shared(reach), smallest_tile(reach)

    def sides(length: int) -> Iterator[tuple[int, int]]:
        """How many tiles there would be along an axis, and their side: for 1 tile, for 2, and so on."""
        count = 1
        while True:
            side = -(-(length + (count - 1) * overlap) // count)
            if count > 1 and side < least:
                return
            yield count, side
            count += 1

    fitting = [
        (down * tall * across * wide, tall * wide, tall, wide)
        for down, tall in sides(height)
        for across, wide in sides(width)
        if tall <= rows and tall * wide <= pixels
    ]
    if not fitting:
        return least, least
    _, _, tall, wide = min(fitting)
    return max(tall, least), max(wide, least)


def _spans(length: int, tile: int, overlap: int, feather: int) -> Iterator[Span]:
    if length <= tile:
        yield Span(0, length, np.ones(length, np.float32))
        return
    count = math.ceil((length - tile) / (tile - overlap)) + 1
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


def stretches(weights: Weights) -> Iterator[tuple[slice, bool]]:
    """Where `weights` are above 0, in stretches, and whether all of a stretch are 1."""
    whole = weights == 1
    changes = np.flatnonzero(np.diff(whole) | np.diff(weights > 0)) + 1
    for start, stop in pairwise([0, *changes.tolist(), len(weights)]):
        if weights[start] > 0:
            yield slice(start, stop), bool(whole[start])
