"""How many samples the header of an MP4 or MOV file claims: FFmpeg keeps 60 bytes of each, there or not."""

import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path

_FOREIGN = 2**20  # a first box that is longer and has no name: the file is of another format
_TABLES = re.compile(rb"stsz|trun|cmov")


def claimed_samples(path: Path) -> float:
    """Frames and pieces of sound that need no bytes of their own in the file; 0 where it has no such header.

    A header that is compressed (QuickTime 3) may claim anything: infinity.
    """
    if not path.stat().st_size:
        return 0
    claimed = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for start, stop in _boxes(data):
            for found in _TABLES.finditer(data, start, stop):
                if found[0] == b"cmov":
                    return float("inf")
                numbers = data[found.end() + 4 : found.end() + 12]  # after version and flags
                if len(numbers) < 8:
                    continue
                first, second = struct.unpack(">II", numbers)
                claimed += first if found[0] == b"trun" else second if first else 0
    return claimed


def _boxes(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Where each box begins and ends, but those that hold pictures and sound."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack(">Q", data[at + 8 : at + 16])
        size = size or len(data) - at
        if size < 8 or (at == 0 and size > _FOREIGN and not name.isalnum()):
            return
        if name != b"mdat":
            yield at, min(at + size, len(data))
        at += size
