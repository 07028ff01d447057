"""Pictures that come one after the other, nobody knows how many, become shards of the same kind.

A folder is put in order before it is packed; a stream cannot be. Of it a uniform sample is kept in memory,
the pictures with the smallest lots, and becomes the first shards, which are held out and surveyed. The others
are dealt out by their lots to several shards that are open at once, so that what arrives sorted is mixed.
"""

import heapq
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from impasto import images
from impasto.config import DataConfig
from impasto.data.packing import AT_ONCE, PER_SHARD, Packed, descriptions, lot, remove_shards
from impasto.data.scan import Picture, Progress, Rejected, examine, in_threads
from impasto.data.shards import INDEX, Shard, ShardSet, add_sample, checksum, index_text
from impasto.errors import DataError, ImageError
from impasto.files import sweep, temporary_folder, write_bytes_atomically

OPEN = 8  # shards
SAMPLE_PICTURES, SAMPLE_BYTES = 10_000, 256 * 2**20


@dataclass(frozen=True)
class Incoming:
    """One picture: what it is called, the bytes of its file, its themes."""

    name: str
    picture: bytes
    themes: tuple[str, ...]


class _Shards:
    """Tar files that are being written in a folder."""

    def __init__(self, folder: Path, per_shard: int) -> None:
        self.folder, self.per_shard = folder, per_shard
        self.done: list[tuple[Path, int]] = []
        self._open: dict[int, tuple[Path, tarfile.TarFile, int]] = {}

    def add(self, row: int, suffix: str, raw: bytes, about: dict[str, Any]) -> None:
        """Write a picture to the open shard of this row."""
        if row not in self._open:
            path = self.folder / f"part-{len(self.done) + len(self._open):06}-{row}.tar"
            tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - `close` does it
            self._open[row] = path, tar, 0
        path, tar, count = self._open[row]
        add_sample(tar, (f"{path.stem}-{count:06}", suffix, raw, about))
        self._open[row] = path, tar, count + 1
        if count + 1 == self.per_shard:
            self._close(row)

    def close(self) -> None:
        """End all that are open."""
        for row in list(self._open):
            self._close(row)

    def _close(self, row: int) -> None:
        path, tar, count = self._open.pop(row)
        tar.close()
        self.done.append((path, count))


def pack_stream(
    arriving: Iterable[Incoming],
    out: Path,
    data: DataConfig,
    *,
    per_shard: int = PER_SHARD,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Packed:
    """Write pictures to shards in a new folder, with an index. Memory does not grow with their number.

    What cannot be used is left out and named. The folder appears when all is in it: what was interrupted
    begins anew. With `overwrite` it takes the place of other shards. Raises `DataError` where it exists
    already, or where no picture came.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not (out / INDEX).is_file():
            raise DataError(f"'{out}' is there already", "choose a new folder for --out")
        if not overwrite:
            raise DataError(
                f"'{out}' holds shards already", "--overwrite replaces them; or choose a new folder for --out"
            )
    try:
        sweep(out.parent)
        with temporary_folder(out) as building:
            found, rejected = _write(arriving, building, out, data, per_shard, progress)
            if overwrite and (out / INDEX).is_file():
                remove_shards(out)
            if out.exists():
                out.rmdir()
            building.rename(out)
    except OSError as error:
        raise DataError(f"the shards cannot be written to '{out}': {error.strerror or error}") from None
    return Packed(out, found, len(found.shards), tuple(rejected))


def _write(
    arriving: Iterable[Incoming],
    folder: Path,
    out: Path,
    data: DataConfig,
    per_shard: int,
    progress: Progress | None,
) -> tuple[ShardSet, list[Rejected]]:
    rejected: list[Rejected] = []
    themes: dict[str, int] = {}
    colour, shortest, count, size = np.zeros(3), 0, 0, 0
    # A heap whose first is the largest lot; the count keeps copies apart.
    sample: list[tuple[int, int, str, bytes, dict[str, Any]]] = []
    with closing(_Shards(folder, per_shard)) as first, closing(_Shards(folder, per_shard)) as others:
        for picture, own, raw, about in _described(arriving, data, rejected):
            count += 1
            colour += picture.mean_colour
            shortest = min(shortest or picture.width, picture.width, picture.height)
            themes |= {name: themes.get(name, 0) + 1 for name in own}
            heapq.heappush(sample, (-int(lot(picture), 16), -count, _suffix(picture), raw, about))
            size += len(raw)
            while len(sample) > SAMPLE_PICTURES or (size > SAMPLE_BYTES and len(sample) > 1):
                number, _, suffix, out_raw, out_about = heapq.heappop(sample)
                size -= len(out_raw)
                others.add(-number % OPEN, suffix, out_raw, out_about)
            if progress:
                progress("packing pictures", count, 0)
        if not count:
            why = f": '{rejected[0].path}' {rejected[0].reason}" if rejected else ""
            raise DataError(f"no picture that can be used came{why}")
        others.close()
        for _, _, suffix, raw, about in sorted(sample, key=lambda kept: (-kept[0], -kept[1])):
            first.add(OPEN, suffix, raw, about)
        first.close()
    mixed = [others.done[i] for i in np.random.default_rng(0).permutation(len(others.done))]
    shards = []
    for number, (path, here) in enumerate((*first.done, *mixed)):
        named = path.rename(folder / f"shard-{number:06}.tar")
        shards.append(
            Shard(f"{out}/{named.name}", here, named.stat().st_size, digest := checksum(named), digest[:32])
        )
    mean = tuple((colour / count).tolist())
    found = ShardSet(str(out), tuple(shards), True, dict(sorted(themes.items())), mean, shortest)
    write_bytes_atomically(folder / INDEX, index_text(found))
    return found, rejected


def _described(
    arriving: Iterable[Incoming], data: DataConfig, rejected: list[Rejected]
) -> Iterator[tuple[Picture, tuple[str, ...], bytes, dict[str, Any]]]:
    """Of each picture that can be used: what it is, its themes, its file, what shards say of it."""

    def look(one: Incoming) -> tuple[Incoming, Picture | str]:
        try:
            return one, examine(one.picture, one.name, data.min_side_px, data.max_pixels)
        except ImageError as error:
            return one, error.message

    iterator = iter(arriving)
    while batch := list(islice(iterator, AT_ONCE)):
        usable: list[tuple[Incoming, Picture]] = []
        for one, found in in_threads(look, batch):
            if isinstance(found, str):
                rejected.append(Rejected(one.name, found))
            else:
                usable.append((one, found))
        if not usable:
            continue
        raws = [one.picture for one, _ in usable]
        about = descriptions(raws, [(picture, one.themes) for one, picture in usable], data)
        for (one, picture), said in zip(usable, about, strict=True):
            yield picture, one.themes, one.picture, said


def _suffix(picture: Picture) -> str:
    own = PurePosixPath(picture.path).suffix.lower()
    if own in images.SUFFIXES:
        return own
    return f".{picture.format}" if f".{picture.format}" in images.SUFFIXES else ".png"
