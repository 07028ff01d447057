"""Every file of a picture folder, looked at once: what can be used, what cannot, and why.

What was found is remembered per folder, so that files which have not changed are not read again.
"""

import base64
import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from impasto.data.walk import File, LeftOut, describe, shown, walk
from impasto.errors import DataError, ImageError
from impasto.files import cache_folder, write_bytes_atomically
from impasto.image import codec

Progress = Callable[[str, int, int], None]
"""Called as `progress(stage, done, total)`, always from the caller's own thread."""

THUMB_PX = 8
_INDEX_VERSION = 3  # raised whenever other files can be read, or they are read in another way
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
    """What a folder holds, in the order of the paths.

    Args:
        root: The folder.
        pictures: What can be used.
        rejected: What looks like a picture and cannot be used.
        ignored: How many files are of other kinds.
        left_out: What was not even looked at, by the rules of `walk.walk`.
    """

    root: Path
    pictures: tuple[Picture, ...]
    rejected: tuple[Rejected, ...]
    ignored: int
    left_out: tuple[LeftOut, ...] = ()

    @property
    def report(self) -> str:
        """One line for people: what was left out and why; empty where nothing was."""
        return describe(self.left_out, [(item.path, item.reason) for item in self.rejected])

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
    max_pixels: int = codec.MAX_PIXELS,
    progress: Progress | None = None,
) -> Scan:
    """Examine every picture under a folder, subfolders and all, but for what `walk.walk` leaves out.

    Args:
        root: The folder.
        min_side_px: Reject pictures with a shorter side, except SVG.
        max_pixels: Reject pictures of more pixels.
        progress: Told how many pictures are read; see `Progress`. None tells nobody.

    Raises:
        DataError: There is no such folder, nothing in it can be used, or the cache cannot be written.
    """
    found = walk(root)
    if not found.pictures:
        left = describe(found.left_out)
        raise DataError(
            f"there are no pictures in '{root}'",
            f"{left + ' ' if left else ''}Impasto reads {', '.join(sorted(codec.SUFFIXES))}",
        )
    index_path = _index_path(root, min_side_px, max_pixels)
    results = _results(root, found.pictures, index_path, (min_side_px, max_pixels), progress)
    pictures, rejected = [], []
    for path, entry in results.items():
        match entry[2:]:
            case [str(reason)]:
                rejected.append(Rejected(path, reason))
            case [kind, width, height, digest, thumb]:
                theme = path.partition("/")[0] if "/" in path else None
                pictures.append(Picture(path, theme, kind, width, height, digest, base64.b64decode(thumb)))
    if not pictures:
        first = rejected[0]
        raise DataError(
            f"none of the {len(rejected)} pictures in '{root}' can be used: "
            f"'{shown(first.path)}' {first.reason}",
            "`impasto inspect` lists them all",
        )
    return Scan(root, tuple(pictures), tuple(rejected), found.others, found.left_out)


def _results(
    root: Path,
    files: Sequence[File],
    index_path: Path,
    limits: tuple[int, int],
    progress: Progress | None,
) -> dict[str, list[Any]]:
    """An entry of the index for each file, in order; what has not changed comes from the index itself."""
    known = _read_index(index_path)
    started_ns = time.time_ns()
    todo = [file for file in files if known.get(file.path, ())[:2] != [file.size, file.modified_ns]]
    examine = functools.partial(_examine, root, *limits)
    read = in_threads(examine, (file.path for file in todo))
    fresh: dict[str, list[Any]] = {}
    passing: set[str] = set()
    for done, (file, (record, lasts)) in enumerate(zip(todo, read, strict=True), start=1):
        fresh[file.path] = [file.size, file.modified_ns, *record]
        if not lasts:
            passing.add(file.path)
        if progress:
            progress("reading pictures", done, len(todo))
    results = {file.path: fresh.get(file.path) or known[file.path] for file in files}
    if todo or len(known) != len(results):
        old_enough = started_ns - _FRESH_NS
        kept = {p: e for p, e in results.items() if e[1] < old_enough and p not in passing}
        _write_index(index_path, kept)
    return results


def in_threads(work: Callable[[_In], _Out], items: Iterable[_In]) -> Iterator[_Out]:
    """Like `map`, on all cores, in order, with few results waiting; decoding frees the GIL."""
    iterator = iter(items)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while chunk := list(islice(iterator, 256)):
            yield from pool.map(work, chunk)


def _examine(root: Path, min_side_px: int, max_pixels: int, path: str) -> tuple[list[Any], bool]:
    """The index entry of one file (format, width, height, digest and thumb, or the reason alone).

    And whether it holds as long as the file does not change: permissions and disks may.
    """
    try:
        found = examine(codec.read_bytes(root / path), path, min_side_px, max_pixels)
    except ImageError as error:
        return [error.message], not isinstance(error.__context__, OSError)
    thumb = base64.b64encode(found.thumb).decode()
    return [found.format, found.width, found.height, found.content_hash, thumb], True


def examine(data: bytes, path: str, min_side_px: int, max_pixels: int = codec.MAX_PIXELS) -> Picture:
    """What a file's bytes say of the picture; its theme is left open.

    Args:
        data: The bytes of the file.
        path: What the picture is called.
        min_side_px: Refuse pictures with a shorter side, except SVG.
        max_pixels: Refuse pictures of more pixels.

    Raises:
        ImageError: The picture is too large or too small, or it cannot be read.
    """
    header = codec.header(data)
    thumb = averaged(data, THUMB_PX, max_pixels, min_side_px).tobytes()
    return Picture(path, None, header.format, header.width, header.height, content_hash(data), thumb)


def averaged(
    source: codec.Source, size: int, max_pixels: int = codec.MAX_PIXELS, min_side_px: int = 1
) -> codec.Pixels:
    """The whole picture squeezed to (size, size, 3) uint8, each pixel a plain mean of 4 x 4.

    Without the mean, copies of a picture at two resolutions would differ by how each was reduced.

    Args:
        source: The file, or its bytes. Alpha is flattened on white.
        size: The side of the result in pixels.
        max_pixels: Refuse pictures of more pixels.
        min_side_px: Refuse pictures with a shorter side, except SVG.

    Raises:
        ImageError: The picture is too large or too small, or it cannot be read.
    """
    large = codec.fit_square(source, 4 * size, fit="stretch", max_pixels=max_pixels, min_side_px=min_side_px)
    small: codec.Pixels = np.rint(large.reshape(size, 4, size, 4, 3).mean(axis=(1, 3))).astype(np.uint8)
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
