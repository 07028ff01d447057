"""Where pairs of a layout and a picture come from: two folders, or files that hold both side by side."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from impasto.config.shared import DataConfig
from impasto.data.cache import Bytes, Indices
from impasto.data.pairing import name_all, pair_up
from impasto.data.scan import Picture, Progress, Rejected, Scan, content_hash, scan_folder
from impasto.data.walk import shown
from impasto.errors import DataError, ImageError
from impasto.image import codec
from impasto.image.labels import colours_needed, find_palette

SIDE_BY_SIDE = ("side-by-side", "side-by-side-left", "side-by-side-right")
LOOKED_AT = 64  # layouts that the labels are found in
# A layout that is no label map has fewer colours than a picture by more than this, or it cannot be told.
CLEARLY = 1.5

Sides = tuple[Bytes, Bytes]  # a layout and its picture, (H, W, 3) each


@dataclass(frozen=True)
class Source:
    """Where pairs come from. `scan` has a file of each: the picture's, or the one that holds both.

    `layouts` are the files of the layouts in the same order; with None the layout is the left half of each
    file, or the right one. `left_out` are folders, and files in them that are in no pair.
    """

    scan: Scan
    layouts: Scan | None
    layout_is_left: bool = True
    left_out: tuple[tuple[str, Rejected], ...] = ()

    def __len__(self) -> int:
        return len(self.scan.pictures)

    @property
    def contents(self) -> list[str]:
        """What identifies each pair."""
        if self.layouts is None:
            side = "left" if self.layout_is_left else "right"
            return [f"{p.content_hash} {side}" for p in self.scan.pictures]
        both = zip(self.layouts.pictures, self.scan.pictures, strict=True)
        return [f"{one.content_hash} {other.content_hash}" for one, other in both]

    def read(self, index: int, max_pixels: int = codec.MAX_PIXELS) -> Sides:
        """A pair at its own size: layout and picture, (H, W, 3) uint8 each. Raises `DataError`."""
        picture = self.scan.pictures[index]
        if self.layouts is not None:
            layout = _read(self.layouts.root, self.layouts.pictures[index], max_pixels)
            return layout, _read(self.scan.root, picture, max_pixels)
        both = halves(_read(self.scan.root, picture, max_pixels))
        return both if self.layout_is_left else both[::-1]

    def some(self, most: int) -> Iterator[Sides]:
        """Up to `most` pairs, spread evenly."""
        return (self.read(int(i)) for i in spread(np.arange(len(self)), most))


def find_pairs(
    directory: Path, pairs: str | Path, data: DataConfig, progress: Progress | None = None
) -> tuple[Source, list[str]]:
    """The pairs of two folders, or of files side by side, and what is to be said of files that are left out.

    Every file that is in no pair is named, whatever the reason. Raises `DataError` where there is no pair.
    """
    limits: dict[str, Any] = {"min_side_px": data.min_side_px, "max_pixels": data.max_pixels}
    here = scan_folder(directory, **limits, progress=progress)
    if str(pairs) in SIDE_BY_SIDE:
        return _side_by_side(here, str(pairs))
    there = scan_folder(Path(pairs), **limits, progress=progress)
    found = pair_up(here.pictures, there.pictures, (here.root, there.root))
    left = [(here, found.left_here), (there, found.left_there)]
    if not found.pairs:
        first = found.left_here[0]
        raise DataError(
            f"no file in '{directory}' has its pair in '{pairs}': '{shown(first.path)}' {first.reason}",
            "files of a pair have the same name, whatever the suffix, and the same size",
        )
    notes = [
        words
        for scan, files in left
        for words in (scan.report, name_all(f"of '{scan.root}'", files))
        if words
    ]
    layouts = replace(here, pictures=tuple(one for one, _ in found.pairs))
    pictures = replace(there, pictures=tuple(other for _, other in found.pairs))
    left_out = tuple((str(scan.root), item) for scan, files in left for item in (*scan.rejected, *files))
    return Source(pictures, layouts, left_out=left_out), notes


def _side_by_side(scan: Scan, how: str) -> tuple[Source, list[str]]:
    odd = [p for p in scan.pictures if p.width % 2 or p.width < 2]
    kept = tuple(p for p in scan.pictures if p.width % 2 == 0 and p.width >= 2)
    left = [Rejected(p.path, f"has an odd width, {p.width} px: it has no two halves") for p in odd]
    if not kept:
        raise DataError(f"no file in '{scan.root}' has two halves: '{shown(left[0].path)}' {left[0].reason}")
    left_out = tuple((str(scan.root), item) for item in (*scan.rejected, *left))
    source = Source(replace(scan, pictures=kept), None, how != "side-by-side-right", left_out)
    notes = [words for words in (scan.report, name_all(f"of '{scan.root}'", left)) if words]
    if how == "side-by-side":
        source = replace(source, layout_is_left=_left_is_layout(source))
        notes.append(f"The layout is the {'left' if source.layout_is_left else 'right'} half of each file.")
    return source, notes


def _left_is_layout(source: Source) -> bool:
    """Whether the left halves have fewer colours. Raises `DataError` where it cannot be told."""
    some = list(source.some(LOOKED_AT))
    palettes = [find_palette(pair[side] for pair in some) for side in (0, 1)]
    counts = [len(palette) if palette else 1_000_000 for palette in palettes]
    if not any(palettes):
        counts = [colours_needed(pair[side] for pair in some) for side in (0, 1)]
        if max(counts) < CLEARLY * min(counts):
            counts = [0, 0]
    if counts[0] == counts[1]:
        raise DataError(
            f"which half of the files in '{source.scan.root}' is the layout cannot be told by their colours",
            "--pairs side-by-side-left or side-by-side-right",
        )
    return counts[0] < counts[1]


def halves(pixels: Bytes) -> Sides:
    """The left and the right half of a picture of an even width."""
    middle = pixels.shape[1] // 2
    return np.ascontiguousarray(pixels[:, :middle]), np.ascontiguousarray(pixels[:, middle:])


def _read(root: Path, picture: Picture, max_pixels: int) -> Bytes:
    try:
        raw = codec.read_bytes(root / picture.path)
        if content_hash(raw) != picture.content_hash:
            raise ImageError("has changed while it was being read")
        return codec.read(raw, max_pixels=max_pixels)
    except ImageError as error:
        raise DataError(
            f"'{picture.path}' {error.message}", "start again: the folder is then read anew"
        ) from None


def spread(indices: Indices, most: int) -> Indices:
    """Up to `most` of some indices, spread evenly."""
    places = np.linspace(0, len(indices), min(most, len(indices)), endpoint=False).astype(np.int64)
    some: Indices = indices[places]
    return some
