"""JPEG files by their markers: whether one is whole, and a copy of it that libjpeg checks to the end.

ITU-T T.81: B.1.1 markers, B.2.2 frame header, B.2.3 scan header, G.1 progressive scans.
"""

import struct
from collections.abc import Iterator

SIGNATURE = b"\xff\xd8\xff"
END = b"\xff\xd9"
_SCAN = 0xDA
_PROGRESSIVE = 0xC2
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # those are tables
_WORDS = frozenset((*range(0xE0, 0xF0), 0xFE))  # what is said about the picture
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD8)))


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment up to the first scan's header; it ends early where none follows.

    The start is the place of the byte 0xFF.
    """
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:  # bytes that fill, or nothing that counts
            at += 1 if marker == 0xFF else 2
            continue
        stop = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        yield marker, at, stop
        if marker == _SCAN:
            return
        at = stop


def has_end(data: bytes) -> bool:
    """Whether an end marker follows the picture's data; one in a thumbnail does not count."""
    return data.find(END, _first_scan(data)) >= 0


def completed(data: bytes) -> bytes:
    """The file with an end marker, which is added where it is missing."""
    return data if has_end(data) else data + END


def with_other_component(data: bytes) -> bytes | None:
    """A copy in which libjpeg finds all damage that it can see; None where there is no frame and no scan.

    libjpeg gives rows while it reads, and what is wrong behind the last row it never tells. A frame with a
    component that no scan has makes it read all scans to the end marker first. What is said about the
    picture is left out: a warning about that is no damage. The colours of the copy mean nothing.
    """
    parts, framed = [data[:2]], False
    for marker, start, stop in segments(data):
        if marker == _SCAN:
            return b"".join((*parts, data[start:], END)) if framed else None
        segment = data[start:stop]
        if marker in _FRAMES and len(segment) >= 13:
            known = {segment[at] for at in range(10, len(segment) - 2, 3)}
            fresh = bytes((next(i for i in range(256) if i not in known), 0x11, segment[12]))
            length = struct.pack(">H", len(segment) + 1)
            segment = segment[:2] + length + segment[4:9] + bytes((segment[9] + 1,)) + segment[10:] + fresh
            framed = True
        if marker not in _WORDS:
            parts.append(segment)
    return None


def without_padding(data: bytes) -> bytes:
    """The file without zeros before its end marker: some cameras put them there."""
    end = data.find(END, _first_scan(data))
    return data if end < 0 else data[:end].rstrip(b"\0") + data[end:]


def has_all_scans(data: bytes) -> bool:
    """Whether every coefficient of every component has its last bit; of a picture in one go it is true.

    A progressive picture that is cut between two scans is coarse and not damaged, as far as a decoder sees.
    """
    missing: dict[int, dict[int, int]] = {}
    for marker, start, _ in segments(data):
        if marker in _FRAMES and marker != _PROGRESSIVE:
            return True
        if marker == _PROGRESSIVE:
            count = data[start + 9]
            missing = {data[start + 10 + 3 * i]: dict.fromkeys(range(64), 99) for i in range(count)}
    at = _first_scan(data)
    while 0 <= at < len(data) - 8:
        count = data[at + 4]
        names = data[at + 5 : at + 5 + 2 * count : 2]
        first, last, bits = data[at + 5 + 2 * count : at + 8 + 2 * count]
        for name in names:
            missing.get(name, {}).update(dict.fromkeys(range(first, min(last, 63) + 1), bits & 15))
        at = data.find(b"\xff\xda", at + 2)
    return not any(any(bits.values()) for bits in missing.values())


def _first_scan(data: bytes) -> int:
    return next((start for marker, start, _ in segments(data) if marker == _SCAN), len(data))
