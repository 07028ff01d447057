"""Writing a file so that a reader, a crash or a full disk never meets half of it."""

import contextlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MOST_JSON_BYTES = 64 * 2**20
MOST_JSON_DEPTH = 64


def write_bytes_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write `data` to `path`: afterwards the file is either the old one or all of the new one.

    Makes the folder when it is missing. Without `durable` a power cut may lose it: for what can be made
    again. Raises `OSError` as `open` does, and leaves no temporary file.
    """
    with replacing(path, durable=durable) as temporary, temporary.open("wb") as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on a clean exit it takes the place of `path`.

    On an exception the temporary file is removed and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A random name: two processes may write the same target at once, and the last one wins whole.
    temporary = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        if durable:
            _sync(temporary)
        os.replace(temporary, path)  # noqa: PTH105 - the one call that is atomic on every system
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            error.filename, error.filename2 = str(path), None  # not the name that nobody has seen
        raise
    if durable:
        with contextlib.suppress(OSError):  # a folder cannot be opened on Windows
            _sync(path.parent)


def read_json(path: Path) -> Any:
    """What a JSON file says. Raises `OSError`, and `ValueError` as `parse_json` does."""
    if path.stat().st_size > MOST_JSON_BYTES:
        raise ValueError(f"it is larger than {MOST_JSON_BYTES:,} bytes")
    return parse_json(path.read_bytes())


def parse_json(text: str | bytes) -> Any:
    """What JSON from anywhere says. Raises `ValueError` alone: for what is no JSON, too long or too deep."""
    if len(text) > MOST_JSON_BYTES:
        raise ValueError(f"it is larger than {MOST_JSON_BYTES:,} bytes")
    try:
        tree = json.loads(text)
    except RecursionError:
        raise ValueError("lists and objects lie too deep in each other") from None
    level = [tree]
    for _ in range(MOST_JSON_DEPTH):
        level = [v for node in level for v in _inside(node) if isinstance(v, list | dict)]
        if not level:
            return tree
    raise ValueError("lists and objects lie too deep in each other")


def _inside(node: Any) -> Any:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def cache_folder() -> Path:
    """Where things that can be made again are kept: `IMPASTO_CACHE`, or the system's usual place."""
    import platformdirs

    named = os.environ.get("IMPASTO_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("impasto"))


LEFTOVER = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp")  # what is written before it gets its name, the group


def remove_leftovers(folder: Path) -> None:
    """Remove what writers that were killed left below `folder`. Nobody may be writing there."""
    for path in folder.rglob(".*.tmp"):
        if LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    flags = os.O_RDONLY if path.is_dir() or os.name != "nt" else os.O_RDWR
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
