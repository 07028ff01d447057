"""Pictures as the bytes of files."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def tiff(pixels: np.ndarray) -> bytes:
    """A TIFF of any numbers, written out by hand (TIFF 6.0; sections 2 and 19)."""
    height, width, bands = pixels.shape
    kind = {"u": 1, "i": 2, "f": 3, "c": 6}[pixels.dtype.kind]
    body = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, pixels.dtype.itemsize * 8), (259, 3, 1, 1),
        (262, 3, 1, 1 if bands == 1 else 2), (273, 4, 1, 8), (277, 3, 1, bands), (278, 4, 1, height),
        (279, 4, 1, len(body)), (339, 3, 1, kind),
    ]  # fmt: skip
    if bands == 3:  # three numbers do not fit into an entry
        extra = 8 + len(body) + len(body) % 2
        bits = struct.pack("<3H", *[pixels.dtype.itemsize * 8] * 3)
        kinds = struct.pack("<3H", *[kind] * 3)
        entries[2], entries[-1] = (258, 3, 3, extra), (339, 3, 3, extra + 6)
        body += bytes(len(body) % 2) + bits + kinds
    start = 8 + len(body)
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = struct.pack("<2sHI", b"II", 42, start)
    return head + body + struct.pack("<H", len(entries)) + table + bytes(4)


def with_chunks(png: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    made = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return png[:33] + made + png[33:]


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (20, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path
