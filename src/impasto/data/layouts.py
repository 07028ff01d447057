"""Pairs of a layout and a picture become a data set: matched, split, decoded and served together."""

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from impasto.data.pair_files import LOOKED_AT, Source, find_pairs, spread
from impasto.data.scan import Progress, content_hash, in_threads
from impasto.errors import DataError, InputError
from impasto.files import cache_folder, read_json
from impasto.image.labels import (
    Colour,
    find_palette,
    from_hex,
    index_map,
    reduce_labels,
    to_hex,
)

MOST_TOLD = 1_000  # names of held-out pairs that a model's description holds
_VERSION = 1


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
        return self.pixels.take(spread(self.holdout_indices, most))

    def all_pairs(self, most: int) -> Bytes:
        """The same of any pairs, held out or not."""
        return self.pixels.take(spread(np.arange(len(self.names)), most))

    def some_to_train_on(self, most: int) -> Bytes:
        """The same of pairs that are learnt from."""
        return self.pixels.take(spread(self.train_indices, most))

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
        pairs: The folder of pictures, or one of `pair_files.SIDE_BY_SIDE`.
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
