"""Tar files of pictures, as WebDataset has them, and the index that says what is in all of them.

In a shard the files of one sample follow each other and share their name up to its first dot: a picture, and
a `.json` or `.cls` with what is known of it. `packing.py` writes such sets; others' need no index.
"""

import contextlib
import hashlib
import io
import json
import math
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO, cast

from impasto import images
from impasto.data.fetching import PIPE, fetch_if_there, is_remote
from impasto.data.tar_bounds import Bounded, check_member
from impasto.errors import DataError

INDEX = "index.json"
FORMAT, VERSION = "impasto-shards", 1
_MOST_ABOUT_BYTES = 4 * 2**20  # of what is said of one picture
_MOST_INDEX_BYTES = 2**28
_MOST_SHARDS = 1_000_000
_MOST_PICTURES = 10**9  # an index that says more is no index
_LEAST_BYTES = 1024  # that a picture takes in a tar: a block for its name, one for itself
_READ = images.SUFFIXES | {".json", ".cls"}
_BRACES = re.compile(r"\{([^{}]*)\}")

Entry = tuple[str, str, bytes, Mapping[str, Any]]
"""A sample to be written: its name, the picture's suffix with the dot, its bytes, what is known of it."""


@dataclass(frozen=True)
class Shard:
    """One tar file. What is None is not known before it has been read."""

    place: str
    """Its path, its address, or `pipe:` and the command that prints it."""
    pictures: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    contents: str = ""
    """A digest of what `packing.py` meant to put in."""

    @property
    def name(self) -> str:
        """The last part of its place."""
        return self.place.rsplit("/", 1)[-1]

    def to_dict(self) -> dict[str, Any]:
        """Its entry in an index."""
        return {
            "name": self.name,
            "pictures": self.pictures,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "contents": self.contents,
        }


@dataclass(frozen=True)
class ShardSet:
    """Shards in their order. Without an index (`indexed` false) the rest is empty."""

    place: str
    shards: tuple[Shard, ...]
    indexed: bool = False
    themes: Mapping[str, int] = field(default_factory=dict)
    """Pictures of each theme."""
    mean_colour: tuple[float, ...] = ()
    """Red, green and blue, in 0..1."""
    shortest_side_px: int = 0
    """The shorter side of the smallest picture."""

    @property
    def pictures(self) -> int:
        """How many there are, by the index."""
        return sum(shard.pictures or 0 for shard in self.shards)

    def to_dict(self) -> dict[str, Any]:
        """Its index, ready for JSON."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "pictures": self.pictures,
            "themes": dict(self.themes),
            "mean_colour": [round(c, 4) for c in self.mean_colour],
            "shortest_side_px": self.shortest_side_px,
            "shards": [shard.to_dict() for shard in self.shards],
        }


@dataclass(frozen=True)
class Sample:
    """One picture of a shard: `name` inside it, the file's bytes, its themes."""

    name: str
    picture: bytes
    themes: tuple[str, ...]


def index_text(shards: ShardSet) -> bytes:
    """The index file of a set."""
    return json.dumps(shards.to_dict(), indent=1).encode()


def names_shards(place: str) -> bool:
    """Whether this means shards: a `.tar`, a pattern of them in braces, a folder that holds them, or what is
    fetched: an address, or `pipe:` and a command."""
    if is_remote(place):
        return True
    if place.endswith(".tar") and not Path(place).is_dir():
        return True
    folder = Path(place)
    with contextlib.suppress(OSError):
        if _is_ours(folder / INDEX):
            return True
        names = [entry.name.lower() for entry in folder.iterdir() if not entry.name.startswith(".")]
        pictures = any(Path(name).suffix in images.SUFFIXES for name in names)
        return not pictures and any(name.endswith(".tar") for name in names)
    return False


def find_shards(place: str) -> ShardSet:
    """The shards that a place means, see `names_shards`. Raises `DataError` where one is not there."""
    if is_remote(place):
        return _find_remote(place)
    folder = Path(place)
    if _is_ours(folder / INDEX):
        return read_index(folder / INDEX, place)
    if folder.is_dir():
        paths = sorted(str(path) for path in folder.glob("*.tar") if not path.name.startswith("."))
    else:
        paths = expand(place)
    for path in paths:
        if not Path(path).is_file():
            raise DataError(f"there is no shard '{path}'", "write {000000..000099} for a hundred of them")
    beside = Path(paths[0]).parent / INDEX
    if _is_ours(beside):
        known = read_index(beside, place)
        if {Path(shard.place) for shard in known.shards} == {Path(path) for path in paths}:
            return known
    return ShardSet(place, tuple(Shard(path) for path in paths))


def _find_remote(place: str) -> ShardSet:
    """Shards of a web server, with the index beside them if there is one, or of a command."""
    if place.startswith(PIPE):
        return ShardSet(place, tuple(Shard(one) for one in expand(place)))
    if not place.endswith(".tar"):  # a folder of the server, or its index
        folder = place.removesuffix(INDEX).rstrip("/")
        text = fetch_if_there(f"{folder}/{INDEX}", _MOST_INDEX_BYTES)
        if text is None:
            raise DataError(
                f"there is no '{folder}/{INDEX}'", "give a pattern, https://host/x-{000000..000099}.tar"
            )
        return parse_index(text, place, folder)
    places = expand(place)
    folder = places[0].rpartition("/")[0]
    text = fetch_if_there(f"{folder}/{INDEX}", _MOST_INDEX_BYTES)
    if text is not None:
        with contextlib.suppress(DataError):  # another program's
            known = parse_index(text, place, folder)
            if {shard.place for shard in known.shards} == set(places):
                return known
    return ShardSet(place, tuple(Shard(one) for one in places))


def _is_ours(index: Path) -> bool:
    """Whether a file is an index of ours, of any version, and not another program's."""
    try:
        if index.stat().st_size > _MOST_INDEX_BYTES:
            return False
        found = json.loads(index.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("format") == FORMAT


def read_index(path: Path, place: str) -> ShardSet:
    """The set that an index describes, whose shards lie beside it. Raises `DataError` for any other file."""
    try:
        return parse_index(path.read_bytes(), place, str(path.parent))
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}") from None


def parse_index(text: bytes, place: str, folder: str) -> ShardSet:
    """The set that an index in `folder` describes. Raises `DataError`."""
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise ValueError
        if int(found["version"]) > VERSION:
            raise DataError(f"the shards of '{place}' are of a newer version of Impasto", "update Impasto")
        shards = tuple(_shard_of(entry, folder) for entry in found["shards"])
        if sum(shard.pictures or 0 for shard in shards) > _MOST_PICTURES:
            raise ValueError
        return ShardSet(
            place,
            shards,
            True,
            {str(name): _counted(count) for name, count in found["themes"].items()},
            tuple(float(c) for c in found["mean_colour"]),
            _counted(found["shortest_side_px"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise DataError(
            f"the index of '{place}' is not one of Impasto's", "`impasto pack` writes it; or leave it out"
        ) from None


def _shard_of(entry: Mapping[str, Any], folder: str) -> Shard:
    """A shard by its entry in an index. Raises `ValueError` and the like for what cannot be."""
    name, pictures, size = str(entry["name"]), _counted(entry["pictures"]), _counted(entry["bytes"])
    if "/" in name or "\\" in name or pictures * _LEAST_BYTES > size:
        raise ValueError
    return Shard(f"{folder}/{name}", pictures, size, str(entry["sha256"]), str(entry["contents"]))


def _counted(value: Any) -> int:
    number = int(value)
    if not 0 <= number < 2**63:
        raise ValueError
    return number


def expand(pattern: str) -> list[str]:
    """`x-{00..11}.tar` -> x-00.tar ... x-11.tar; `{a,b}` is either; several braces multiply.

    Raises `DataError` for more than a million.
    """
    parts = _BRACES.split(pattern)
    choices = [_alternatives(part) if odd % 2 else [part] for odd, part in enumerate(parts)]
    if math.prod(map(len, choices)) > _MOST_SHARDS:
        raise DataError(f"'{pattern}' means more than {_MOST_SHARDS:,} shards", "name fewer")
    return ["".join(chosen) for chosen in product(*choices)]


def _alternatives(inside: str) -> Sequence[str]:
    span = re.fullmatch(r"(\d{1,18})\.\.(\d{1,18})", inside)
    if span is None:
        return inside.split(",")
    first, last = int(span[1]), min(int(span[2]), int(span[1]) + _MOST_SHARDS)  # one too many is refused
    return [str(number).zfill(len(span[1])) for number in range(first, last + 1)]


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_tar(path: Path, entries: Iterable[Entry]) -> None:
    """Write samples to a tar file that depends on nothing else: no clock, no user."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for entry in entries:
            add_sample(tar, entry)


def add_sample(tar: tarfile.TarFile, entry: Entry) -> None:
    """Write one sample behind the others."""
    name, suffix, picture, about = entry
    for file, raw in ((name + suffix, picture), (f"{name}.json", json.dumps(about).encode())):
        member = tarfile.TarInfo(file)
        member.size = len(raw)
        tar.addfile(member, io.BytesIO(raw))
        tar.members = []  # type: ignore[attr-defined]  # or a list of all files would be kept


def samples_in(path: Path, place: str) -> Iterator[Sample]:
    """The pictures of a tar file, one in memory at a time. Raises `DataError` for what is no tar."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file, tarfile.open(fileobj=cast(BinaryIO, Bounded(file)), mode="r:") as tar:
            for name, files in _grouped(tar, size):
                picture = next((raw for suffix, raw in files.items() if suffix in images.SUFFIXES), None)
                if picture is not None:
                    yield Sample(name, picture, _themes(files))
    # Numbers in headers that are none: tarfile lets `ValueError` and the like through.
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, MemoryError) as error:
        raise DataError(
            f"the shard '{place}' cannot be read: {error}", "it may be cut off: make or fetch it again"
        ) from None


def _grouped(tar: tarfile.TarFile, size: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Name of each sample, and its files by their last suffix; `size` is the tar file's."""
    current, files, before = "", dict[str, bytes](), -1
    for member in tar:
        folder, _, file = member.name.rpartition("/")
        stem, _, suffixes = file.partition(".")
        suffix = f".{suffixes.rpartition('.')[2].lower()}"
        tar.members = []  # type: ignore[attr-defined]  # or a list of all files would be kept
        if member.offset <= before:  # a header of negative size leads back to itself
            raise tarfile.ReadError(f"'{member.name}' is out of order")
        before = member.offset
        if not member.isfile() or not stem or suffix not in _READ:
            continue
        check_member(member, size)
        if suffix == ".json" and member.size > _MOST_ABOUT_BYTES:
            continue
        name = f"{folder}/{stem}" if folder else stem
        if name != current and files:
            yield current, files
            files = {}
        current = name
        handle = tar.extractfile(member)
        if handle is not None:
            files[suffix] = handle.read()
    if files:
        yield current, files


def _themes(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Of a sample: `themes`, `theme`, `label` or `class` of its JSON, else what its `.cls` says."""
    with contextlib.suppress(ValueError, RecursionError):
        about = json.loads(files.get(".json", b"{}"))
        if isinstance(about, dict):
            found = next((about[key] for key in ("themes", "theme", "label", "class") if key in about), ())
            if found not in ((), None):
                return _names(found if isinstance(found, list) else [found])
    return _names([files[".cls"].decode("utf-8", "replace")] if ".cls" in files else ())


def _names(found: Iterable[Any]) -> tuple[str, ...]:
    names = (str(name).strip() for name in found if isinstance(name, str | int))
    return tuple(name for name in dict.fromkeys(names) if name)
