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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, computed_field

from impasto.data.fetching import PIPE, fetch_if_there, is_remote
from impasto.errors import DataError
from impasto.files import MOST_JSON_BYTES, parse_json, read_json, replacing
from impasto.image import codec

INDEX = "index.json"
FORMAT: Literal["impasto-shards"] = "impasto-shards"
VERSION = 1
_MOST_ABOUT_BYTES = 4 * 2**20  # of what is said of one picture
_MOST_FILE_BYTES = 2**30  # of one picture in a shard
_MOST_SHARDS = 1_000_000
_MOST_PICTURES = 10**9  # an index that says more is no index
_LEAST_BYTES = 1024  # that a picture takes in a tar: a block for its name, one for itself
_READ = codec.SUFFIXES | {".json", ".cls"}
_BRACES = re.compile(r"\{([^{}]*)\}")

Count = Annotated[int, Field(ge=0, lt=2**63)]
Entry = tuple[str, bytes, Mapping[str, Any]]
"""A sample to be written: the picture's suffix with the dot, its bytes, what is known of it."""


class Shard(BaseModel, frozen=True):
    """One tar file. What no index says of it is not known before it has been read."""

    name: str
    pictures: Count | None = None
    bytes: Count | None = None
    sha256: str = ""
    contents: str = ""
    """A digest of what `packing.py` meant to put in."""
    place: str = Field("", exclude=True)
    """Its path, its address, or `pipe:` and the command that prints it."""


class ShardSet(BaseModel, frozen=True):
    """Shards in their order, and their index. Where there is none, only `shards` is filled in."""

    format: Literal["impasto-shards"] = FORMAT
    version: int = VERSION
    themes: Mapping[str, Count] = {}
    """Pictures of each theme."""
    mean_colour: tuple[float, ...] = ()
    """Red, green and blue, in 0..1."""
    shortest_side_px: Count = 0
    """The shorter side of the smallest picture."""
    shards: tuple[Shard, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def pictures(self) -> int:
        """How many there are, by the index."""
        return sum(shard.pictures or 0 for shard in self.shards)

    @property
    def indexed(self) -> bool:
        """Whether an index says what is in the shards."""
        return all(shard.sha256 for shard in self.shards)

    def index(self) -> bytes:
        """The index file."""
        return self.model_dump_json(indent=1).encode()


@dataclass(frozen=True)
class Sample:
    """One picture: what it is called, the file's bytes, its themes."""

    name: str
    picture: bytes
    themes: tuple[str, ...]


def find_shards(place: str) -> ShardSet | None:
    """What shards a place means: a `.tar`, a pattern of them in braces, a folder that holds them, or what is
    fetched, an address or `pipe:` and a command. None for any other; `DataError` where one is not there.
    """
    remote, pipe = is_remote(place), place.startswith(PIPE)
    place = place if remote else Path(place).as_posix()
    folder = not pipe and (not place.endswith(".tar") or Path(place).is_dir())
    if folder:
        beside = place.removesuffix("/" + INDEX).rstrip("/") + "/"
        names = [path.name for path in Path(beside).glob("[!.]*")] if not remote else []
        pictures = any(Path(name).suffix.lower() in codec.SUFFIXES for name in names)
        found = sorted(beside + name for name in names if name.lower().endswith(".tar") and not pictures)
    else:
        found = expand(place)
        beside = found[0][: found[0].rfind("/") + 1]
    known = None if pipe else read_index(beside + INDEX)
    if known is not None and (folder or {shard.place for shard in known.shards} == set(found)):
        return known
    if folder and remote:
        raise DataError(
            f"there is no '{beside}{INDEX}'", "give a pattern, https://host/x-{000000..000099}.tar"
        )
    for one in found if not remote else ():
        if not Path(one).is_file():
            raise DataError(f"there is no shard '{one}'", "write {000000..000099} for a hundred of them")
    shards = tuple(Shard(name=one.rpartition("/")[2], place=one) for one in found)
    return ShardSet(shards=shards) if shards else None


def read_index(place: str) -> ShardSet | None:
    """The set that an index describes, a file or an address, beside which its shards are.

    None where there is none, or another program's. Raises `DataError` for one of a newer version, or of
    numbers that cannot be.
    """
    try:
        if is_remote(place):
            tree = parse_json(fetch_if_there(place, MOST_JSON_BYTES) or b"null")
        else:
            tree = read_json(Path(place))
    except (OSError, ValueError):
        return None
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        return None
    try:
        if tree["version"] > VERSION:
            raise DataError(f"the shards of '{place}' are of a newer version of Impasto", "update Impasto")
        found = ShardSet.model_validate(tree)
        if found.pictures > _MOST_PICTURES or not all(map(_can_be, found.shards)):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"the index '{place}' is not one of Impasto's", "`impasto pack` writes it; or leave it out"
        ) from None
    beside = place[: place.rfind("/") + 1]
    placed = tuple(shard.model_copy(update={"place": beside + shard.name}) for shard in found.shards)
    return found.model_copy(update={"shards": placed})


def _can_be(shard: Shard) -> bool:
    """Whether an index may say this of a shard. Raises `TypeError` where a number is missing."""
    enough = shard.pictures * _LEAST_BYTES <= shard.bytes  # type: ignore[operator]
    return bool(enough and shard.sha256 and not {"/", "\\"} & set(shard.name))


def expand(pattern: str) -> list[str]:
    """`x-{00..11}.tar` -> x-00.tar ... x-11.tar; `{a,b}` is either; several braces multiply.

    Raises `DataError` for more than a million.
    """
    choices = [_alternatives(part) if i % 2 else [part] for i, part in enumerate(_BRACES.split(pattern))]
    if math.prod(map(len, choices)) > _MOST_SHARDS:
        raise DataError(f"'{pattern}' means more than {_MOST_SHARDS:,} shards", "name fewer")
    return ["".join(chosen) for chosen in product(*choices)]


def _alternatives(inside: str) -> list[str]:
    span = re.fullmatch(r"(\d{1,18})\.\.(\d{1,18})", inside)
    if span is None:
        return inside.split(",")
    first, last = int(span[1]), min(int(span[2]), int(span[1]) + _MOST_SHARDS)  # one too many is refused
    return [str(number).zfill(len(span[1])) for number in range(first, last + 1)]


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_shard(path: Path, entries: Iterable[Entry], contents: str = "") -> Shard:
    """Write samples to a tar file that depends on nothing else: no clock, no user."""
    count = 0
    with replacing(path) as temporary:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for entry in entries:
                add_sample(tar, f"{path.stem}-{count:06}", entry)
                count += 1
        size, digest = temporary.stat().st_size, checksum(temporary)
    return Shard(name=path.name, pictures=count, bytes=size, sha256=digest, contents=contents or digest[:32])


def add_sample(tar: tarfile.TarFile, name: str, entry: Entry) -> None:
    """Write one sample behind the others."""
    suffix, picture, about = entry
    for file, raw in ((name + suffix, picture), (f"{name}.json", json.dumps(about).encode())):
        member = tarfile.TarInfo(file)
        member.size = len(raw)
        tar.addfile(member, io.BytesIO(raw))
        tar.members = []  # type: ignore[attr-defined]  # or a list of all files would be kept


def samples_in(path: Path, place: str) -> Iterator[Sample]:
    """The pictures of a tar file, one in memory at a time. Raises `DataError` for what is no tar."""
    try:
        with _Bounded(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for name, group in groupby(_files(tar, path.stat().st_size), key=lambda found: found[0]):
                files = {suffix: raw for _, suffix, raw in group}
                picture = next((raw for suffix, raw in files.items() if suffix in codec.SUFFIXES), None)
                if picture is not None:
                    yield Sample(name, picture, _themes(files))
    # Numbers in headers that are none: tarfile lets `ValueError` and the like through.
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, MemoryError) as error:
        raise DataError(
            f"the shard '{place}' cannot be read: {error}", "it may be cut off: make or fetch it again"
        ) from None


class _Bounded(io.FileIO):
    """tarfile believes a header of 100 GB in a file of 10 kB: no read is longer than a picture may be."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MOST_FILE_BYTES:
            raise tarfile.ReadError(f"a part of it claims {size:,} bytes")
        return super().read(size)


def _files(tar: tarfile.TarFile, size: int) -> Iterator[tuple[str, str, bytes]]:
    """Of each file that counts: the name of its sample, its last suffix, its bytes; `size` is the tar's."""
    before = -1
    for member in tar:
        tar.members = []  # type: ignore[attr-defined]  # or a list of all files would be kept
        if member.offset <= before:  # a header of negative size leads back to itself
            raise tarfile.ReadError(f"'{member.name}' is out of order")
        before = member.offset
        folder, slash, file = member.name.rpartition("/")
        stem, _, suffixes = file.partition(".")
        suffix = f".{suffixes.rpartition('.')[2].lower()}"
        if not member.isfile() or not stem or suffix not in _READ:
            continue
        if member.issparse():
            raise tarfile.ReadError(f"'{member.name}' is stored with holes (sparse), which no picture is")
        if not 0 <= member.size <= min(size, _MOST_FILE_BYTES):
            raise tarfile.ReadError(f"'{member.name}' claims {member.size:,} bytes")
        handle = tar.extractfile(member)
        if handle is not None and not (suffix == ".json" and member.size > _MOST_ABOUT_BYTES):
            yield folder + slash + stem, suffix, handle.read()


def _themes(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Of a sample: `themes`, `theme`, `label` or `class` of its JSON, else what its `.cls` says."""
    found: Any = files[".cls"].decode("utf-8", "replace") if ".cls" in files else []
    with contextlib.suppress(ValueError, TypeError, StopIteration):  # a list, a number, no such key
        about = parse_json(files.get(".json", b"{}"))
        found = next(about[key] for key in ("themes", "theme", "label", "class") if key in about) or found
    names = (str(name).strip() for name in (found if isinstance(found, list) else [found]))
    return tuple(name for name in dict.fromkeys(names) if name)
