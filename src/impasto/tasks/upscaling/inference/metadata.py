"""What a picture carries beside its pixels, as it must be written beside larger ones.

EXIF 3.0, 4.6.4 and 4.6.5 tags; JFIF 1.02; TIFF 6.0, section 8; XMP specification, part 2.
"""

import io
import re
import struct
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from impasto.image.files import EXIF_IFD, USER_COMMENT, comment_of
from impasto.image.png_chunks import chunk

Resolution = tuple[float, float]
"""Pixels per millimetre, across and down."""

_ORIENTATION, _ACROSS, _DOWN, _UNIT = 0x0112, 0x011A, 0x011B, 0x0128
_SIZES, _EXIF_SIZES = (0x0100, 0x0101), (0xA002, 0xA003)
_PREFIX = b"Exif\0\0"
_MOST_SEGMENT = 65_533
_MOST_COMMENT = 60_000
_XMP_SIZES = (
    (b"ImageWidth", b"ImageLength"),
    (b"PixelXDimension", b"PixelYDimension"),
)
_GAIN_MAP = re.compile(
    rb"""<(\w+:)?Directory>.*?</\1Directory>|\s(?:hdrgm|GCamera):\w+\s*=\s*("[^"]*"|'[^']*')""", re.DOTALL
)


def exif_for(
    exif: bytes, size: tuple[int, int], resolution: Resolution | None, texts: Mapping[str, str]
) -> bytes | None:
    """EXIF for an upright picture of another size; empty where there is nothing to say.

    Sizes are corrected where they were given. The resolution is added where it was not.

    Args:
        exif: The EXIF that the picture had; may be empty.
        size: Width and height of the new picture, in px.
        resolution: Pixels per millimetre, across and down. None: it is not known.
        texts: Texts that become a comment, as `image.files` writes it, where there is none.

    Returns:
        The EXIF, or None where it cannot be read.
    """
    known = Image.Exif()
    try:
        if exif:
            known.load(exif)
        inner = dict(known.get_ifd(EXIF_IFD))
        if _ORIENTATION in known:
            known[_ORIENTATION] = 1
        for tags, where in ((_SIZES, known), (_EXIF_SIZES, inner)):
            for tag, length in zip(tags, size, strict=True):
                if tag in where:
                    where[tag] = length
        if resolution and _ACROSS not in known:
            known[_ACROSS], known[_DOWN] = (round(25.4 * value, 3) for value in resolution)
            known[_UNIT] = 2
        if texts and USER_COMMENT not in inner:
            comment = comment_of(texts)
            if len(comment) <= _MOST_COMMENT:
                inner[USER_COMMENT] = comment
        if inner:
            known[EXIF_IFD] = inner
        return known.tobytes() if len(known) else b""
    except Exception:  # Pillow raises nearly every kind there is
        return None


def xmp_for(xmp: bytes, size: tuple[int, int], *, turned: bool) -> bytes:
    """XMP for a picture of `size`: no orientation that was obeyed, no gain map that is not there any more."""
    if turned:
        xmp = _with_value(xmp, b"Orientation", b"1")
    for names in _XMP_SIZES:
        for name, length in zip(names, size, strict=True):
            xmp = _with_value(xmp, name, b"%d" % length)
    return _GAIN_MAP.sub(b"", xmp) if b"hdrgm:" in xmp or b"GCamera:" in xmp else xmp


def _with_value(xmp: bytes, name: bytes, value: bytes) -> bytes:
    """A property of TIFF's or EXIF's, written as an attribute or as an element, with another value."""
    xmp = re.sub(rb"""(\b(?:tiff|exif):%s\s*=\s*["'])\d+""" % name, rb"\g<1>" + value, xmp)
    return re.sub(rb"(<(?:tiff|exif):%s>\s*)\d+" % name, rb"\g<1>" + value, xmp)


def jpeg_start(exif: bytes, resolution: Resolution | None) -> bytes:
    """What a JPEG file begins with: its first marker, JFIF with the resolution, EXIF if that fits."""
    unit, across, down = 0, 1, 1  # unknown: only that pixels are square
    if resolution:
        per_inch = [round(25.4 * value) for value in resolution]
        if all(0 < value < 65536 for value in per_inch):
            unit, (across, down) = 1, per_inch
    start = b"\xff\xd8\xff\xe0" + struct.pack(">H5sHBHHBB", 16, b"JFIF\0", 0x0102, unit, across, down, 0, 0)
    body = exif if exif.startswith(_PREFIX) else _PREFIX + exif
    if exif and len(body) <= _MOST_SEGMENT:
        start += b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    return start


def png_start(exif: bytes, resolution: Resolution | None) -> bytes:
    """The chunks that say the same in a PNG, one after the other."""
    made = b""
    if resolution:
        per_metre = [round(1000 * value) for value in resolution]
        if all(0 < value < 2**31 for value in per_metre):
            made += chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1))
    return made + chunk(b"eXIf", exif.removeprefix(_PREFIX)) if exif else made


def forget_tiff_resolution(path: Path) -> None:
    """Have a TIFF say that its resolution has no unit: libvips always writes one."""
    with path.open("r+b") as file:
        start = file.read(16)
        order = "<" if start[:2] == b"II" else ">"
        big = struct.unpack(f"{order}H", start[2:4])[0] == 43
        at = struct.unpack(f"{order}Q", start[8:16])[0] if big else struct.unpack(f"{order}I", start[4:8])[0]
        file.seek(at)
        count, entry = (struct.unpack(f"{order}Q", file.read(8))[0], 20) if big else (
            struct.unpack(f"{order}H", file.read(2))[0], 12)  # fmt: skip
        first = at + (8 if big else 2)
        entries = io.BytesIO(file.read(count * entry)).getvalue()
        for number in range(count):
            if struct.unpack_from(f"{order}H", entries, number * entry)[0] == _UNIT:
                file.seek(first + number * entry + (12 if big else 8))
                file.write(struct.pack(f"{order}H", 1))
