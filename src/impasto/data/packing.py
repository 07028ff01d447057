"""Pictures become shards: `impasto pack`.

They are put in an order that their contents decide and nobody can see: each shard is a sample of the whole,
the first ones can be held out, and copies lie side by side. The lots of a folder's pictures are known before
the first shard is written. A stream, nobody knows how long, is put in order on the disk.
"""

import functools
import hashlib
import json
import tarfile
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath

import numpy as np
from filelock import FileLock, Timeout

from impasto.config.shared import DataConfig, ImageConfig
from impasto.data.folder import scan_pictures
from impasto.data.scan import Picture, Progress, Rejected, content_hash, examine, in_threads
from impasto.data.shards import INDEX, Entry, Sample, Shard, ShardSet, add_sample, read_index, write_shard
from impasto.data.themes import find_themes
from impasto.data.walk import LeftOut, describe
from impasto.errors import DataError, ImageError
from impasto.files import remove_leftovers, sweep, temporary_folder, write_bytes_atomically
from impasto.image import codec

PER_SHARD = 1_000  # pictures
PILES = 64  # open files among which a stream is dealt out; one pile's names are in memory at a time
_UNFINISHED = ".unfinished.json"
_PALETTE_PX = 32  # a third of the time of 64, and the same colours to the eye
_AT_ONCE = 128  # pictures whose palettes are found together

Member = tuple[Picture, tuple[str, ...]]
"""A picture and its themes."""
Part = tuple[str, Iterable[Entry]]
"""What goes into one shard, and a digest of it where that is known beforehand."""


@dataclass(frozen=True)
class Packed:
    """What is in a folder of shards now. `written` of them are new, the others were there already."""

    shards: ShardSet
    written: int
    rejected: tuple[Rejected, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    """What was left out, in a sentence, and what of the themes may surprise."""


def pack_folder(
    root: Path,
    out: Path,
    data: DataConfig,
    image: ImageConfig,
    *,
    per_shard: int = PER_SHARD,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Packed:
    """Write the pictures of a folder, as they are, to tar files with an index.

    What cannot be used is left out and named in `rejected`. Shards that are there already are kept, so a pack
    that was interrupted goes on.

    Args:
        root: The folder of pictures.
        out: The folder of the shards. It is made when it is missing.
        data: Which pictures can be used, their themes, and the background for their palettes.
        image: Its `size` is the least side where `data.fit` is "windows".
        per_shard: Pictures in a tar file. The last one may have fewer.
        overwrite: Whether shards of other pictures in `out` are removed first.
        progress: Told how far each stage is; see `scan.Progress`. None tells nobody.

    Raises:
        DataError: The folder cannot be used, a picture changed meanwhile, `out` holds something else or
            cannot be written to, or another process is packing into it.
    """
    scan = scan_pictures(root, data, image, progress)
    labels, survey = find_themes(scan, data), _Survey()
    members = [(picture, labels.of(i)) for i, picture in enumerate(scan.pictures)]
    members.sort(key=lambda member: (_lot(member[0]), member[0].path))
    for member in members:
        survey.add(member)
    shares = [members[start : start + per_shard] for start in range(0, len(members), per_shard)]
    contents = [_digest(share) for share in shares]
    files = (in_threads(functools.partial(_read, root), share) for share in shares)
    entries = ((entry for _, entry in _described(some, data)) for some in files)
    found, written = _write_all(
        out, zip(contents, entries, strict=True), contents, survey, overwrite, progress
    )
    notes = tuple(note for note in (scan.report, *labels.notes) if note)
    return Packed(found, written, scan.rejected, scan.left_out, notes)


def pack_stream(
    arriving: Iterable[Sample],
    out: Path,
    data: DataConfig,
    *,
    per_shard: int = PER_SHARD,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Packed:
    """Write pictures that come one by one to shards, with an index.

    What cannot be used is left out and named in `rejected`. What was interrupted begins anew, and leaves
    nothing in `out` before all pictures have come.

    Args:
        arriving: The pictures, as files.
        out: The folder of the shards. It is made when it is missing.
        data: Which pictures can be used, by `min_side_px` and `max_pixels`, and the background for their
            palettes.
        per_shard: Pictures in a tar file. The last one may have fewer.
        overwrite: Whether the pictures take the place of other shards in `out`.
        progress: Told how many pictures have come, then how many shards are written, with a total of 0: it is
            not known. See `scan.Progress`. None tells nobody.

    Raises:
        DataError: No picture that can be used came, `out` holds something else or cannot be written to, or
            another process is packing into it.
    """
    _already_there(out, None, overwrite=overwrite)
    rejected, survey = list[Rejected](), _Survey()
    with closing(
        _in_order(_described(_usable(arriving, data, rejected), data), out, survey, progress)
    ) as entries:

        def parts() -> Iterator[Part]:
            while first := next(entries, None):
                yield "", chain([first], islice(entries, per_shard - 1))
            if not survey.count:
                why = f": '{rejected[0].path}' {rejected[0].reason}" if rejected else ""
                raise DataError(f"no picture that can be used came{why}")

        found, written = _write_all(out, parts(), None, survey, overwrite, progress)
    report = describe((), [(item.path, item.reason) for item in rejected])
    return Packed(found, written, tuple(rejected), notes=(report,) if report else ())


def _write_all(
    out: Path,
    parts: Iterator[Part],
    contents: Sequence[str] | None,
    survey: "_Survey",
    overwrite: bool,
    progress: Progress | None,
) -> tuple[ShardSet, int]:
    """Write the shards that are not there already. `out` is not touched before the first part has come."""
    made, written = list[Shard](), 0
    try:
        parts = chain([next(parts)], parts)
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock", timeout=0):
            before = _already_there(out, contents, overwrite=overwrite)
            remove_leftovers(out)
            known = {shard.name: shard for shard in before.shards}
            if (out / INDEX).is_file() and [shard.contents for shard in before.shards] != contents:
                (out / INDEX).unlink()
                for name in known:
                    (out / name).unlink(missing_ok=True)
            for number, (digest, entries) in enumerate(parts):
                path = out / f"shard-{number:06}.tar"
                shard = known.get(path.name)
                whole = shard and path.is_file() and path.stat().st_size == shard.bytes
                if shard is not None and whole and shard.contents == digest:
                    made.append(shard)
                else:
                    made.append(write_shard(path, entries, digest))
                    written += 1
                    so_far = ShardSet(shards=tuple(made)).index()
                    write_bytes_atomically(out / _UNFINISHED, so_far, durable=False)
                if progress:
                    progress("packing shards", number + 1, len(contents or ()))
            found = survey.of(made)
            write_bytes_atomically(out / INDEX, found.index())
            (out / _UNFINISHED).unlink(missing_ok=True)
    except Timeout:
        raise DataError(f"another process is packing into '{out}'", "wait for it") from None
    except OSError as error:
        raise DataError(
            f"the shards cannot be written to '{out}': {error.strerror or error}",
            "make room and start again: shards of a folder that are whole are kept",
        ) from None
    return found, written


def _already_there(out: Path, contents: Sequence[str] | None, *, overwrite: bool) -> ShardSet:
    """Shards of an earlier pack. Raises `DataError` where `out` holds anything else than `contents`."""
    found = read_index(f"{out.as_posix()}/{INDEX}")
    if found is not None and [shard.contents for shard in found.shards] != contents and not overwrite:
        raise DataError(
            f"'{out}' holds shards of other pictures, or packed otherwise",
            "--overwrite replaces them; or choose another --out",
        )
    found = found or read_index(f"{out.as_posix()}/{_UNFINISHED}")
    taken = out.exists() and (not out.is_dir() or any(not p.name.startswith(".") for p in out.iterdir()))
    if found is None and taken:
        raise DataError(f"'{out}' is there, and is not empty", "choose a new folder for --out")
    return found or ShardSet(shards=())


class _Survey:
    """What an index says of all pictures."""

    def __init__(self) -> None:
        self._themes, self._colour, self.count, self._shortest_px = Counter[str](), np.zeros(3), 0, 2**62

    def add(self, member: Member) -> None:
        picture, themes = member
        self._themes.update(themes)
        self._colour += picture.mean_colour
        self._shortest_px = min(self._shortest_px, picture.width, picture.height)
        self.count += 1

    def of(self, shards: Sequence[Shard]) -> ShardSet:
        colour = tuple(round(c, 4) for c in (self._colour / self.count).tolist())
        return ShardSet(
            themes=dict(sorted(self._themes.items())),
            mean_colour=colour,
            shortest_side_px=self._shortest_px,
            shards=tuple(shards),
        )


def _read(root: Path, member: Member) -> tuple[Member, bytes]:
    picture = member[0]
    try:
        raw = codec.read_bytes(root / picture.path)
        if content_hash(raw) != picture.content_hash:
            raise ImageError("has changed while it was being read")
    except ImageError as error:
        raise DataError(
            f"'{picture.path}' {error.message}", "start again: shards that are whole are kept"
        ) from None
    return member, raw


def _usable(
    arriving: Iterable[Sample], data: DataConfig, rejected: list[Rejected]
) -> Iterator[tuple[Member, bytes]]:
    def look(one: Sample) -> tuple[Sample, Picture | Rejected]:
        try:
            return one, examine(one.picture, one.name, data.min_side_px, data.max_pixels)
        except ImageError as error:
            return one, Rejected(one.name, error.message)

    for one, found in in_threads(look, arriving):
        if isinstance(found, Picture):
            yield (found, one.themes), one.picture
        else:
            rejected.append(found)


def _described(files: Iterable[tuple[Member, bytes]], data: DataConfig) -> Iterator[tuple[Member, Entry]]:
    """Of each picture what goes into a shard: the file, and of it path, themes, palette, size."""
    import torch  # slow to import

    from impasto.data.colours import hex_colours
    from impasto.data.palette_cache import palettes_of_pixels

    files = iter(files)
    while batch := list(islice(files, _AT_ONCE)):
        pixels = np.stack(list(in_threads(functools.partial(_small, data), batch)))
        palettes = torch.from_numpy(palettes_of_pixels(pixels, data.background))
        for (member, raw), palette in zip(batch, palettes, strict=True):
            picture, themes = member
            about = {
                "path": picture.path.encode("utf-8", "replace").decode(),
                "themes": list(themes),
                "palette": [[colour, round(share, 4)] for colour, share in hex_colours(palette)],
                "width": picture.width,
                "height": picture.height,
            }
            own = (PurePosixPath(picture.path).suffix.lower(), f".{picture.format}")
            suffix = next((suffix for suffix in own if suffix in codec.SUFFIXES), ".png")
            yield member, (suffix, raw, about)


def _small(data: DataConfig, file: tuple[Member, bytes]) -> codec.Pixels:
    (picture, _), raw = file
    try:
        return codec.fit_square(raw, _PALETTE_PX, background=data.background, max_pixels=data.max_pixels)
    except ImageError as error:
        raise DataError(f"'{picture.path}' {error.message}") from None


def _in_order(
    pictures: Iterable[tuple[Member, Entry]], out: Path, survey: _Survey, progress: Progress | None
) -> Generator[Entry, None, None]:
    """The entries by their lots. Each waits in one of `PILES` files beside `out`, with those of like lots."""
    sweep(out.parent)
    with temporary_folder(out) as folder:
        piles = [folder / f"{number}.tar" for number in range(PILES)]
        with ExitStack() as stack:
            tars = [
                stack.enter_context(tarfile.open(pile, "w", format=tarfile.USTAR_FORMAT)) for pile in piles
            ]
            for number, (member, entry) in enumerate(pictures):
                survey.add(member)
                drawn = _lot(member[0])
                add_sample(tars[int(drawn[:8], 16) * PILES >> 32], f"{drawn}-{number:012}", entry)
                if progress:
                    progress("packing pictures", number + 1, 0)
        for pile in piles:
            with tarfile.open(pile) as tar:
                files = tar.getmembers()
                for pair in sorted(zip(files[::2], files[1::2], strict=True), key=lambda pair: pair[0].name):
                    raw, about = (tar.extractfile(file).read() for file in pair)  # type: ignore[union-attr]
                    yield PurePosixPath(pair[0].name).suffix, raw, json.loads(about)
            pile.unlink()


def _lot(picture: Picture) -> str:
    """The place of a picture in the order of shards, which its content decides."""
    return hashlib.blake2b(picture.content_hash.encode(), digest_size=16).hexdigest()


def _digest(share: Sequence[Member]) -> str:
    """Changes when anything that goes into a shard does."""
    text = json.dumps([(p.path, p.content_hash, themes) for p, themes in share])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
