"""PNG by rows, uncompressed: the one format that libvips reads from a stream by rows.

PNG specification, third edition: 7.2 scanlines, 9.2 filters, 11.2.1 IHDR.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.image.png_chunks import SIGNATURE, chunk


def uncompressed(
    rows: Iterator[NDArray[Any]], width: int, height: int, bands: int, *, deep: bool
) -> Iterator[bytes]:
    """The bytes of a PNG of rows, in parts.

    Args:
        rows: The rows from the top, (n, width, bands) each, of 8 or 16 bits, `height` of them in all.
        width: Width of the picture, in px.
        height: Height of the picture, in px.
        bands: 1 for grey, 2 for grey and alpha, 3 for colour, 4 for colour and alpha.
        deep: Whether the rows have 16 bits.
    """
    colour = (0, 4, 2, 6)[bands - 1]
    header = struct.pack(">IIBBBBB", width, height, 16 if deep else 8, colour, 0, 0, 0)
    yield SIGNATURE + chunk(b"IHDR", header)
    stored = zlib.compressobj(0)
    for part in rows:
        lines = scanlines(part)
        yield chunk(b"IDAT", stored.compress(lines.data))
    yield chunk(b"IDAT", stored.flush()) + chunk(b"IEND", b"")


def scanlines(rows: NDArray[Any]) -> NDArray[np.uint8]:
    """(n, width, bands) of 8 or 16 bits -> (n, 1 + bytes): the filter's type, none, and a row."""
    ordered = rows.astype(">u2") if rows.dtype == np.uint16 else rows
    lines = np.zeros((len(rows), 1 + rows.shape[1] * rows.shape[2] * rows.itemsize), np.uint8)
    lines[:, 1:] = np.ascontiguousarray(ordered).reshape(len(rows), -1).view(np.uint8)
    return lines
