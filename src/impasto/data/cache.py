"""Pictures decoded once, at training size, into a file that every later start maps into memory.

The name of a cache is a hash of what went in, so that it can be neither stale nor somebody else's. It is
written beside its place and moved there whole.
"""

import functools
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from impasto.config.shared import DataConfig, ImageConfig
from impasto.data.scan import Picture, Progress, Scan, content_hash, in_threads
from impasto.errors import DataError, ImageError
from impasto.files import cache_folder, sweep, temporary_folder
from impasto.image import codec

_VERSION = 2  # raised whenever the same file becomes other pixels
_HEADROOM_BYTES = 64 * 2**20

Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Offsets = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pixels:
    """Decoded pictures in order; each has windows of one shape, movable if `shapes` is given.

    Args:
        array: The pictures: (N, H, W, C) uint8, or flat where `shapes` is given.
        size: The height H of a window in pixels.
        channels: C: 1, 3 or 4.
        shapes: Height and width of each picture, (N, 2). None means that all are as large as a window.
        starts: Where each picture begins in the flat `array`, (N,). None where `shapes` is.
        folder: Where they are kept, and what else is made from them. None means in memory alone.
        width: The width W of a window in pixels. None: windows are squares.
    """

    array: Bytes
    size: int
    channels: int
    shapes: Indices | None = None
    starts: Indices | None = None
    folder: Path | None = None
    width: int | None = None

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of a window in pixels."""
        return self.size, self.width or self.size

    def __len__(self) -> int:
        return len(self.array) if self.shapes is None else len(self.shapes)

    def take(self, indices: Indices, offsets: Offsets | None = None) -> Bytes:
        """Windows of some pictures: (n, H, W, C) uint8, a copy.

        `offsets` (n, 2) in [0, 1) say how far down and across each picture its window lies; without them,
        in the middle. Where pictures are no larger than a window there is nothing to choose.
        """
        if self.shapes is None or self.starts is None:
            return np.asarray(self.array[indices])
        height, width = self.window
        result = np.empty((len(indices), height, width, self.channels), np.uint8)
        for row, index in enumerate(indices):
            picture = self.whole(int(index))
            slack = np.array(picture.shape[:2]) - self.window
            top, left = slack // 2 if offsets is None else (offsets[row] * (slack + 1)).astype(np.int64)
            result[row] = picture[top : top + height, left : left + width]
        return result

    def whole(self, index: int) -> Bytes:
        """All that was decoded of one picture: (H, W, C) uint8, a view."""
        if self.shapes is None or self.starts is None:
            return np.asarray(self.array[index])
        height, width = (int(side) for side in self.shapes[index])
        start = int(self.starts[index])
        flat = self.array[start : start + height * width * self.channels]
        return flat.reshape(height, width, self.channels)


def open_pixels(scan: Scan, data: DataConfig, image: ImageConfig, progress: Progress | None = None) -> Pixels:
    """The pictures of a scan at training size, decoded now or, where that was done before, mapped at once.

    Args:
        scan: The pictures.
        data: How a picture becomes one of the training size: `fit`, `background` and `max_pixels`.
        image: The training size and the channels.
        progress: Told how many pictures are decoded; see `scan.Progress`. None tells nobody.

    Raises:
        DataError: A picture has changed since the scan, the disk is full, or the cache cannot be read back.
    """
    folder = cache_folder() / "pixels" / _key(scan, data, image)
    found = load(folder, len(scan.pictures), data, image)
    if found is not None:
        return found
    build(
        folder,
        lambda building: _write(building, scan, data, image, progress),
        lambda: load(folder, len(scan.pictures), data, image) is not None,
    )
    found = load(folder, len(scan.pictures), data, image)
    if found is None:
        raise DataError(f"the cache '{folder}' cannot be read back", "remove that folder and try again")
    return found


def build(folder: Path, write: Callable[[Path], None], is_whole: Callable[[], bool]) -> None:
    """Let `write` fill a folder beside `folder` and move it there whole, unless another process did.

    Raises `DataError` when the disk cannot take it.
    """
    try:
        sweep(folder.parent)
        with temporary_folder(folder) as building:
            write(building)
            if folder.exists() and not is_whole():
                shutil.rmtree(folder)
            if not folder.exists():  # else another process was quicker, and made the same
                building.rename(folder)
    except OSError as error:
        raise DataError(
            f"the decoded pictures cannot be written to '{cache_folder()}': {error.strerror or error}",
            "set IMPASTO_CACHE to a folder with more room",
        ) from None


def _key(scan: Scan, data: DataConfig, image: ImageConfig) -> str:
    return key_of([p.content_hash for p in scan.pictures], data, image)


def key_of(contents: Sequence[str], data: DataConfig, image: ImageConfig) -> str:
    """The name of the cache of these contents, decoded in this way: 32 hexadecimal digits."""
    height, width = (0, 0) if data.fit == "windows" else image.shape  # whole pictures serve all windows
    size = height if height == width else [height, width]
    what = [_VERSION, size, image.channels, data.fit, data.background.lower()]
    what += [side for side in (data.reduced_px, data.reduced_width) if side is not None]
    text = json.dumps([what, list(contents)])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def load(folder: Path, count: int, data: DataConfig, image: ImageConfig) -> Pixels | None:
    """The decoded pictures in a cache folder, or None where they are absent or not what they must be.

    Args:
        folder: The cache.
        count: How many pictures it must hold.
        data: How they were decoded: `fit` says whether all have one shape or each its own.
        image: Their size and channels.
    """
    channels = image.channels
    try:
        shapes = np.load(folder / "shapes.npy")
        if shapes.shape != (count, 2) or shapes.dtype != np.int64 or (shapes < image.shape).any():
            return None
        sizes = shapes.prod(axis=1) * channels
        if (folder / "pixels.bin").stat().st_size != sizes.sum():
            return None
        # Mapped read-only: no bug in training can change the pictures.
        array = np.memmap(folder / "pixels.bin", np.uint8, mode="r")
    except (OSError, ValueError, EOFError):
        return None
    if data.fit in ("random-crop", "windows"):
        starts = np.cumsum(sizes) - sizes
        return Pixels(array, image.size, channels, shapes, starts, folder, image.width)
    pictures = array.reshape(count, *image.shape, channels)
    return Pixels(pictures, image.size, channels, folder=folder, width=image.width)


def _write(folder: Path, scan: Scan, data: DataConfig, image: ImageConfig, progress: Progress | None) -> None:
    """Stream every picture to `folder`: by plain writes, since a full disk under a map kills the process."""
    count = len(scan.pictures)
    own = data.fit == "windows"
    areas = (p.width * p.height if own else math.prod(image.shape) for p in scan.pictures)
    needed = sum(areas) * image.channels + _HEADROOM_BYTES
    if shutil.disk_usage(folder).free < needed:
        raise OSError(f"{needed / 2**20:.0f} MiB are needed and fewer are free")
    decoded = in_threads(functools.partial(_decode, scan.root, data, image), scan.pictures)

    def told() -> Iterator[Bytes]:
        for done, pixels in enumerate(decoded, start=1):
            yield pixels
            if progress:
                progress("decoding pictures", done, count)

    stream(folder, told())


def stream(folder: Path, pictures: Iterable[Bytes]) -> None:
    """Write pictures, (H, W, C) uint8 each, as `load` reads them, one after the other."""
    shapes = []
    with (folder / "pixels.bin").open("wb") as file:
        for pixels in pictures:
            file.write(pixels.tobytes())
            shapes.append(pixels.shape[:2])
    np.save(folder / "shapes.npy", np.array(shapes, np.int64).reshape(-1, 2))


def _decode(root: Path, data: DataConfig, image: ImageConfig, picture: Picture) -> Bytes:
    try:
        raw = codec.read_bytes(root / picture.path)
        if content_hash(raw) != picture.content_hash:
            raise ImageError("has changed while it was being read")
        return fitted(raw, data, image)
    except ImageError as error:
        raise DataError(
            f"'{picture.path}' {error.message}", "start again: the folder is then read anew"
        ) from None


def fitted(raw: bytes, data: DataConfig, image: ImageConfig) -> Bytes:
    """A picture file as `data.fit` says: (H, W, C) uint8. Raises `ImageError`."""
    fit: Callable[..., Bytes]
    match data.fit:
        case "windows":
            return _own_pixels(raw, data, image)
        case "random-crop":
            fit = codec.fit_cover
        case whole:
            fit = functools.partial(codec.fit_shape, fit=whole)
    return fit(
        raw, image.shape, channels=image.channels, background=data.background, max_pixels=data.max_pixels
    )


def _own_pixels(source: bytes, data: DataConfig, image: ImageConfig) -> Bytes:
    """The whole picture, as it is or reduced as `data` says. The scan saw that it is large enough."""
    how: Any = {
        "channels": image.channels, "background": data.background, "max_pixels": data.max_pixels,
    }  # fmt: skip
    pixels = codec.read(source, **how)
    if data.reduced_px is None:
        return pixels
    shape = data.reduced_px, data.reduced_width or data.reduced_px
    larger = all(side > wanted for side, wanted in zip(pixels.shape, shape, strict=False))
    return codec.fit_cover(source, shape, **how) if larger else pixels
