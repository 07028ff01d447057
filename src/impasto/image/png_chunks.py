"""The chunks of a PNG file that libvips does not read: frames, resolution, colours, texts.

PNG specification, third edition: 5.3 chunks, 11.3 ancillary chunks.
"""

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_KEPT_OTHERWISE = (b"XML:com.adobe.xmp\0", b"Raw profile type ")  # XMP; EXIF, IPTC by ImageMagick
_MOST_TEXT_BYTES = 8 * 2**20


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where its data starts and stops, of each whole chunk."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            return
        yield data[at + 4 : at + 8], at + 8, at + 8 + length
        at += 12 + length


def chunk(kind: bytes, data: bytes) -> bytes:
    """Length, kind, data, check sum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def with_others(data: bytes, about: bytes) -> bytes | None:
    """What a PNG begins with, the chunks `about` in place of what it says of its resolution; None before the
    first chunk of pixels is whole."""  # fmt: skip
    made = SIGNATURE
    for kind, start, stop in chunks(data):
        if kind == b"IDAT":
            return made + data[start - 8 :]
        if kind != b"pHYs":
            made += data[start - 8 : stop + 4]
        if kind == b"IHDR":
            made += about
    return None


def before_pixels(data: bytes) -> dict[bytes, bytes]:
    """The chunks that stand before the first pixels, the first of each kind."""
    found: dict[bytes, bytes] = {}
    for kind, start, stop in chunks(data):
        if kind == b"IDAT":
            break
        found.setdefault(kind, data[start:stop])
    return found


def texts(data: bytes) -> bytes:
    """The text chunks as they are, one after the other, XMP apart; of more than 8 MB the first."""
    kept, size = [], 0
    for kind, start, stop in chunks(data):
        if kind in TEXTS and not data.startswith(_KEPT_OTHERWISE, start):
            size += stop - start
            if size > _MOST_TEXT_BYTES:
                break
            kept.append(data[start - 8 : stop + 4])
    return b"".join(kept)


def profile(head: dict[bytes, bytes]) -> bytes | None:
    """The colour profile in a file, whatever it is for."""
    _, _, packed = head.get(b"iCCP", b"").partition(b"\0")
    if not packed:
        return None
    try:
        return zlib.decompressobj().decompress(packed[1:], _MOST_TEXT_BYTES) or None
    except zlib.error:
        return None


def frames(head: dict[bytes, bytes]) -> int:
    """How many frames an animated PNG says it has; 1 for any other."""
    control = head.get(b"acTL", b"")
    return max(1, struct.unpack(">I", control[:4])[0]) if len(control) == 8 else 1


def resolution(head: dict[bytes, bytes]) -> tuple[float, float] | None:
    """Pixels per millimetre across and down, where that is known."""
    said = head.get(b"pHYs", b"")
    if len(said) != 9 or said[8] != 1:
        return None
    across, down = struct.unpack(">II", said[:8])
    return (across / 1000, down / 1000) if across and down else None
