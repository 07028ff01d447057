"""The palettes of a folder's pictures, found once and kept beside their pixels."""

import contextlib
import io

import numpy as np
import numpy.typing as npt

from impasto.data.cache import Bytes, Pixels
from impasto.files import write_bytes_atomically
from impasto.image.codec import to_tensor
from impasto.image.palettes import COLOURS, palettes_of

_VERSION = 1  # of what a palette is: a change of palettes.py that changes palettes changes this
_AT_A_TIME = 128

Floats = npt.NDArray[np.float32]


def open_palettes(pixels: Pixels, background: str) -> Floats:
    """(N, K, 4) float32 OKLab and share, read-only, of the middle window of each picture.

    Found now or, where that was done before, mapped. A cache that cannot be written is none.
    """
    name = f"palettes-{_VERSION}-{COLOURS}-{background.removeprefix('#').lower()}-{pixels.size}.npy"
    path = None if pixels.folder is None else pixels.folder / name
    shape = (len(pixels), COLOURS, 4)
    if path is not None:
        with contextlib.suppress(OSError, ValueError, EOFError):
            found: Floats = np.load(path, mmap_mode="r")
            if found.shape == shape and found.dtype == np.float32:
                return found
    found = np.empty(shape, np.float32)
    for start in range(0, len(pixels), _AT_A_TIME):
        indices = np.arange(start, min(start + _AT_A_TIME, len(pixels)))
        found[indices] = palettes_of_pixels(pixels.take(indices), background)
    if path is not None:
        buffer = io.BytesIO()
        np.save(buffer, found)
        with contextlib.suppress(OSError):
            write_bytes_atomically(path, buffer.getvalue(), durable=False)
    found.setflags(write=False)
    return found


def palettes_of_pixels(pixels: Bytes, background: str) -> Floats:
    """(B, H, W, C) uint8 -> (B, K, 4) float32; see `palettes.palettes_of`."""
    palettes: Floats = palettes_of(to_tensor(pixels), COLOURS, background).numpy()
    return palettes
