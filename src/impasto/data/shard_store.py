"""Shards at training size: decoded when a picture is first asked for, mapped from the cache then."""

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from impasto import images
from impasto.config import DataConfig, ImageConfig
from impasto.data import cache
from impasto.data.cache import Bytes, Indices, Offsets, Pixels
from impasto.data.fetching import fetch, is_remote
from impasto.data.scan import content_hash, in_threads
from impasto.data.shards import Sample, Shard, checksum, samples_in
from impasto.data.themes import Floats, make_themes
from impasto.errors import DataError, ImageError
from impasto.files import cache_folder, temporary_folder

MOST_OPEN = 16  # shards mapped at a time: what is mapped and looked at is memory, too
_ABOUT = "samples.json"
_LOCKS = 16


@dataclass(frozen=True)
class Opened:
    """One shard: its pictures, and of each a hash of the file and its themes."""

    pixels: Pixels
    hashes: Sequence[str]
    themes: Sequence[tuple[str, ...]]
    rejected: Sequence[tuple[str, str]]
    """Name and reason of what was left out."""


class ShardStore:
    """The shards of a set, opened when needed; few are open at a time, so memory does not grow with the set.

    `open` raises `DataError` where a shard is absent, cut off, or not what its index says.
    """

    def __init__(self, shards: Sequence[Shard], data: DataConfig, image: ImageConfig) -> None:
        self.shards, self.data, self.image = shards, data, image
        self._open: OrderedDict[int, Opened] = OrderedDict()
        self._digests: dict[str, str] = {}  # of what was fetched without an index

    def open(self, number: int) -> Opened:
        """A shard, decoded now where no earlier start did that."""
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        opened = self._opened(self.shards[number])
        self._open[number] = opened
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
        return opened

    def _opened(self, shard: Shard) -> Opened:
        known = shard.sha256 or self._digests.get(shard.place)
        if known is None and is_remote(shard.place):  # without an index nobody knows what is there now
            with _at_hand(shard, None) as (path, digest):
                self._digests[shard.place] = digest
                return self._cached(digest, shard, path)
        return self._cached(known or _as_it_is_now(shard), shard, None)

    def _cached(self, contents: str, shard: Shard, path: Path | None) -> Opened:
        """A shard of these contents, which lie in `path` or are still to be fetched."""
        root = cache_folder() / "pixels"
        folder = root / cache.key_of(["shard", contents], self.data, self.image)
        found = self._load(folder, shard)
        if found is not None:
            return found
        root.mkdir(parents=True, exist_ok=True)

        def write(building: Path) -> None:
            if path is not None:
                return self._write(building, shard, path)
            with _at_hand(shard, shard.sha256 or self._digests.get(shard.place)) as (here, _):
                return self._write(building, shard, here)

        # Processes of one run ask for the same shards at the same time: one of them does the work.
        with FileLock(root / f".shards-{int(folder.name, 16) % _LOCKS}.lock"):
            found = self._load(folder, shard)
            if found is None:
                cache.build(folder, write, lambda: self._load(folder, shard) is not None)
                found = self._load(folder, shard)
        if found is None:
            raise DataError(f"the cache '{folder}' cannot be read back", "remove that folder and try again")
        return found

    def _load(self, folder: Path, shard: Shard) -> Opened | None:
        try:
            about = json.loads((folder / _ABOUT).read_bytes())
            hashes, themes = list(about["hashes"]), [tuple(names) for names in about["themes"]]
            rejected = [(str(name), str(reason)) for name, reason in about["rejected"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not hashes:
            empty = np.empty((0, self.image.size, self.image.size, self.image.channels), np.uint8)
            return Opened(Pixels(empty, self.image.size, self.image.channels), (), (), rejected)
        pixels = cache.load(folder, len(hashes), self.data, self.image)
        if pixels is None or shard.pictures not in (None, len(hashes)):
            return None
        return Opened(pixels, hashes, themes, rejected)

    def _write(self, folder: Path, shard: Shard, path: Path) -> None:
        hashes: list[str] = []
        themes: list[tuple[str, ...]] = []
        rejected: list[tuple[str, str]] = []

        def usable() -> Iterator[Bytes]:
            for sample, pixels in in_threads(self._decoded, samples_in(path, shard.place)):
                if isinstance(pixels, str):
                    if shard.pictures is not None:  # it was looked at when it was packed
                        raise DataError(f"'{sample.name}' in the shard '{shard.place}' {pixels}")
                    rejected.append((sample.name, pixels))
                    continue
                hashes.append(content_hash(sample.picture))
                themes.append(sample.themes)
                yield pixels

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
            header = images.header(sample.picture)
        except ImageError as error:
            return sample, error.message
        if min(header.width, header.height) < shortest or min(pixels.shape[:2]) < self.image.size:
            return sample, f"is too small: at least {shortest} px are needed"
        return sample, pixels


def _as_it_is_now(shard: Shard) -> str:
    """What a file on this disk is known by where no index has its checksum."""
    try:
        status = Path(shard.place).stat()
    except OSError as error:
        raise DataError(f"the shard '{shard.place}' cannot be read: {error.strerror}") from None
    return repr((str(Path(shard.place).resolve()), status.st_size, status.st_mtime_ns))


@contextmanager
def _at_hand(shard: Shard, expected: str | None) -> Iterator[tuple[Path, str]]:
    """A file with what is in a shard, and its SHA-256 where that was needed. Raises `DataError`."""
    path = Path(shard.place)
    try:
        with ExitStack() as stack:
            if is_remote(shard.place):
                place = cache_folder() / "pixels" / "fetched"
                path = stack.enter_context(temporary_folder(place)) / "shard.tar"
                digest = fetch(shard.place, path, shard.bytes)
            else:
                digest = checksum(path) if expected is not None else ""
            if expected is not None and digest != expected:
                raise DataError(
                    f"the shard '{shard.place}' is not what the index says: its checksum differs",
                    "it is damaged or another one: copy it again, or remove it and pack the folder again",
                )
            yield path, digest
    except OSError as error:
        raise DataError(f"the shard '{shard.place}' cannot be read: {error.strerror or error}") from None


@dataclass(frozen=True)
class ShardedPixels(Pixels):
    """Pictures of a store by their number in the whole set; `bounds` (M + 1,) has the first of each shard."""

    store: ShardStore | None = None
    bounds: Indices | None = None

    def __len__(self) -> int:
        assert self.bounds is not None
        return int(self.bounds[-1])

    def take(self, indices: Indices, offsets: Offsets | None = None) -> Bytes:
        """See `Pixels.take`."""
        result = np.empty((len(indices), self.size, self.size, self.channels), np.uint8)
        for opened, inside, rows in self.parts(indices):
            result[rows] = opened.pixels.take(inside, None if offsets is None else offsets[rows])
        return result

    def whole(self, index: int) -> Bytes:
        """See `Pixels.whole`."""
        opened, inside, _ = next(self.parts(np.array([index], np.int64)))
        return np.array(opened.pixels.whole(int(inside[0])))

    def parts(self, indices: Indices) -> Iterator[tuple[Opened, Indices, Indices]]:
        """Shard by shard: the shard, which pictures of it are meant, and their rows in `indices`."""
        assert self.bounds is not None
        assert self.store is not None
        numbers = np.searchsorted(self.bounds, indices, side="right") - 1
        for number in np.unique(numbers):
            rows = np.flatnonzero(numbers == number)
            yield self.store.open(int(number)), indices[rows] - self.bounds[number], rows

    def themes(self, indices: Indices, names: Sequence[str]) -> Floats:
        """(n, T) float32: 1 where a picture has one of the themes with these names."""
        result = np.zeros((len(indices), len(names)), np.float32)
        for opened, inside, rows in self.parts(indices):
            result[rows] = make_themes([opened.themes[i] for i in inside], names).matrix
        return result

    def palettes(self, background: str) -> Floats:
        """(N, K, 4) float32 of all pictures; see `palette_cache.open_palettes`."""
        from impasto.data.palette_cache import open_palettes  # torch is slow to import

        assert self.store is not None
        found = [open_palettes(self.store.open(n).pixels, background) for n in range(len(self.store.shards))]
        return np.concatenate(found)


def sharded_pixels(store: ShardStore, counts: Sequence[int]) -> ShardedPixels:
    """The pictures of shards that have so many each."""
    bounds = np.concatenate(([0], np.cumsum(np.array(counts, np.int64)))).astype(np.int64)
    return ShardedPixels(
        np.empty(0, np.uint8), store.image.size, store.image.channels, store=store, bounds=bounds
    )
