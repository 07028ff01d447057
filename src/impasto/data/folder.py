"""A folder of files becomes a data set: scanned, split, decoded, and served."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from impasto.config.shared import DataConfig, ImageConfig
from impasto.data.batches import Batches, Order, Shuffled, split
from impasto.data.cache import Bytes, Indices, Pixels, open_pixels
from impasto.data.duplicates import drop_duplicates, find_groups
from impasto.data.scan import Progress, Rejected, Scan, scan_folder
from impasto.data.themes import Floats, Themes, find_themes
from impasto.errors import DataError

ALL_ALIKE = (
    "Most of these pictures are near copies of each other: some of those held out are nearly the same as "
    "some that are trained on, so new pictures cannot be told from copies."
)


@dataclass(frozen=True)
class Dataset:
    """The pictures of a folder at training size, some of them held out to measure with.

    Args:
        scan: What the folder holds, N pictures among it.
        pixels: The same N pictures, decoded.
        train_indices: Which of them to learn from, sorted.
        holdout_indices: Which of them to measure with, sorted.
        labels: The themes of all N pictures.
        data: The settings by which the folder was read.
        split_note: What a person should know of the split; empty where there is nothing.
    """

    scan: Scan
    pixels: Pixels
    train_indices: Indices
    holdout_indices: Indices
    labels: Themes
    data: DataConfig
    split_note: str = field(default="", kw_only=True)

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that change when any picture, its theme or the split does."""
        digest = hashlib.blake2b(digest_size=16)
        for index, picture in enumerate(self.scan.pictures):
            theme = ", ".join(self.labels.of(index)) or None
            digest.update(f"{picture.content_hash} {theme}\n".encode("utf-8", "backslashreplace"))
        digest.update(self.holdout_indices.tobytes())
        return digest.hexdigest()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how the folder was read: what was left out, and of its themes."""
        return tuple(note for note in (self.scan.report, self.split_note, *self.labels.notes) if note)

    @property
    def themes(self) -> tuple[str, ...]:
        """Names of the themes, sorted."""
        return self.labels.names

    @property
    def theme_matrix(self) -> Floats:
        """(N, T) float32: 1 where a picture of the folder has a theme. Rows go by `Batches`' indices."""
        return self.labels.matrix

    def themes_of(self, indices: Indices) -> Floats:
        """The rows (n, T) of `theme_matrix` of some pictures."""
        return np.asarray(self.theme_matrix[indices])

    @cached_property
    def palettes(self) -> Floats:
        """(N, K, 4) float32, read-only: the palette of each picture of the folder, as palettes.py says.

        Rows go by `Batches`' indices. Found once, in some seconds for thousands of pictures, and kept beside
        their pixels.
        """
        from impasto.data.palette_cache import open_palettes  # torch is slow to import

        return open_palettes(self.pixels, self.data.background)

    @property
    def mirror(self) -> bool:
        """Whether mirrored pictures are real ones too."""
        return self.data.mirror

    @cached_property
    def statistics(self) -> dict[str, Any]:
        """Counts, mean colour (red, green, blue in 0..1) and pictures per theme, ready for JSON."""
        pictures = self.scan.pictures
        return {
            "pictures": len(pictures),
            "train": len(self.train_indices),
            "holdout": len(self.holdout_indices),
            "rejected": len(self.scan.rejected),
            "ignored": self.scan.ignored,
            "mean_colour": [round(float(c), 4) for c in np.mean([p.mean_colour for p in pictures], axis=0)],
            "themes": self.labels.counts,
        }

    def about(self) -> dict[str, Any]:
        """What a model says of its pictures, ready for JSON."""
        return {
            "train_pictures": len(self.train_indices),
            "holdout_pictures": len(self.holdout_indices),
            "fingerprint": self.fingerprint,
            "themes": list(self.themes),
            "statistics": dict(self.statistics),
        }

    def batches(self, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> Batches:
        """Endless batches of the pictures to learn from, balanced as `data.balance` says.

        Args:
            batch_size: Pictures in a batch, over all processes; a multiple of `world`.
            seed: Decides the order, the windows and which pictures are mirrored.
            rank: Which process this is, from 0 to world - 1. It serves its part of each batch.
            world: How many processes share a batch.

        Raises:
            ValueError: `batch_size`, `rank` and `world` do not go together.
        """
        return Batches(
            self.pixels,
            self.train_indices,
            batch_size,
            seed,
            mirror=self.mirror,
            order=self.order(),
            rank=rank,
            world=world,
        )

    def order(self) -> Order:
        """In which order the pictures to learn from come, balanced as `data.balance` says."""
        balance = self.data.balance
        return Shuffled(
            self.train_indices, self.labels.weights(balance, self.train_indices) if balance else None
        )

    def train_array(self, indices: Indices | None = None) -> Bytes:
        """Pictures to learn from, by their place in `train_indices` (all by default): (n, H, W, C) uint8."""
        chosen = self.train_indices if indices is None else self.train_indices[indices]
        return self.pixels.take(chosen)

    def some_to_train_on(self, count: int, seed: int, of_each_theme: int = 0) -> Indices:
        """Up to `count` different pictures to learn from, drawn at random: their indices in the folder.

        At least so many `of_each_theme` are among them, or all it has: of a million pictures a few thousand
        may else have none of a rare one.
        """
        order = self.train_indices[np.random.default_rng(seed).permutation(len(self.train_indices))]
        return self.first_of(order, count, of_each_theme)

    def first_of(self, order: Indices, count: int, of_each_theme: int) -> Indices:
        """The first `count` of these pictures, so many `of_each_theme` among them: (n,) -> (<= count,)."""
        if len(order) <= count:
            return order
        has = self.themes_of(order) > 0
        needed = (has & (has.cumsum(0) <= of_each_theme)).any(1)
        others = ~needed & ((~needed).cumsum() <= count - needed.sum())
        some: Indices = order[needed | others][:count]
        return some

    def train_pixels(self, count: int, seed: int) -> Bytes:
        """The pictures of `some_to_train_on`: (n, H, W, C) uint8."""
        return self.pixels.take(self.some_to_train_on(count, seed))

    def holdout_windows(self, limit: int, size: int) -> Bytes:
        """The middles of up to `limit` held-out pictures: (n, S, S, C) uint8, S = `size` or what all have."""
        count = len(self.holdout_indices)
        chosen = np.linspace(0, count, min(limit, count), endpoint=False).astype(np.int64)
        pictures = [self.pixels.whole(int(i)) for i in self.holdout_indices[chosen]]
        side = min(size, *(min(p.shape[:2]) for p in pictures))
        corners = [((p.shape[0] - side) // 2, (p.shape[1] - side) // 2) for p in pictures]
        return np.stack([p[y : y + side, x : x + side] for p, (y, x) in zip(pictures, corners, strict=True)])

    def holdout_pixels(self, limit: int | None = None) -> Bytes:
        """Held-out pictures, spread evenly over the folder if `limit` is fewer: (n, H, W, C) uint8."""
        return self.pixels.take(self.some_held_out(limit))

    def some_held_out(self, limit: int | None = None) -> Indices:
        """The indices of the pictures that `holdout_pixels` gives."""
        count = len(self.holdout_indices)
        places = np.linspace(0, count, min(limit or count, count), endpoint=False).astype(np.int64)
        some: Indices = self.holdout_indices[places]
        return some


def scan_pictures(root: Path, data: DataConfig, image: ImageConfig, progress: Progress | None = None) -> Scan:
    """The pictures of a folder that training would use, held-out ones included.

    Args:
        root: The folder.
        data: What can be used: `min_side_px`, `max_pixels`, and whether `dedupe` leaves out copies.
        image: Its `size` is the least side where `data.fit` is "windows".
        progress: Told how many pictures are read; see `scan.Progress`. None tells nobody.

    Raises:
        DataError: There is no such folder, or nothing in it that can be used.
    """
    shortest = max(data.min_side_px, image.size) if data.fit == "windows" else data.min_side_px
    scan = scan_folder(root, min_side_px=shortest, max_pixels=data.max_pixels, progress=progress)
    if data.fit == "windows":
        scan = _without_small_drawings(scan, shortest)
    return drop_duplicates(scan) if data.dedupe else scan


def _without_small_drawings(scan: Scan, shortest: int) -> Scan:
    """A drawing has the pixels that it is rendered at; where its own size is taken that may be few."""
    small = [p for p in scan.pictures if min(p.width, p.height) < shortest]
    reason = f"is too small: at least {shortest} px are needed"
    left = tuple(p for p in scan.pictures if p not in small)
    if small and not left:
        raise DataError(f"none of the pictures in '{scan.root}' can be used: '{small[0].path}' {reason}")
    return replace(scan, pictures=left, rejected=(*scan.rejected, *(Rejected(p.path, reason) for p in small)))


def open_folder(
    root: Path, data: DataConfig, image: ImageConfig, *, seed: int, progress: Progress | None = None
) -> Dataset:
    """Read a folder of pictures; everything slow is done once and remembered.

    Args:
        root: The folder.
        data: How it is read, split and decoded.
        image: The training size and the channels.
        seed: Decides which pictures are held out.
        progress: Told how far each stage is; see `scan.Progress`. None tells nobody.

    Raises:
        DataError: The folder is absent, holds nothing usable or too little to train on, its themes cannot be
            read, or the cache cannot be written.
    """
    scan = scan_pictures(root, data, image, progress)
    # Themes and split first: they are quick, and a folder that is refused need not be decoded.
    labels = find_themes(scan, data)
    train, holdout, note = hold_out(scan, data, seed)
    pixels = open_pixels(scan, data, image, progress)
    return Dataset(scan, pixels, train, holdout, labels, data, split_note=note)


def hold_out(scan: Scan, data: DataConfig, seed: int) -> tuple[Indices, Indices, str]:
    """Train and hold-out indices of a folder's pictures, as `data` says, and what to know of the split.

    Where so many are alike that too few could be held out (frames of one film), only copies stay together.
    Raises `DataError`.
    """
    sizes = data.holdout_share, data.holdout_min_pictures
    hashes = [picture.content_hash for picture in scan.pictures]
    if data.together == "copies":
        return *split(hashes, *sizes, seed), ""
    try:
        return *split(find_groups(scan), *sizes, seed), ""
    except DataError:
        return *split(hashes, *sizes, seed), ALL_ALIKE
