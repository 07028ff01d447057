"""Netpbm pictures (PBM, PGM, PPM, PFM), read by hand: all 16 bits of colour, and plain text in no time.

https://netpbm.sourceforge.net/doc/, the pages pbm, pgm, ppm and pfm.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError

_SPACE = rb"(?:\s|#[^\n\r]*[\n\r])"
_HEADER = re.compile(
    rb"P([1-6fF])" + _SPACE + rb"+(\d{1,9})" + _SPACE + rb"+(\d{1,9})"
    rb"(?:" + _SPACE + rb"+([-+]?\d{1,20}(?:\.\d{0,20})?(?:[eE][-+]?\d{1,3})?))?"
)  # fmt: skip
_COMMENT = re.compile(rb"#[^\n\r]*")
_HEADER_BYTES = 4096  # with its comments


@dataclass(frozen=True)
class PnmHeader:
    """What stands before the pixels.

    Args:
        kind: The format, which is the sign after the "P": "1" to "6", "f" or "F".
        width: In pixels.
        height: In pixels.
        most: The value of white; 1 for bits and floats.
        little: Whether floats are little-endian.
        start: The offset in bytes at which the pixels begin.
    """

    kind: str
    width: int
    height: int
    most: int
    little: bool
    start: int

    @property
    def bands(self) -> int:
        """1 or 3."""
        return 3 if self.kind in "36F" else 1


def read_header(data: bytes) -> PnmHeader | None:
    """The header, or None for what is no such picture. Raises `ImageError` for one that cannot be."""
    head = data[:_HEADER_BYTES]
    kind = head[1:2].decode("latin-1")
    if head[:1] != b"P" or kind not in tuple("123456fF"):
        return None
    found = _HEADER.match(head)
    if found is None:
        return None
    width, height = int(found[2]), int(found[3])
    if kind in "14":  # bits: no number says what is black
        return PnmHeader(kind, width, height, 1, False, found.end(3) + 1)
    if found[4] is None:
        raise ImageError("is truncated")
    if kind in "fF":
        return PnmHeader(kind, width, height, 1, float(found[4]) < 0, found.end() + 1)
    most = int(float(found[4]))
    if not 0 < most < 65536:
        raise ImageError(f"cannot be decoded: its white is {most}, from 1 to 65535 is possible")
    return PnmHeader(kind, width, height, most, False, found.end() + 1)


def decode(data: bytes, header: PnmHeader) -> NDArray[Any]:
    """(H, W, 1 or 3) uint8, uint16 or float32; white is 255, 65535 or 1. Raises `ImageError`."""
    shape = header.height, header.width, header.bands
    if header.kind in "fF":
        order = "<" if header.little else ">"
        floats = _raw(data, header, np.dtype(f"{order}f4"))
        return np.ascontiguousarray(floats.reshape(shape)[::-1], np.float32)  # from the bottom up
    if header.kind == "4":
        packed = _raw(data, header, np.dtype(np.uint8), (header.width + 7) // 8 * header.height)
        bits = np.unpackbits(packed.reshape(header.height, -1), axis=1)[:, : header.width]
        white: NDArray[np.uint8] = ((1 - bits) * np.uint8(255)).reshape(shape)
        return white
    if header.kind in "123":
        values = _plain(data, header)
    else:
        values = _raw(data, header, np.dtype(">u2" if header.most > 255 else np.uint8))
    return _scaled(values, header).reshape(shape)


def _scaled(values: NDArray[Any], header: PnmHeader) -> NDArray[Any]:
    if header.kind == "1":
        return np.where(values > 0, np.uint8(0), np.uint8(255))
    kind, white = (np.uint16, 65535) if header.most > 255 else (np.uint8, 255)
    if header.most == white:
        return values.astype(kind)
    scaled: NDArray[Any] = np.rint(np.minimum(values, header.most) * (white / header.most)).astype(kind)
    return scaled


def _raw(data: bytes, header: PnmHeader, kind: np.dtype[Any], count: int | None = None) -> NDArray[Any]:
    count = header.width * header.height * header.bands if count is None else count
    if len(data) - header.start < count * kind.itemsize:
        raise ImageError("is truncated")
    return np.frombuffer(data, kind, count, header.start)


def _plain(data: bytes, header: PnmHeader) -> NDArray[Any]:
    """The numbers of a picture in text; each takes a digit and a space at least, bits no space."""
    count = header.width * header.height * header.bands
    if len(data) - header.start < (count if header.kind == "1" else 2 * count - 1):
        raise ImageError("is truncated")
    text = data[header.start :]
    text = _COMMENT.sub(b" ", text) if b"#" in text else text
    if header.kind == "1":
        bits = np.frombuffer(text, np.uint8)
        values = bits[(bits == 0x30) | (bits == 0x31)] - 0x30
    else:
        if text.translate(None, b"0123456789 \t\r\n\v\f"):
            raise ImageError("cannot be decoded: a number was expected")
        values = np.fromstring(text.decode("ascii"), np.int64, sep=" ")
    if len(values) < count:
        raise ImageError("is truncated")
    first: NDArray[Any] = values[:count]
    return first
