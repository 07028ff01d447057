"""Shards become a data set: a million pictures start as fast as a thousand, and need no more memory.

Nothing here is as long as the set but two arrays of numbers. Pictures come in an order for which few shards
need to be open at a time: shards in a new order each epoch, and of `WINDOW` of them the pictures shuffled.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from impasto.config import DataConfig, ImageConfig
from impasto.data.batches import MIN_TRAIN_PICTURES, drawn_by_weight, split
from impasto.data.cache import Indices, Offsets
from impasto.data.folder import Dataset
from impasto.data.scan import Progress, Rejected, Scan
from impasto.data.shard_store import ShardedPixels, ShardStore, sharded_pixels
from impasto.data.shards import ShardSet, find_shards
from impasto.data.themes import Floats, Themes
from impasto.errors import DataError

WINDOW = 8  # shards
MOST_HELD_OUT = 2_000  # pictures: more are never measured with
SURVEYED = 8_000  # pictures, among which `some_to_train_on` looks for those of rare themes


class ByShards:
    """An `Order` of the pictures with these indices, sorted, of shards that begin at `bounds` (M + 1,).

    `weigh` says how often each of some pictures is to come, (n,) -> (n,), 1 on average.
    """

    def __init__(
        self, indices: Indices, bounds: Indices, weigh: Callable[[Indices], Offsets] | None = None
    ) -> None:
        self._indices, self._weigh = indices, weigh
        edges = np.searchsorted(indices, bounds)
        self._spans = np.stack((edges[:-1], edges[1:]), 1)
        self._spans = self._spans[self._spans[:, 1] > self._spans[:, 0]]
        self._epoch: tuple[int, int] | None = None
        self._shards, self._ends = self._spans, edges
        self._windows: dict[tuple[int, int, int], Indices] = {}

    def at(self, seed: int, epoch: int, places: Indices) -> Indices:
        """See `batches.Order.at`."""
        if self._epoch != (seed, epoch):
            order = np.random.default_rng([seed, epoch]).permutation(len(self._spans))
            self._shards, self._epoch = self._spans[order], (seed, epoch)
            sizes = np.cumsum(self._shards[:, 1] - self._shards[:, 0])
            self._ends = np.append(sizes[WINDOW - 1 :: WINDOW], sizes[-1:] if len(sizes) % WINDOW else [])
        result = np.empty_like(places)
        windows = np.searchsorted(self._ends, places, side="right")
        for window in np.unique(windows):
            here = windows == window
            begin = int(self._ends[window - 1]) if window else 0
            result[here] = self._window(seed, epoch, int(window))[places[here] - begin]
        return result

    def _window(self, seed: int, epoch: int, window: int) -> Indices:
        key = seed, epoch, window
        if key not in self._windows:
            spans = self._shards[window * WINDOW : (window + 1) * WINDOW]
            chosen = np.concatenate([self._indices[first:end] for first, end in spans])
            generator = np.random.default_rng([seed, epoch, window])
            if self._weigh is not None:
                chosen = chosen[drawn_by_weight(self._weigh(chosen), generator)]
            while len(self._windows) > 1:  # a batch lies in two of them at most, unless they are tiny
                self._windows.pop(next(iter(self._windows)))
            self._windows[key] = generator.permutation(chosen)
        return self._windows[key]


@dataclass(frozen=True)
class ShardedDataset(Dataset):
    """A `Dataset` whose pictures lie in shards; `labels` has the names of the themes, and no rows."""

    shards: ShardSet | None = None
    identities: tuple[str, ...] = ()
    """Of each shard its checksum, or of its pictures."""

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that change when any shard, the themes or the split do."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update("\n".join((*self.identities, "", *self.themes)).encode("utf-8", "backslashreplace"))
        digest.update(self.holdout_indices.tobytes())
        return digest.hexdigest()

    @property
    def _sharded(self) -> ShardedPixels:
        assert isinstance(self.pixels, ShardedPixels)
        return self.pixels

    @cached_property
    def theme_matrix(self) -> Floats:
        """See `Dataset.theme_matrix`; it opens every shard."""
        return self.themes_of(np.arange(len(self.pixels)))

    def themes_of(self, indices: Indices) -> Floats:
        """See `Dataset.themes_of`."""
        return self._sharded.themes(indices, self.themes)

    @cached_property
    def palettes(self) -> Floats:
        """See `Dataset.palettes`; it opens every shard."""
        return self._sharded.palettes(self.data.background)

    @cached_property
    def statistics(self) -> dict[str, Any]:
        """See `Dataset.statistics`; the mean colour is that of the index, if there is one."""
        assert self.shards is not None
        return {
            "pictures": len(self.pixels),
            "train": len(self.train_indices),
            "holdout": len(self.holdout_indices),
            "rejected": len(self.scan.rejected),
            "ignored": 0,
            "mean_colour": [round(c, 4) for c in self.shards.mean_colour],
            "themes": dict(self.shards.themes),
        }

    def order(self) -> ByShards:
        """See `Dataset.order`; `data.balance` holds within every `WINDOW` shards."""
        assert self._sharded.bounds is not None
        weigh = self._weights if self.data.balance else None
        return ByShards(self.train_indices, self._sharded.bounds, weigh)

    def _weights(self, indices: Indices) -> Offsets:
        rows = Themes(self.themes, self.themes_of(indices))
        return rows.weights(self.data.balance, np.arange(len(indices)))

    def some_to_train_on(self, count: int, seed: int, of_each_theme: int = 0) -> Indices:
        """See `Dataset.some_to_train_on`; of packed shards, in random order, the first are looked at."""
        assert self.shards is not None
        candidates = self.train_indices
        if self.shards.indexed:
            candidates = candidates[: max(count, SURVEYED if of_each_theme and self.themes else 0)]
        order = candidates[np.random.default_rng(seed).permutation(len(candidates))]
        return self.first_of(order, count, of_each_theme)


def open_shards(
    place: str, data: DataConfig, image: ImageConfig, *, seed: int, progress: Progress | None = None
) -> ShardedDataset:
    """Open a set of shards; with an index this takes as long for a million pictures as for a thousand.

    The first pictures of packed shards are held out, a tenth or `MOST_HELD_OUT`. Shards without an index are
    read through at the first start. Raises `DataError` for what cannot be used.
    """
    found = find_shards(place)
    if data.themes not in ("folders", "none"):
        raise DataError(
            f"the themes of shards are in them, and data.themes is '{data.themes}'",
            f"impasto pack DIR --themes {data.themes} puts them there; or data.themes=none",
        )
    if data.dedupe:
        raise DataError("copies are left out before shards are made", "impasto pack DIR --dedupe")
    shortest = max(data.min_side_px, image.size if data.fit == "windows" else 1)
    if found.indexed and found.shortest_side_px < shortest:
        raise DataError(
            f"a picture in these shards has {found.shortest_side_px} px, and {shortest} are needed",
            f"impasto pack DIR --min-side {shortest}",
        )
    store = ShardStore(found.shards, data, image)
    if found.indexed:
        pixels = sharded_pixels(store, [shard.pictures or 0 for shard in found.shards])
        train, holdout = _first_held_out(pixels, data, place)
        identities: Sequence[str] = [shard.sha256 or "" for shard in found.shards]
        rejected: list[Rejected] = []
    else:
        found, pixels, hashes, rejected = _read_through(found, store, progress)
        if not hashes:
            why = f": '{rejected[0].path}' {rejected[0].reason}" if rejected else ""
            raise DataError(f"no picture in '{place}' can be used{why}", "a shard holds picture files")
        train, holdout = split(hashes, data.holdout_share, data.holdout_min_pictures, seed)
        identities = hashes
    names = () if data.themes == "none" else _kept(found, data)
    found = replace(found, themes={name: found.themes[name] for name in names})
    labels = Themes(names, np.empty((0, len(names)), np.float32))
    scan = Scan(Path(place), (), tuple(rejected), 0)
    return ShardedDataset(scan, pixels, train, holdout, labels, data, found, tuple(identities))


def count_pictures(place: str) -> int | None:
    """How many pictures are in a set of shards; None where no index says so."""
    found = find_shards(place)
    return found.pictures if found.indexed else None


def _first_held_out(pixels: ShardedPixels, data: DataConfig, place: str) -> tuple[Indices, Indices]:
    """Train and hold-out indices: the first ones are held out, whose order their contents decided."""
    count, least = len(pixels), data.holdout_min_pictures
    if count < least + MIN_TRAIN_PICTURES:
        raise DataError(
            f"'{place}' has {count} pictures, and at least {least + MIN_TRAIN_PICTURES} are needed",
            f"add pictures, or hold fewer out: data.holdout_min_pictures is {least}",
        )
    wanted = max(least, min(round(data.holdout_share * count), MOST_HELD_OUT))
    wanted = min(wanted, count - MIN_TRAIN_PICTURES)
    last, *further = _hashes_from(pixels, wanted - 1)
    for content in further:  # copies lie side by side: all of them are on one side
        if content != last:
            break
        wanted += 1
    return np.arange(wanted, count, dtype=np.int64), np.arange(wanted, dtype=np.int64)


def _hashes_from(pixels: ShardedPixels, index: int) -> Iterator[str]:
    """The contents from a picture on, until its shard ends."""
    opened, inside, _ = next(pixels.parts(np.array([index], np.int64)))
    yield from opened.hashes[int(inside[0]) :]


def _read_through(
    found: ShardSet, store: ShardStore, progress: Progress | None
) -> tuple[ShardSet, ShardedPixels, list[str], list[Rejected]]:
    """Open each shard once to see what is in it."""
    counts: list[int] = []
    hashes: list[str] = []
    rejected: list[Rejected] = []
    themes: dict[str, int] = {}
    for number in range(len(found.shards)):
        opened = store.open(number)
        counts.append(len(opened.hashes))
        hashes += opened.hashes
        rejected += [Rejected(f"{found.shards[number].name}:{n}", reason) for n, reason in opened.rejected]
        for names in opened.themes:
            for name in names:
                themes[name] = themes.get(name, 0) + 1
        if progress:
            progress("reading shards", number + 1, len(found.shards))
    return replace(found, themes=themes), sharded_pixels(store, counts), hashes, rejected


def _kept(found: ShardSet, data: DataConfig) -> tuple[str, ...]:
    kept = tuple(sorted(name for name, count in found.themes.items() if count >= data.theme_min_pictures))
    if found.themes and not kept:
        raise DataError(
            f"none of the {len(found.themes)} themes has {data.theme_min_pictures} pictures",
            "lower data.theme_min_pictures",
        )
    return kept
