"""Sets of pictures that other libraries know by name: Hugging Face `datasets`, torchvision.

Each is streamed once into shards in the cache, and is trained on from there: those libraries have no order
that begins in the middle of an epoch.
"""

import difflib
import hashlib
import inspect
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from impasto.config.shared import DataConfig
from impasto.data.packing import pack_stream
from impasto.data.scan import Progress
from impasto.data.shards import INDEX, Sample
from impasto.errors import DataError, InputError, MissingDependencyError
from impasto.files import cache_folder
from impasto.telemetry import without_telemetry

HUGGING_FACE, TORCHVISION = "hf:", "torchvision:"
_VERSION = 1
_THEMES = ("themes", "theme", "labels", "label", "class", "fine_label")


def is_named(place: str) -> bool:
    """Whether a place is `hf:NAME` or `torchvision:NAME`."""
    return place.startswith((HUGGING_FACE, TORCHVISION))


def prepared(place: str, data: DataConfig, progress: Progress | None = None) -> str:
    """The folder of shards of a named set, made now or at an earlier start; any other place as it is.

    Raises `InputError`.
    """
    if not is_named(place):
        return place
    what = (_VERSION, place, _state_of(place), data.min_side_px, data.max_pixels, data.background)
    key = hashlib.blake2b(repr(what).encode(), digest_size=16).hexdigest()
    folder = cache_folder() / "sets" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{key}.lock")):
        if not (folder / INDEX).is_file():
            pack_stream(arriving(place), folder, data, progress=progress)
    return str(folder)


def arriving(place: str) -> Iterator[Sample]:
    """The pictures of a set, one after the other.

    Raises `MissingDependencyError` without the library, and `DataError` for what it does not know or cannot
    fetch.
    """
    library, _, rest = place.partition(":")
    name, _, where = rest.partition("@")
    try:
        yield from (_from_hugging_face if library == "hf" else _from_torchvision)(name, where)
    except InputError:
        raise
    except Exception as error:  # the libraries, their formats and their connections have many kinds
        why = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DataError(
            f"'{library}:{name}' cannot be read: {why}",
            "check the name and the connection; a set that was fetched once needs none",
        ) from None


def _state_of(place: str) -> list[tuple[str, int, int]]:
    """Of files on this disk their names, sizes and times: what was prepared is stale when they change."""
    path = Path(place.removeprefix(HUGGING_FACE).partition("@")[0])
    if not place.startswith(HUGGING_FACE) or not path.exists():
        return []
    files = sorted(p for p in (path.rglob("*") if path.is_dir() else [path]) if p.is_file())
    return [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in files]


def _from_hugging_face(name: str, split: str) -> Iterator[Sample]:
    """A set of the hub, a folder of pictures or of parquet files, or a parquet file."""
    try:
        with without_telemetry():
            import datasets
    except ImportError:
        raise MissingDependencyError(
            "'hf:' needs the package datasets", "pip install 'impasto[hf]'"
        ) from None

    path = Path(name)
    parquet = [path] if path.is_file() else sorted(path.rglob("*.parquet")) if path.is_dir() else []
    given: dict[str, Any] = {"path": name, "split": split or "train"}
    if parquet:
        given = {"path": "parquet", "data_files": [str(file) for file in parquet], "split": "train"}
    elif path.is_dir():  # said so, as one with a .txt beside each picture is a folder of texts to the library
        given |= {"path": "imagefolder", "data_dir": name}
    rows = datasets.load_dataset(**given, streaming=True)
    features: Mapping[str, Any] = rows.features or {}
    for column, kind in features.items():
        if isinstance(kind, datasets.Image):
            rows = rows.cast_column(column, datasets.Image(decode=False))
    for number, row in enumerate(rows):
        yield Sample(f"{number:09}", _picture_in(row), _themes_in(row, features))


def _picture_in(row: Mapping[str, Any]) -> bytes:
    """The file of the first picture in a row."""
    from PIL import Image

    for value in row.values():
        if isinstance(value, Mapping) and "bytes" in value:
            return Path(value["path"]).read_bytes() if value["bytes"] is None else bytes(value["bytes"])
        if isinstance(value, Image.Image):
            return _as_png(value)
    raise DataError(f"there is no picture among the columns {', '.join(row)}", "give a set of pictures")


def _themes_in(row: Mapping[str, Any], features: Mapping[str, Any]) -> tuple[str, ...]:
    """What the first column with a usual name says, by the names of its classes if it has those."""
    column = next((c for c in _THEMES if c in row), "")
    said = row.get(column)
    values = said if isinstance(said, list) else [] if said is None else [said]
    kind = features.get(column)
    names = getattr(getattr(kind, "feature", kind), "names", None)
    return tuple(dict.fromkeys(str(names[v] if names and isinstance(v, int) else v) for v in values))


def _from_torchvision(name: str, root: str) -> Iterator[Sample]:
    """A class of torchvision.datasets; its files are in `root`, or shall be."""
    from torchvision import datasets

    kind = getattr(datasets, name, None)
    if not (inspect.isclass(kind) and issubclass(kind, datasets.VisionDataset)):
        near = difflib.get_close_matches(name, datasets.__all__)
        raise DataError(
            f"torchvision has no set '{name}'", f"did you mean one of {', '.join(near)}?" * bool(near)
        )
    accepted = inspect.signature(kind).parameters
    folder = Path(root or cache_folder() / "torchvision")
    # `download` looks first whether the files are there.
    given = {key: value for key, value in (("root", str(folder)), ("download", True)) if key in accepted}
    if "root" in given:
        folder.mkdir(parents=True, exist_ok=True)
    found: Any = kind(**given)
    classes = getattr(found, "classes", None)
    for number in range(len(found)):
        picture, target, *_ = found[number]
        themes: tuple[str, ...] = ()
        if isinstance(target, int | np.integer):
            themes = (str(classes[int(target)] if classes else int(target)),)
        yield Sample(f"{number:09}", _as_png(picture), themes)


def _as_png(picture: Any) -> bytes:
    """A Pillow picture as a file, without loss."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
