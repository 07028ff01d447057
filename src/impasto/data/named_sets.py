"""Sets of pictures that other libraries know by name: Hugging Face `datasets`, torchvision.

Each is streamed once into shards in the cache, and is trained on from there: those libraries have no order
that begins in the middle of an epoch.
"""

import hashlib
import inspect
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from impasto.config import DataConfig
from impasto.data.packing_stream import Incoming, pack_stream
from impasto.data.scan import Progress
from impasto.data.shards import INDEX
from impasto.errors import DataError, MissingDependencyError
from impasto.files import cache_folder
from impasto.telemetry import without_telemetry

HUGGING_FACE, TORCHVISION = "hf:", "torchvision:"
_VERSION = 1
_THEMES = ("themes", "theme", "labels", "label", "class", "fine_label")
_OFFLINE = "check the name and the connection; a set that was fetched once needs none"


def is_named(place: str) -> bool:
    """Whether a place is `hf:NAME` or `torchvision:NAME`."""
    return place.startswith((HUGGING_FACE, TORCHVISION))


def prepared(place: str, data: DataConfig, progress: Progress | None = None) -> str:
    """The folder of shards of a set, made now or at an earlier start. Raises `InputError`."""
    what = (_VERSION, place, _state_of(place), data.min_side_px, data.max_pixels, data.background)
    key = hashlib.blake2b(repr(what).encode(), digest_size=16).hexdigest()
    folder = cache_folder() / "sets" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{key}.lock")):
        if not (folder / INDEX).is_file():
            pack_stream(arriving(place), folder, data, progress=progress)
    return str(folder)


def arriving(place: str) -> Iterator[Incoming]:
    """The pictures of a set, one after the other.

    Raises `MissingDependencyError` without the library, and `DataError` for what it does not know or cannot
    fetch.
    """
    if place.startswith(HUGGING_FACE):
        return _from_hugging_face(place.removeprefix(HUGGING_FACE))
    return _from_torchvision(place.removeprefix(TORCHVISION))


def _state_of(place: str) -> list[tuple[str, int, int]]:
    """Of files on this disk their names, sizes and times: what was prepared is stale when they change."""
    path = Path(place.removeprefix(HUGGING_FACE).partition("@")[0])
    if not place.startswith(HUGGING_FACE) or not path.exists():
        return []
    files = sorted(p for p in (path.rglob("*") if path.is_dir() else [path]) if p.is_file())
    return [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in files]


def _from_hugging_face(name: str) -> Iterator[Incoming]:
    """`NAME` or `NAME@SPLIT`: of the hub, a folder of pictures or of parquet files, or a parquet file."""
    try:
        with without_telemetry():
            import datasets
    except ImportError:
        raise MissingDependencyError(
            "'hf:' needs the package datasets", "pip install 'impasto[hf]'"
        ) from None

    name, _, split = name.partition("@")
    path = Path(name)
    try:
        if path.is_file() or (path.is_dir() and any(path.rglob("*.parquet"))):
            files = [str(p) for p in (sorted(path.rglob("*.parquet")) if path.is_dir() else [path])]
            rows = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
        elif path.is_dir():
            rows = datasets.load_dataset(
                "imagefolder", data_dir=str(path), split=split or "train", streaming=True
            )
        else:
            rows = datasets.load_dataset(name, split=split or "train", streaming=True)
        features: Mapping[str, Any] = rows.features or {}
        for column, kind in features.items():
            if isinstance(kind, datasets.Image):
                rows = rows.cast_column(column, datasets.Image(decode=False))
        for number, row in enumerate(rows):
            yield Incoming(f"{number:09}", _picture_in(row), _themes_in(row, features))
    except DataError:
        raise
    except Exception as error:  # the library, its formats and its connections have many kinds
        said = str(error).strip().splitlines()
        why = said[0] if said else type(error).__name__
        raise DataError(f"'hf:{name}' cannot be read: {why}", _OFFLINE) from None


def _picture_in(row: Mapping[str, Any]) -> bytes:
    """The file of the first picture in a row."""
    from PIL import Image

    for value in row.values():
        if isinstance(value, Mapping) and "bytes" in value:
            if value["bytes"] is not None:
                return bytes(value["bytes"])
            return Path(value["path"]).read_bytes()
        if isinstance(value, Image.Image):
            return _as_png(value)
    raise DataError(f"there is no picture among the columns {', '.join(row)}", "give a set of pictures")


def _themes_in(row: Mapping[str, Any], features: Mapping[str, Any]) -> tuple[str, ...]:
    """What the first column with a usual name says, by the names of its classes if it has those."""
    column = next((c for c in _THEMES if c in row), None)
    if column is None or row[column] is None:
        return ()
    values = row[column] if isinstance(row[column], list) else [row[column]]
    kind = features.get(column)
    kind = getattr(kind, "feature", kind)
    names = getattr(kind, "names", None)
    return tuple(dict.fromkeys(str(names[v] if names and isinstance(v, int) else v) for v in values))


def _from_torchvision(name: str) -> Iterator[Incoming]:
    """`NAME` or `NAME@FOLDER`: a class of torchvision.datasets, and where its files are or shall be."""
    from torchvision import datasets

    name, _, root = name.partition("@")
    kind = getattr(datasets, name, None)
    if not (inspect.isclass(kind) and issubclass(kind, datasets.VisionDataset)):
        near = ", ".join(sorted(n for n in datasets.__all__ if n.lower().startswith(name[:2].lower())))
        raise DataError(f"torchvision has no set '{name}'", f"did you mean one of {near}?" if near else "")
    accepted = inspect.signature(kind).parameters
    arguments: dict[str, Any] = {}
    if "root" in accepted:
        arguments["root"] = root or str(cache_folder() / "torchvision")
        Path(arguments["root"]).mkdir(parents=True, exist_ok=True)
    if "download" in accepted:
        arguments["download"] = True  # it looks first whether the files are there
    try:
        found: Any = kind(**arguments)
        classes = getattr(found, "classes", None)
        for number in range(len(found)):
            picture, target, *_ = found[number]
            themes: tuple[str, ...] = ()
            if isinstance(target, int | np.integer):
                themes = (str(classes[int(target)]) if classes else str(int(target)),)
            yield Incoming(f"{number:09}", _as_png(picture), themes)
    except Exception as error:  # every set of theirs has its own
        said = str(error).strip().splitlines()
        why = said[0] if said else type(error).__name__
        raise DataError(f"'torchvision:{name}' cannot be read: {why}", _OFFLINE) from None


def _as_png(picture: Any) -> bytes:
    """A Pillow picture as a file, without loss."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
