"""Enlarged tiles, put together to rows of the picture."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.tasks.upscaling.inference.tiles import Span, enlarged, stretches

BAND_ROWS = 64  # what is converted at once: a whole tile's temporaries would be larger than its network's
PART_BYTES = 2 * 2**20  # of rows that are handed on at once: several such parts wait to be written
FINER = 256  # 8-bit values are added up in 16 bits, in units of 1/256


class Strip:
    """Rows of the enlarged picture that tiles are added to until they are finished."""

    def __init__(self, image: Any, scale: int) -> None:
        self.scale = scale
        self.deep = image.format == "ushort"
        self._rows = np.zeros((0, image.width * scale, image.bands), np.float32 if self.deep else np.uint16)

    @property
    def row_bytes(self) -> int:
        """Of one row."""
        return int(self._rows.itemsize * self._rows.shape[1] * self._rows.shape[2])

    def extend(self, count: int) -> None:
        """Have `count` rows; those that are new are black."""
        held = self._rows
        self._rows = np.zeros((count, *held.shape[1:]), held.dtype)
        self._rows[: len(held)] = held

    def add(self, made: NDArray[Any], row: Span, column: Span) -> None:
        """Add a tile (H, W, bands) of `as_levels`, as much of each pixel as is its own."""
        down, across = enlarged(row.weights, self.scale), enlarged(column.weights, self.scale)
        left = column.start * self.scale
        for rows, rows_whole in stretches(down):
            for columns, columns_whole in stretches(across):
                target = self._rows[rows, left + columns.start : left + columns.stop]
                if rows_whole and columns_whole:  # nobody else has a share
                    target[:] = made[rows, columns]
                    continue
                share = down[rows, None, None] * across[None, columns, None]
                # Rounded down here, rounded in `take`: it comes to the same as without FINER.
                target += (made[rows, columns] * share).astype(target.dtype, copy=False)

    def take(self, count: int) -> Iterator[NDArray[Any]]:
        """The first `count` rows, in parts, as they are written; the strip goes on below them."""
        height = max(1, PART_BYTES // max(1, self.row_bytes))
        for start in range(0, count, height):
            part = self._rows[start : min(count, start + height)]
            if self.deep:
                yield np.rint(part).clip(0, 65535).astype(np.uint16)
            else:
                yield ((part + np.uint16(FINER // 2)) // np.uint16(FINER)).astype(np.uint8)
        self._rows = self._rows[count:].copy()  # a view would keep all of it while the next is made


def as_levels(made: NDArray[np.float32], *, deep: bool) -> NDArray[Any]:
    """(bands, H, W) around [-1, 1] -> (H, W, bands): float32 to 65535 for 16 bits, or units of 1/`FINER`.

    Whoever enlarged the tile does this: half as much memory then waits to be put in its place.
    """
    half = np.float32((65535 if deep else 255 * FINER) / 2)
    bands, height, width = made.shape
    levels = np.empty((height, width, bands), np.float32 if deep else np.uint16)
    for start in range(0, height, BAND_ROWS):
        part = made[:, start : start + BAND_ROWS] * half
        part += half
        np.clip(part, 0, 2 * half, out=part)
        for band, plane in enumerate(part.astype(levels.dtype, copy=False)):
            levels[start : start + BAND_ROWS, :, band] = plane
    return levels
