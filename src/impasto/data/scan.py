"""Every file of a picture folder, looked at once: what can be used, what cannot, and why.

What was found is remembered per folder, so that files which have not changed are not read again.
"""

import base64
import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from impasto import images
from impasto.errors import DataError, ImageError
from impasto.files import cache_folder, write_bytes_atomically

Progress = Callable[[str, int, int], None]
"""Called as `progress(stage, done, total)`, always from the caller's own thread."""

THUMB_PX = 8
_INDEX_VERSION = 2
_FRESH_NS = 2_000_000_000  # a file this young may still change without its time stamp changing

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class Picture:
    """One usable picture. `path` is relative to the folder, with forward slashes."""

    path: str
    theme: str | None
    format: str
    width: int
    height: int
    content_hash: str
    thumb: bytes = field(repr=False)
    """The whole picture squeezed to 8 x 8 RGB on white, row by row."""

    @property
    def mean_colour(self) -> tuple[float, float, float]:
        """Mean red, green and blue, each in 0..1."""
        red, green, blue = np.frombuffer(self.thumb, np.uint8).reshape(-1, 3).mean(axis=0) / 255
        return float(red), float(green), float(blue)

    @property
    def mean_brightness(self) -> float:
        """Mean luma, in 0..1."""
        red, green, blue = self.mean_colour
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@dataclass(frozen=True)
class Rejected:
    """A file that looks like a picture and cannot be used. `reason` reads on from the file's name."""

    path: str
    reason: str


@dataclass(frozen=True)
class Scan:
    """What a folder holds, in the order of the paths. `ignored` counts files of other kinds."""

    root: Path
    pictures: tuple[Picture, ...]
    rejected: tuple[Rejected, ...]
    ignored: int

    @property
    def themes(self) -> tuple[str, ...]:
        """Names of the first-level subfolders that hold pictures, sorted."""
        return tuple(sorted({p.theme for p in self.pictures if p.theme is not None}))

    def thumbs(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """(N, 8, 8, 3) uint8."""
        flat = np.frombuffer(b"".join(p.thumb for p in self.pictures), np.uint8)
        return flat.reshape(len(self.pictures), THUMB_PX, THUMB_PX, 3)


def scan_folder(
    root: Path,
    *,
    min_side_px: int = 8,
    max_pixels: int = images.MAX_PIXELS,
    progress: Progress | None = None,
) -> Scan:
    """Examine every picture under `root`, subfolders and all; hidden ones are skipped.

    Raises `DataError` when there is no such folder, or nothing in it that can be used.
    """
    if not root.exists():
        raise DataError(f"there is no folder '{root}'", "give a folder of pictures")
    if not root.is_dir():
        raise DataError(f"'{root}' is a file", "give the folder that holds the pictures")
    found = sorted(_walk(root), key=lambda item: item[0].split("/"))
    candidates = [item for item in found if Path(item[0]).suffix.lower() in images.SUFFIXES]
    index_path = _index_path(root, min_side_px, max_pixels)
    known = _read_index(index_path)
    started_ns = time.time_ns()
    results: dict[str, list[Any]] = {}
    todo: list[tuple[str, int, int]] = []
    for path, size, modified_ns in candidates:
        entry = known.get(path)
        if entry is not None and entry[:2] == [size, modified_ns]:
            results[path] = entry
        else:
            todo.append((path, size, modified_ns))
    examine = functools.partial(_examine, root, min_side_px, max_pixels)
    for done, ((path, size, modified_ns), record) in enumerate(
        zip(todo, in_threads(examine, (path for path, _, _ in todo)), strict=True), start=1
    ):
        results[path] = [size, modified_ns, *record]
        if progress:
            progress("reading pictures", done, len(todo))
    if todo or len(known) != len(results):
        _write_index(index_path, {p: e for p, e in results.items() if e[1] < started_ns - _FRESH_NS})
    pictures, rejected = [], []
    for path, _, _ in candidates:
        match results[path][2:]:
            case [str(reason)]:
                rejected.append(Rejected(path, reason))
            case [kind, width, height, digest, thumb]:
                theme = path.split("/", 1)[0] if "/" in path else None
                pictures.append(Picture(path, theme, kind, width, height, digest, base64.b64decode(thumb)))
    if not candidates:
        raise DataError(
            f"there are no pictures in '{root}'", f"Impasto reads {', '.join(sorted(images.SUFFIXES))}"
        )
    if not pictures:
        first = rejected[0]
        raise DataError(
            f"none of the {len(rejected)} pictures in '{root}' can be used: '{first.path}' {first.reason}",
            "`impasto inspect` lists them all",
        )
    return Scan(root, tuple(pictures), tuple(rejected), len(found) - len(candidates))


def in_threads(work: Callable[[_In], _Out], items: Iterable[_In]) -> Iterator[_Out]:
    """Like `map`, on all cores, in order, with few results waiting; decoding frees the GIL."""
    iterator = iter(items)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while chunk := list(islice(iterator, 256)):
            yield from pool.map(work, chunk)


def _walk(root: Path) -> Iterator[tuple[str, int, int]]:
    """Relative path, size and time of change of every visible file; a loop of links is entered once."""
    seen: set[tuple[int, int]] = set()
    waiting = [(root, "")]
    while waiting:
        folder, prefix = waiting.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen and status.st_ino:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(f"the folder '{folder}' cannot be opened: {error.strerror}") from None
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                waiting.append((Path(entry.path), f"{prefix}{entry.name}/"))
                continue
            try:
                status = entry.stat()
                yield prefix + entry.name, status.st_size, status.st_mtime_ns
            except OSError:  # a link that leads nowhere: it is named when it is examined
                yield prefix + entry.name, -1, 0


def _examine(root: Path, min_side_px: int, max_pixels: int, path: str) -> list[Any]:
    """The index entry of one file: format, width, height, digest and thumb, or the reason alone."""
    try:
        found = examine(images.read_bytes(root / path), path, min_side_px, max_pixels)
    except ImageError as error:
        return [error.message]
    thumb = base64.b64encode(found.thumb).decode()
    return [found.format, found.width, found.height, found.content_hash, thumb]


def examine(data: bytes, path: str, min_side_px: int, max_pixels: int = images.MAX_PIXELS) -> Picture:
    """What a file's bytes say of the picture, which is called `path`; its theme is left open.

    Raises `ImageError`.
    """
    header = images.header(data)
    thumb = averaged(data, THUMB_PX, max_pixels, min_side_px).tobytes()
    return Picture(path, None, header.format, header.width, header.height, content_hash(data), thumb)


def averaged(
    source: images.Source, size: int, max_pixels: int = images.MAX_PIXELS, min_side_px: int = 1
) -> images.Pixels:
    """The whole picture squeezed to (size, size, 3) uint8, each pixel a plain mean of 4 x 4.

    Without the mean, copies of a picture at two resolutions would differ by how each was reduced.
    """
    large = images.fit_square(source, 4 * size, fit="stretch", max_pixels=max_pixels, min_side_px=min_side_px)
    small: images.Pixels = np.rint(large.reshape(size, 4, size, 4, 3).mean(axis=(1, 3))).astype(np.uint8)
    return small


def content_hash(data: bytes) -> str:
    """32 hexadecimal digits of BLAKE2b."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _index_path(root: Path, min_side_px: int, max_pixels: int) -> Path:
    key = repr((_INDEX_VERSION, os.fsencode(root.resolve()), min_side_px, max_pixels)).encode()
    return cache_folder() / "scans" / f"{hashlib.blake2b(key, digest_size=16).hexdigest()}.json"


def _read_index(path: Path) -> dict[str, list[Any]]:
    try:
        index = json.loads(path.read_bytes())
        return {str(name): list(entry) for name, entry in index.items() if len(entry) in (3, 7)}
    except (OSError, ValueError, TypeError, AttributeError):  # absent or damaged: it is made again
        return {}


def _write_index(path: Path, entries: dict[str, list[Any]]) -> None:
    try:
        write_bytes_atomically(path, json.dumps(entries, separators=(",", ":")).encode(), durable=False)
    except OSError as error:
        raise DataError(
            f"the cache folder '{cache_folder()}' cannot be written: {error.strerror}",
            "set IMPASTO_CACHE to a folder that can",
        ) from None
