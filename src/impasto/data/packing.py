"""A folder of pictures becomes shards: `impasto pack`.

Pictures are put in an order that their contents decide and nobody can see: each shard is a sample of the
whole, the first ones can be held out, and copies lie side by side.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from impasto import images
from impasto.config import DataConfig, ImageConfig
from impasto.data.folder import scan_pictures
from impasto.data.scan import Picture, Progress, Rejected, content_hash, in_threads
from impasto.data.shards import INDEX, Entry, Shard, ShardSet, checksum, index_text, read_index, write_tar
from impasto.data.themes import find_themes
from impasto.data.walk import LeftOut, describe
from impasto.errors import DataError, ImageError
from impasto.files import remove_leftovers, replacing, write_bytes_atomically

PER_SHARD = 1_000  # pictures
_UNFINISHED = ".unfinished.json"
_PALETTE_PX = 32  # a third of the time of 64, and the same colours to the eye
AT_ONCE = 128  # pictures whose palettes are found together

Member = tuple[Picture, tuple[str, ...]]
"""A picture and its themes."""


@dataclass(frozen=True)
class Packed:
    """What is in a folder of shards now. `written` of them are new, the others were there already."""

    out: Path
    shards: ShardSet
    written: int
    rejected: tuple[Rejected, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    """What was not even looked at, in a sentence, and what of the themes may surprise."""


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
    """Write the pictures of a folder, as they are, to tar files of `per_shard` each, with an index.

    What cannot be used is left out and named in `rejected`. Shards that are there already are kept, so a pack
    that was interrupted goes on; with `overwrite` those of other pictures are removed first. Raises
    `DataError` for a folder that cannot be used, or where `out` holds something else.
    """
    scan = scan_pictures(root, data, image, progress)
    labels = find_themes(scan, data)
    members = [(picture, labels.of(i)) for i, picture in enumerate(scan.pictures)]
    members.sort(key=lambda member: (lot(member[0]), member[0].path))
    parts = [members[start : start + per_shard] for start in range(0, len(members), per_shard)]
    planned = ShardSet(
        str(out),
        tuple(
            Shard(f"{out}/shard-{n:06}.tar", len(part), contents=_digest(part))
            for n, part in enumerate(parts)
        ),
        True,
        labels.counts,
        tuple(np.mean([p.mean_colour for p in scan.pictures], axis=0).tolist()),
        min(min(p.width, p.height) for p in scan.pictures),
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock", timeout=0):
            shards, written = _write_all(out, planned, parts, root, data, progress, overwrite=overwrite)
    except Timeout:
        raise DataError(f"another process is packing into '{out}'", "wait for it") from None
    except FileExistsError:
        raise DataError(f"'{out}' is a file, not a folder", "choose another --out") from None
    except OSError as error:
        raise DataError(
            f"the shards cannot be written to '{out}': {error.strerror or error}",
            "make room and start again: shards that are whole are kept",
        ) from None
    notes = tuple(note for note in (describe(scan.left_out), *labels.notes) if note)
    return Packed(out, shards, written, scan.rejected, scan.left_out, notes)


def _write_all(
    out: Path,
    planned: ShardSet,
    parts: Sequence[Sequence[Member]],
    root: Path,
    data: DataConfig,
    progress: Progress | None,
    *,
    overwrite: bool,
) -> tuple[ShardSet, int]:
    """The shards with their checksums, and how many had to be written."""
    known = _already_there(out, planned, overwrite=overwrite)
    remove_leftovers(out)
    made: list[Shard] = []
    written = 0
    for number, (shard, part) in enumerate(zip(planned.shards, parts, strict=True)):
        before = known.get(shard.name)
        path = Path(shard.place)
        if before and before.contents == shard.contents and _size(path) == before.bytes:
            made.append(before)
        else:
            made.append(_write(shard, part, root, data))
            written += 1
            so_far = ShardSet(planned.place, tuple(made), True)
            write_bytes_atomically(out / _UNFINISHED, index_text(so_far), durable=False)
        if progress:
            progress("packing shards", number + 1, len(parts))
    whole = ShardSet(
        planned.place, tuple(made), True, planned.themes, planned.mean_colour, planned.shortest_side_px
    )
    write_bytes_atomically(out / INDEX, index_text(whole))
    (out / _UNFINISHED).unlink(missing_ok=True)
    return whole, written


def _already_there(out: Path, planned: ShardSet, *, overwrite: bool) -> dict[str, Shard]:
    """Shards of an earlier pack, by name. Raises `DataError` where `out` holds anything else."""
    if (out / INDEX).is_file():
        found = read_index(out / INDEX, str(out))
        if [s.contents for s in found.shards] != [s.contents for s in planned.shards]:
            if not overwrite:
                raise DataError(
                    f"'{out}' holds shards of other pictures, or packed otherwise",
                    "--overwrite replaces them; or choose another --out",
                )
            remove_shards(out)
            return {}
    elif (out / _UNFINISHED).is_file():
        found = read_index(out / _UNFINISHED, str(out))
    else:
        if any(not entry.name.startswith(".") for entry in out.iterdir()):
            raise DataError(f"'{out}' is not empty", "choose a new folder for --out")
        return {}
    return {shard.name: shard for shard in found.shards}


def remove_shards(out: Path) -> None:
    """Remove the shards that the index in `out` names, as far as they lie there, and the index."""
    found = read_index(out / INDEX, str(out))
    (out / INDEX).unlink()
    for shard in found.shards:
        (out / PurePosixPath(shard.place).name).unlink(missing_ok=True)


def _write(shard: Shard, part: Sequence[Member], root: Path, data: DataConfig) -> Shard:
    """One tar file, which depends on nothing but its pictures."""
    path = Path(shard.place)
    with replacing(path) as temporary:
        write_tar(temporary, _entries(path.stem, part, root, data))
        size, digest = temporary.stat().st_size, checksum(temporary)
    return Shard(shard.place, len(part), size, digest, shard.contents)


def _entries(stem: str, part: Sequence[Member], root: Path, data: DataConfig) -> Iterator[Entry]:
    for start in range(0, len(part), AT_ONCE):
        members = part[start : start + AT_ONCE]
        raws = list(in_threads(lambda member: _read(root, member[0]), members))
        for number, (raw, (picture, _), about) in enumerate(
            zip(raws, members, descriptions(raws, members, data), strict=True), start=start
        ):
            yield f"{stem}-{number:06}", PurePosixPath(picture.path).suffix.lower(), raw, about


def descriptions(raws: Sequence[bytes], members: Sequence[Member], data: DataConfig) -> list[dict[str, Any]]:
    """What shards say of some pictures, whose files these are: path, themes, palette, size."""
    palettes = _palettes(raws, [picture.path for picture, _ in members], data)
    return [
        _about(picture, themes, palette) for (picture, themes), palette in zip(members, palettes, strict=True)
    ]


def _about(picture: Picture, themes: Sequence[str], palette: Sequence[tuple[str, float]]) -> dict[str, Any]:
    return {
        "path": picture.path.encode("utf-8", "replace").decode(),
        "themes": list(themes),
        "palette": [[colour, round(share, 4)] for colour, share in palette],
        "width": picture.width,
        "height": picture.height,
    }


def _read(root: Path, picture: Picture) -> bytes:
    try:
        raw = images.read_bytes(root / picture.path)
        if content_hash(raw) != picture.content_hash:
            raise ImageError("has changed while it was being read")
    except ImageError as error:
        raise DataError(
            f"'{picture.path}' {error.message}", "start again: shards that are whole are kept"
        ) from None
    return raw


def _palettes(raws: Sequence[bytes], paths: Sequence[str], data: DataConfig) -> list[list[tuple[str, float]]]:
    """`("#rrggbb", share)` of the colours of each picture, its middle square being looked at."""
    from impasto.data.colours import hex_colours  # torch is slow to import
    from impasto.data.palette_cache import palettes_of_pixels

    def look(item: tuple[bytes, str]) -> images.Pixels:
        raw, path = item
        try:
            return images.fit_square(raw, _PALETTE_PX, background=data.background, max_pixels=data.max_pixels)
        except ImageError as error:
            raise DataError(f"'{path}' {error.message}") from None

    import torch

    pixels = np.stack(list(in_threads(look, zip(raws, paths, strict=True))))
    return [list(hex_colours(torch.from_numpy(p))) for p in palettes_of_pixels(pixels, data.background)]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def lot(picture: Picture) -> str:
    """The place of a picture in the order of shards, which its content decides."""
    return hashlib.blake2b(picture.content_hash.encode(), digest_size=16).hexdigest()


def _digest(part: Sequence[Member]) -> str:
    """Changes when anything that goes into a shard does."""
    text = json.dumps([(p.path, p.content_hash, themes) for p, themes in part])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
