"""Pairs of a layout and a picture become a data set: matched, split, decoded and served together."""

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from impasto.config.shared import DataConfig, ImageConfig
from impasto.config.translation import Label, LayoutConfig
from impasto.data import cache
from impasto.data.batches import Batches
from impasto.data.cache import Bytes, Indices, Pixels
from impasto.data.folder import hold_out
from impasto.data.pairing import name_all, pair_up
from impasto.data.scan import Picture, Progress, Rejected, Scan, content_hash, in_threads, scan_folder
from impasto.data.walk import shown
from impasto.errors import DataError, ImageError, InputError
from impasto.files import cache_folder, read_json
from impasto.image import codec
from impasto.image.labels import (
    Colour,
    colours_needed,
    find_palette,
    from_hex,
    index_map,
    reduce_labels,
    to_hex,
)

SIDE_BY_SIDE = ("side-by-side", "side-by-side-left", "side-by-side-right")
LOOKED_AT = 64  # layouts that the labels are found in
MOST_TOLD = 1_000  # names of held-out pairs that a model's description holds
_VERSION = 1
# A layout that is no label map has fewer colours than a picture by more than this, or it cannot be told.
CLEARLY = 1.5

Sides = tuple[Bytes, Bytes]  # a layout and its picture, (H, W, 3) each


@dataclass(frozen=True)
class LayoutPairs:
    """Pairs at training size, some of them held out to measure with; see `training.task.Data`.

    Args:
        pixels: Layout and picture one behind the other: (H, W, L + 3), L of 1 for numbers of labels, else 3.
        names: Of the pairs, the path of the picture's file, or of the one that holds both.
        train_indices: Which of them to learn from, sorted.
        holdout_indices: Which of them to measure with, sorted.
        fingerprint: Changes when any file or the split does.
        notes: What was left out, and how layouts are read.
        mirror: Whether mirrored pairs are real ones too.
    """

    pixels: Pixels
    names: tuple[str, ...]
    train_indices: Indices
    holdout_indices: Indices
    fingerprint: str
    notes: tuple[str, ...]
    mirror: bool

    def batches(self, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> Batches:
        """Endless batches (B, S, S, L + 3) uint8 to learn from.

        Args:
            batch_size: Pairs in a batch, over all processes; a multiple of `world`.
            seed: Decides the order, the windows and which pairs are mirrored.
            rank: Which process this is, from 0 to world - 1.
            world: How many processes share a batch.
        """
        return Batches(
            self.pixels, self.train_indices, batch_size, seed, mirror=self.mirror, rank=rank, world=world
        )

    def holdout(self, most: int) -> Bytes:
        """The middles of up to `most` held-out pairs, spread evenly: (n, S, S, L + 3) uint8."""
        return self.pixels.take(_spread(self.holdout_indices, most))

    def all_pairs(self, most: int) -> Bytes:
        """The same of any pairs, held out or not."""
        return self.pixels.take(_spread(np.arange(len(self.names)), most))

    def some_to_train_on(self, most: int) -> Bytes:
        """The same of pairs that are learnt from."""
        return self.pixels.take(_spread(self.train_indices, most))

    def about(self) -> dict[str, Any]:
        """What a model says of its data, ready for JSON."""
        return {
            "train_pictures": len(self.train_indices),
            "holdout_pictures": len(self.holdout_indices),
            "fingerprint": self.fingerprint,
            "themes": [],
            "holdout": [self.names[i] for i in self.holdout_indices[:MOST_TOLD]],
        }


def open_layouts(
    directory: Path,
    pairs: str | Path,
    data: DataConfig,
    image: ImageConfig,
    layout: LayoutConfig,
    *,
    seed: int,
    progress: Progress | None = None,
) -> tuple[LayoutPairs, LayoutConfig]:
    """Read pairs; everything slow is done once and remembered.

    Args:
        directory: The folder of layouts, or of files that hold layout and picture side by side.
        pairs: The folder of pictures, or one of `SIDE_BY_SIDE`.
        data: How the folders are read, split and decoded.
        image: The size of the squares that are trained on.
        layout: What the layouts are. Labels that it names are not looked for.
        seed: Decides which pairs are held out.
        progress: Told how far each stage is; see `scan.Progress`. None tells nobody.

    Returns:
        The pairs, and `layout` with what was found: the kind, and the labels of label maps.

    Raises:
        DataError: A folder is absent, there are too few pairs, it cannot be told which half is the layout, or
            the layouts are no label maps though they are said to be.
    """
    source, notes = find_pairs(directory, pairs, data, progress)
    found = _recognise(source, layout)
    train, holdout, note = hold_out(source.scan, data, seed)
    digest = hashlib.blake2b(digest_size=16)
    for content in source.contents:
        digest.update(content.encode())
    digest.update(holdout.tobytes())
    said = [*notes, note, _in_words(found), _targets_in_words(found)]
    pixels = _open_pixels(source, data, image, found, progress)
    names = tuple(picture.path for picture in source.scan.pictures)
    return (
        LayoutPairs(
            pixels, names, train, holdout, digest.hexdigest(), tuple(n for n in said if n), data.mirror
        ),
        found,
    )


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
        return (self.read(int(i)) for i in _spread(np.arange(len(self)), most))


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
    kept = tuple(p for p in scan.pictures if p not in odd)
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


def _recognise(source: Source, layout: LayoutConfig) -> LayoutConfig:
    """The config with the labels of layouts, and of pictures, that are label maps. Raises `DataError`."""
    if not layout.targets:
        targets = find_palette(pair[1] for pair in source.some(LOOKED_AT))
        if targets is not None and len(targets) > 1:
            layout = layout.model_copy(update={"targets": named(targets)})
    if layout.labels:
        return layout.model_copy(update={"kind": "labels"})
    if layout.kind == "picture":
        return layout
    palette = find_palette(pair[0] for pair in source.some(LOOKED_AT))
    if palette is None and layout.kind == "labels":
        raise DataError(
            "these layouts are no label maps: they have too many colours",
            "name the labels, as --labels wall=#0000aa,window=#0080ff; or leave layout.kind out",
        )
    if palette is None or len(palette) < 2:
        return layout.model_copy(update={"kind": "picture"})
    return layout.model_copy(update={"kind": "labels", "labels": named(palette)})


def named(palette: Sequence[Colour], names: Sequence[str] = ()) -> tuple[Label, ...]:
    """Labels of these colours; those without a name are called by their colour."""
    colours = [to_hex(colour) for colour in palette]
    own = [*names, *colours[len(names) :]]
    return tuple(Label(name=name, colour=colour) for name, colour in zip(own, colours, strict=True))


def parse_labels(text: str) -> dict[str, str]:
    """Names and colours in "wall=#0000aa,window=#0080ff", or in a JSON file of such a mapping.

    Raises `InputError` for anything else.
    """
    if text.endswith(".json"):
        try:
            found = read_json(Path(text))
        except (OSError, ValueError) as error:
            raise InputError(f"the labels in '{text}' cannot be read: {error}") from None
        items = list(found.items()) if isinstance(found, dict) else []
    else:
        items = [
            (name.strip(), colour.strip()) for name, _, colour in (x.partition("=") for x in text.split(","))
        ]
    if not items or not all(isinstance(colour, str) and name for name, colour in items):
        raise InputError(
            f"'{text}' names no labels", "write wall=#0000aa,window=#0080ff, or a JSON file of them"
        )
    if len(dict(items)) < len(items):
        raise InputError(f"'{text}' names a label twice", "each label has one name and one colour")
    return {name: to_hex(from_hex(colour)) for name, colour in items}


def palette_of(layout: LayoutConfig) -> list[Colour]:
    """The colours of its labels."""
    return [from_hex(label.colour) for label in layout.labels]


def _targets_in_words(layout: LayoutConfig) -> str:
    if not layout.targets:
        return ""
    names = ", ".join(label.name for label in layout.targets)
    return f"Pictures are label maps of {len(layout.targets)} labels, which results are snapped to: {names}."


def _in_words(layout: LayoutConfig) -> str:
    if not layout.labels:
        return "Layouts are taken as pictures."
    names = ", ".join(
        label.name if label.name == label.colour else f"{label.name} {label.colour}"
        for label in layout.labels
    )
    return f"Layouts are label maps of {len(layout.labels)} labels: {names}."


def _open_pixels(
    source: Source,
    data: DataConfig,
    image: ImageConfig,
    layout: LayoutConfig,
    progress: Progress | None,
) -> Pixels:
    """The pairs decoded, now or before. Raises `DataError`."""
    channels = 4 if layout.labels else 6
    how = [_VERSION, image.size, layout.jitter, data.fit, data.background, [x.colour for x in layout.labels]]
    key = content_hash(json.dumps([how, source.contents]).encode())
    folder = cache_folder() / "pairs" / key
    as_stored = data.model_copy(update={"fit": "windows"})
    wide = image.model_copy(update={"channels": channels})
    prepare = functools.partial(_prepared, source, data, image, layout)

    def pictures() -> Iterator[Bytes]:
        for done, pixels in enumerate(in_threads(prepare, range(len(source))), start=1):
            yield pixels
            if progress:
                progress("decoding pairs", done, len(source))

    def load() -> Pixels | None:
        return cache.load(folder, len(source), as_stored, wide)

    found = load()
    if found is None:
        cache.build(folder, lambda building: cache.stream(building, pictures()), lambda: load() is not None)
        found = load()
    if found is None:
        raise DataError(f"the cache '{folder}' cannot be read back", "remove that folder and try again")
    return found


def _prepared(
    source: Source, data: DataConfig, image: ImageConfig, layout: LayoutConfig, index: int
) -> Bytes:
    """One pair as it is trained on: (H, W, L + 3) uint8, both sides at least `image.size`."""
    sides = source.read(index, data.max_pixels)
    least = round(image.size * (1 + layout.jitter))
    height, width = sides[0].shape[:2]
    if data.fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        sides = sides[0][top : top + side, left : left + side], sides[1][top : top + side, left : left + side]
        height = width = side
    short = min(height, width)
    # Own pixels for windows, but for what is too small.
    scale = least / short if data.fit != "windows" or short < least else 1.0
    size = max(least, round(height * scale)), max(least, round(width * scale))
    if scale == 1.0:
        size = height, width
    return np.concatenate((fitted_layout(sides[0], size, layout), _resized(sides[1], size)), 2)


def fitted_layout(pixels: Bytes, size: tuple[int, int], layout: LayoutConfig) -> Bytes:
    """A layout (H, W, 3) at a size (height, width): (h, w, 1) numbers of labels, or (h, w, 3) colours."""
    if not layout.labels:
        return _resized(pixels, size)
    labels, _ = index_map(pixels, palette_of(layout))
    return reduce_labels(labels, *size, len(layout.labels))[..., None]


def _resized(pixels: Bytes, size: tuple[int, int]) -> Bytes:
    if pixels.shape[:2] == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.LANCZOS))


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


def _spread(indices: Indices, most: int) -> Indices:
    """Up to `most` of some indices, spread evenly."""
    places = np.linspace(0, len(indices), min(most, len(indices)), endpoint=False).astype(np.int64)
    some: Indices = indices[places]
    return some
