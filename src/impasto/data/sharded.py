"""Shards become a data set: a million pictures start as fast as a thousand, and need no more memory.

A shard is decoded when one of its pictures is needed, and mapped from the cache then. Nothing here is as long
as the set but two arrays of numbers. Pictures come in an order for which few shards need to be open at once:
shards in a new order each epoch, and of `WINDOW` of them the pictures shuffled.
"""

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from impasto.config.shared import DataConfig, ImageConfig
from impasto.data import cache
from impasto.data.batches import MIN_TRAIN_PICTURES, drawn_by_weight, split
from impasto.data.cache import Bytes, Indices, Offsets, Pixels
from impasto.data.fetching import fetch, is_remote
from impasto.data.folder import Dataset
from impasto.data.scan import Progress, Rejected, Scan, content_hash, in_threads
from impasto.data.shards import Sample, Shard, ShardSet, checksum, samples_in
from impasto.data.themes import Floats, Themes, kept_names, make_themes
from impasto.errors import DataError, ImageError
from impasto.files import cache_folder, temporary_folder
from impasto.image import codec

WINDOW = 8  # shards
MOST_OPEN = 16  # shards mapped at a time: what is mapped and looked at is memory, too
MOST_HELD_OUT = 2_000  # pictures: more are never measured with
SURVEYED = 8_000  # pictures, among which `some_to_train_on` looks for those of rare themes
_ABOUT = "samples.json"
_LOCKS = 16


@dataclass(frozen=True)
class Opened:
    """One shard: its pictures, and of each a hash of the file and its themes."""

    pixels: Pixels
    hashes: Sequence[str]
    themes: Sequence[Sequence[str]]
    rejected: Sequence[tuple[str, str]]
    """Name and reason of what was left out."""


class ShardedPixels(Pixels):
    """Pictures of shards by their number in the whole set; `bounds` (M + 1,) has the first of each shard.

    A shard is decoded when one of its pictures is needed, and few are open at a time, so memory does not grow
    with the set. Methods raise `DataError` where a shard is absent, cut off, or not what its index says.
    """

    def __init__(self, shards: Sequence[Shard], data: DataConfig, image: ImageConfig) -> None:
        super().__init__(np.empty(0, np.uint8), image.size, image.channels, width=image.width)
        self.shards, self.data, self.image = list(shards), data, image
        self.open = functools.lru_cache(MOST_OPEN)(self._opened)
        self.bounds: Indices = np.cumsum([0, *(shard.pictures or 0 for shard in shards)], dtype=np.int64)

    def __len__(self) -> int:
        return int(self.bounds[-1])

    def read_through(self, progress: Progress | None) -> tuple[list[str], Counter[str], list[Rejected]]:
        """Look into shards that have no index: hashes, counts of themes, and what is left out."""
        counts, hashes, rejected = [0], list[str](), list[Rejected]()
        themes = Counter[str]()
        for number, shard in enumerate(self.shards):
            opened = self.open(number)
            counts.append(len(opened.hashes))
            hashes += opened.hashes
            themes.update(name for names in opened.themes for name in names)
            rejected += [Rejected(f"{shard.name}:{name}", reason) for name, reason in opened.rejected]
            if progress:
                progress("reading shards", number + 1, len(self.shards))
        self.bounds = np.cumsum(counts, dtype=np.int64)
        return hashes, themes, rejected

    def take(self, indices: Indices, offsets: Offsets | None = None) -> Bytes:
        """See `Pixels.take`."""
        result = np.empty((len(indices), *self.window, self.channels), np.uint8)
        for opened, inside, rows in self.parts(indices):
            result[rows] = opened.pixels.take(inside, None if offsets is None else offsets[rows])
        return result

    def whole(self, index: int) -> Bytes:
        """See `Pixels.whole`."""
        opened, inside, _ = next(self.parts(np.array([index], np.int64)))
        return np.array(opened.pixels.whole(int(inside[0])))

    def parts(self, indices: Indices) -> Iterator[tuple[Opened, Indices, Indices]]:
        """Shard by shard: the shard, which pictures of it are meant, and their rows in `indices`."""
        numbers = np.searchsorted(self.bounds, indices, side="right") - 1
        for number in np.unique(numbers):
            rows = np.flatnonzero(numbers == number)
            yield self.open(int(number)), indices[rows] - self.bounds[number], rows

    def _opened(self, number: int) -> Opened:
        """A shard, decoded now where no earlier start did that."""
        shard, here, root = self.shards[number], None, cache_folder() / "pixels"
        with ExitStack() as stack:
            if not shard.sha256 and is_remote(shard.place):  # nobody knows yet what is there now
                here = _at_hand(shard, stack)
                shard = self.shards[number] = shard.model_copy(update={"sha256": checksum(here)})
            identity = shard.sha256 or _as_it_is_now(Path(shard.place))
            folder = root / cache.key_of(["shard", identity], self.data, self.image)

            def is_whole() -> bool:
                return self._load(folder, shard) is not None

            found = self._load(folder, shard)
            if found is None:
                root.mkdir(parents=True, exist_ok=True)
                # Processes of one run ask for the same shards at a time: one of them does the work.
                with FileLock(root / f".shards-{int(folder.name, 16) % _LOCKS}.lock"):
                    if not is_whole():
                        write = functools.partial(self._write, shard, here or _at_hand(shard, stack))
                        cache.build(folder, write, is_whole)
                found = self._load(folder, shard)
        if found is None:
            raise DataError(f"the cache '{folder}' cannot be read back", "remove that folder and try again")
        return found

    def _load(self, folder: Path, shard: Shard) -> Opened | None:
        try:
            about = json.loads((folder / _ABOUT).read_bytes())
            hashes, themes, rejected = about["hashes"], about["themes"], about["rejected"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        image = self.image
        none = np.empty((0, *image.shape, image.channels), np.uint8)
        pixels: Pixels | None = Pixels(none, image.size, image.channels, width=image.width)
        if hashes:
            pixels = cache.load(folder, len(hashes), self.data, self.image)
        if pixels is None or shard.pictures not in (None, len(hashes)):
            return None
        return Opened(pixels, hashes, themes, rejected)

    def _write(self, shard: Shard, path: Path, folder: Path) -> None:
        hashes, themes, rejected = list[str](), list[Sequence[str]](), list[tuple[str, str]]()

        def usable() -> Iterator[Bytes]:
            for sample, pixels in in_threads(self._decoded, samples_in(path, shard.place)):
                if not isinstance(pixels, str):
                    hashes.append(content_hash(sample.picture))
                    themes.append(sample.themes)
                    yield pixels
                elif shard.pictures is None:
                    rejected.append((sample.name, pixels))
                else:  # it was looked at when it was packed
                    raise DataError(f"'{sample.name}' in the shard '{shard.place}' {pixels}")

        cache.stream(folder, usable())
        if shard.pictures not in (None, len(hashes)):
            raise DataError(
                f"the shard '{shard.place}' has {len(hashes)} pictures, and the index says {shard.pictures}",
                "pack the folder again",
            )
        about = {"hashes": hashes, "themes": themes, "rejected": rejected}
        (folder / _ABOUT).write_text(json.dumps(about))

    def _decoded(self, sample: Sample) -> tuple[Sample, Bytes | str]:
        """The sample with its pixels, or with the reason why it has none."""
        shortest = max(self.data.min_side_px, self.image.size if self.data.fit == "windows" else 0)
        try:
            pixels = cache.fitted(sample.picture, self.data, self.image)
            header = codec.header(sample.picture)
        except ImageError as error:
            return sample, error.message
        small = any(side < least for side, least in zip(pixels.shape, self.image.shape, strict=False))
        if small or min(header.width, header.height) < shortest:
            return sample, f"is too small: at least {shortest} px are needed"
        return sample, pixels


def _as_it_is_now(path: Path) -> str:
    """What a file on this disk is known by where no index has its checksum."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"the shard '{path}' cannot be read: {error.strerror}") from None
    return repr((str(path.resolve()), status.st_size, status.st_mtime_ns))


def _at_hand(shard: Shard, stack: ExitStack) -> Path:
    """A file with what is in a shard, as long as `stack` is open. Raises `DataError`."""
    path = Path(shard.place)
    try:
        if is_remote(shard.place):
            folder = temporary_folder(cache_folder() / "pixels" / "fetched")
            path = stack.enter_context(folder) / "shard.tar"
            fetch(shard.place, path, shard.bytes)
        digest = shard.sha256 and checksum(path)
    except OSError as error:
        raise DataError(f"the shard '{shard.place}' cannot be read: {error.strerror or error}") from None
    if digest != shard.sha256:
        raise DataError(
            f"the shard '{shard.place}' is not what the index says: its checksum differs",
            "it is damaged or another one: copy it again, or remove it and pack the folder again",
        )
    return path


class ByShards:
    """An `Order` of the pictures with these indices, sorted, of shards that begin at `bounds` (M + 1,).

    `weigh` says how often each of some pictures is to come, (n,) -> (n,), 1 on average.
    """

    def __init__(
        self, indices: Indices, bounds: Indices, weigh: Callable[[Indices], Offsets] | None = None
    ) -> None:
        self._indices, self._weigh = indices, weigh
        edges = np.searchsorted(indices, bounds)
        spans = np.stack((edges[:-1], edges[1:]), 1)
        self._spans = spans[spans[:, 1] > spans[:, 0]]
        self._epoch = functools.lru_cache(1)(self._make_epoch)
        # A batch lies in two windows at most, unless they are tiny.
        self._window = functools.lru_cache(2)(self._make_window)

    def at(self, seed: int, epoch: int, places: Indices) -> Indices:
        """See `batches.Order.at`."""
        _, begins = self._epoch(seed, epoch)
        result = np.empty_like(places)
        windows = np.searchsorted(begins, places, side="right") - 1
        for window in np.unique(windows):
            here = windows == window
            result[here] = self._window(seed, epoch, int(window))[places[here] - begins[window]]
        return result

    def _make_epoch(self, seed: int, epoch: int) -> tuple[Indices, Indices]:
        """The shards in their order, and the places at which windows begin."""
        shards = self._spans[np.random.default_rng([seed, epoch]).permutation(len(self._spans))]
        begins = np.cumsum([0, *(shards[:, 1] - shards[:, 0])[:-1]], dtype=np.int64)
        return shards, begins[::WINDOW]

    def _make_window(self, seed: int, epoch: int, window: int) -> Indices:
        spans = self._epoch(seed, epoch)[0][window * WINDOW : (window + 1) * WINDOW]
        chosen = np.concatenate([self._indices[first:end] for first, end in spans])
        generator = np.random.default_rng([seed, epoch, window])
        if self._weigh is not None:
            chosen = chosen[drawn_by_weight(self._weigh(chosen), generator)]
        return generator.permutation(chosen)


@dataclass(frozen=True)
class ShardedDataset(Dataset):
    """A `Dataset` whose pictures lie in shards; `labels` has the names of the themes, and no rows."""

    pixels: ShardedPixels
    shards: ShardSet
    theme_counts: Counter[str]
    identities: Sequence[str]
    """Of each shard its checksum, or of its pictures."""

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that change when any shard, the themes or the split do."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update("\n".join((*self.identities, "", *self.themes)).encode("utf-8", "backslashreplace"))
        digest.update(self.holdout_indices.tobytes())
        return digest.hexdigest()

    @cached_property
    def theme_matrix(self) -> Floats:
        """See `Dataset.theme_matrix`; it opens every shard."""
        return self.themes_of(np.arange(len(self.pixels)))

    def themes_of(self, indices: Indices) -> Floats:
        """See `Dataset.themes_of`."""
        result = np.zeros((len(indices), len(self.themes)), np.float32)
        for opened, inside, rows in self.pixels.parts(indices):
            result[rows] = make_themes([opened.themes[i] for i in inside], self.themes).matrix
        return result

    @cached_property
    def palettes(self) -> Floats:
        """See `Dataset.palettes`; it opens every shard."""
        from impasto.data.palette_cache import open_palettes  # torch is slow to import

        every = map(self.pixels.open, range(len(self.pixels.shards)))
        return np.concatenate([open_palettes(shard.pixels, self.data.background) for shard in every])

    @cached_property
    def statistics(self) -> dict[str, Any]:
        """See `Dataset.statistics`; the mean colour is that of the index, if there is one."""
        return {
            "pictures": len(self.pixels),
            "train": len(self.train_indices),
            "holdout": len(self.holdout_indices),
            "rejected": len(self.scan.rejected),
            "ignored": 0,
            "mean_colour": [round(c, 4) for c in self.shards.mean_colour],
            "themes": {name: self.theme_counts[name] for name in self.themes},
        }

    def order(self) -> ByShards:
        """See `Dataset.order`; `data.balance` holds within every `WINDOW` shards."""
        return ByShards(self.train_indices, self.pixels.bounds, self._weights if self.data.balance else None)

    def _weights(self, indices: Indices) -> Offsets:
        rows = Themes(self.themes, self.themes_of(indices))
        return rows.weights(self.data.balance, np.arange(len(indices)))

    def some_to_train_on(self, count: int, seed: int, of_each_theme: int = 0) -> Indices:
        """See `Dataset.some_to_train_on`; of packed shards, in random order, the first are looked at."""
        candidates = self.train_indices
        if self.shards.indexed:
            candidates = candidates[: max(count, SURVEYED if of_each_theme and self.themes else 0)]
        order = candidates[np.random.default_rng(seed).permutation(len(candidates))]
        return self.first_of(order, count, of_each_theme)


def open_shards(
    found: ShardSet, place: str, data: DataConfig, image: ImageConfig, seed: int, progress: Progress | None
) -> ShardedDataset:
    """Open shards as a data set. With an index a million pictures take as long as a thousand.

    The first pictures of packed shards are held out: the share that `data` says, at most
    `MOST_HELD_OUT`. Shards without an index are read through at the first start, and split like a folder.

    Args:
        found: The shards, from `shards.find_shards`.
        place: What the user called them. Messages name it.
        data: How they are split and decoded. `themes` must be "folders" or "none", `dedupe` false.
        image: The training size and the channels.
        seed: Decides which pictures of shards without an index are held out.
        progress: Told how many shards without an index are read; see `scan.Progress`. None tells nobody.

    Raises:
        DataError: `data` asks for what shards cannot do, their pictures are too small or too few, or a shard
            is absent or damaged.
    """
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
    pixels, rejected = ShardedPixels(found.shards, data, image), list[Rejected]()
    if found.indexed:
        train, holdout = _first_held_out(pixels, data, place)
        identities, counts = [shard.sha256 for shard in found.shards], Counter(found.themes)
    else:
        identities, counts, rejected = pixels.read_through(progress)
        if not identities:
            why = f": '{rejected[0].path}' {rejected[0].reason}" if rejected else ""
            raise DataError(f"no picture in '{place}' can be used{why}", "a shard holds picture files")
        train, holdout = split(identities, data.holdout_share, data.holdout_min_pictures, seed)
    names = () if data.themes == "none" else tuple(kept_names(counts, data))
    labels = Themes(names, np.empty((0, len(names)), np.float32))
    scan = Scan(Path(place), (), tuple(rejected), 0)
    return ShardedDataset(scan, pixels, train, holdout, labels, data, found, counts, identities)


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
    # Copies lie side by side: all of them, as far as this shard goes, are on one side.
    opened, inside, _ = next(pixels.parts(np.array([wanted - 1], np.int64)))
    last, *further = opened.hashes[int(inside[0]) :]
    wanted += sum(1 for _ in takewhile(lambda content: content == last, further))
    return np.arange(wanted, count, dtype=np.int64), np.arange(wanted, dtype=np.int64)
