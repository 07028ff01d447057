"""PNG by rows: uncompressed for libvips to read from a stream, compressed by several threads for a file.

PNG specification, third edition: 5.3 chunks, 7.2 scanlines, 9.2 filters, 10.1 compression, 11.2.1 IHDR.
"""

import struct
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.png_chunks import SIGNATURE, chunks

LEVEL = 2  # a few hundredths more bytes than libvips's 3, and less time than zlib's 3
ABOVE = 2  # the filter: what each byte is more than the one above it
PART_BYTES = 2**20  # of rows that one thread compresses by itself
_ZLIB_HEADER = b"\x78\x01"
_ZLIB_END = b"\x03\x00"  # an empty last block
_ADLER = 65521
_OF_LIKE = (b"pHYs", b"eXIf")  # what holds for a picture of one pixel alone


def uncompressed(
    rows: Iterator[NDArray[Any]], width: int, height: int, bands: int, *, deep: bool
) -> Iterator[bytes]:
    """The bytes of an uncompressed PNG of `rows`: the one format that libvips reads from a stream by rows."""
    colour = (0, 4, 2, 6)[bands - 1]
    header = struct.pack(">IIBBBBB", width, height, 16 if deep else 8, colour, 0, 0, 0)
    yield SIGNATURE + chunk(b"IHDR", header)
    stored = zlib.compressobj(0)
    for part in rows:
        lines = scanlines(part)
        yield chunk(b"IDAT", stored.compress(lines.data))
    yield chunk(b"IDAT", stored.flush()) + chunk(b"IEND", b"")


def compressed(
    rows: Iterator[NDArray[Any]], size: tuple[int, int], like: bytes, threads: int, about: bytes = b""
) -> Iterator[bytes]:
    """The bytes of a PNG of `rows`, (n, width, bands) each, of `size` (width, height).

    `like` is a PNG of the same bands and bits: its profile and the like are taken over, what it says of its
    resolution and its EXIF is not. `about` are chunks that go beside them. Parts are compressed by
    themselves, `threads` at a time, while more rows are made; zlib reads them as one.
    """
    before, after = _around_pixels(like)
    yield _resized_header(before, size) + about
    yield chunk(b"IDAT", _ZLIB_HEADER)
    check = zlib.adler32(b"")
    with ThreadPoolExecutor(threads) as pool:
        begun: deque[Future[tuple[bytes, int, int]]] = deque()
        for lines in chain(_parts(rows), [None] * (2 * threads)):  # at last, those that are still in work
            if lines is not None:
                begun.append(pool.submit(_deflated, lines))
            if begun and (lines is None or len(begun) > 2 * threads):
                data, part, length = begun.popleft().result()
                check = joined_adler(check, part, length)
                yield chunk(b"IDAT", data)
    yield chunk(b"IDAT", _ZLIB_END + struct.pack(">I", check)) + after


def _parts(rows: Iterator[NDArray[Any]]) -> Iterator[NDArray[np.uint8]]:
    """Filtered scanlines, as many at a time as `PART_BYTES` are, of whatever parts the rows come in."""
    last: NDArray[np.uint8] | None = None
    for part in rows:
        lines = scanlines(part)
        count = max(1, PART_BYTES // lines.shape[1])
        for start in range(0, len(lines), count):
            plain = lines[start : start + count]
            above = np.zeros_like(plain)
            above[1:] = plain[:-1]
            if last is not None:
                above[0] = last
            filtered = plain - above
            filtered[:, 0] = ABOVE
            yield filtered
            last = plain[-1]


def scanlines(rows: NDArray[Any]) -> NDArray[np.uint8]:
    """(n, width, bands) of 8 or 16 bits -> (n, 1 + bytes): the filter's type, none, and a row."""
    ordered = rows.astype(">u2") if rows.dtype == np.uint16 else rows
    lines = np.zeros((len(rows), 1 + rows.shape[1] * rows.shape[2] * rows.itemsize), np.uint8)
    lines[:, 1:] = np.ascontiguousarray(ordered).reshape(len(rows), -1).view(np.uint8)
    return lines


def _deflated(lines: NDArray[np.uint8]) -> tuple[bytes, int, int]:
    """Compressed, on a byte's border and not the last of its stream; the check sum and how much it was."""
    raw = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = raw.compress(lines.data) + raw.flush(zlib.Z_SYNC_FLUSH)
    return data, zlib.adler32(lines.data), lines.nbytes


def joined_adler(first: int, second: int, length: int) -> int:
    """Adler-32 of two stretches of bytes one after the other, the second `length` long.

    Both sums begin at (1, 0) (RFC 1950, section 8.2), so the first's count anew for each byte that follows.
    """
    a, b = first & 0xFFFF, second & 0xFFFF
    low = (a + b - 1) % _ADLER
    high = ((first >> 16) + (second >> 16) + length * (a - 1)) % _ADLER
    return high << 16 | low


def chunk(kind: bytes, data: bytes) -> bytes:
    """Length, kind, data, check sum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _around_pixels(png: bytes) -> tuple[bytes, bytes]:
    """What a PNG has before its pixels and after them, `_OF_LIKE` apart."""
    before, after, seen = [SIGNATURE], list[bytes](), False
    for kind, start, stop in chunks(png):
        seen = seen or kind == b"IDAT"
        if kind != b"IDAT" and kind not in _OF_LIKE:
            (after if seen else before).append(png[start - 8 : stop + 4])
    return b"".join(before), b"".join(after)


def _resized_header(before: bytes, size: tuple[int, int]) -> bytes:
    at = len(SIGNATURE) + 8  # signature, length, kind
    header = struct.pack(">II", *size) + before[at + 8 : at + 13]
    return SIGNATURE + chunk(b"IHDR", header) + before[at + 17 :]
