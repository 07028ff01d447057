"""Writing a file so that a reader, a crash or a full disk never meets half of it."""

import codecs
import contextlib
import functools
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from impasto.errors import InputError

MOST_JSON_BYTES = 64 * 2**20
MOST_JSON_DEPTH = 64
LEFTOVER = re.compile(r"\.(.+)\.(?:([0-9a-f]{8})-(\d{1,9})-)?[0-9a-f]{8}\.tmp", re.DOTALL)
"""What is written before it gets its name: group 1 is that name, 2 the machine, 3 the process."""
_NAME_BYTES = 150  # of the target's name inside the temporary one: file systems allow 255 in all
_OLD_SECONDS = 24 * 3600.0

_temporary: set[Path] = set()  # files and folders of this process that are there now
_ending = False


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
    temporary = _temporary_name(path)
    _begin(temporary)
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
    finally:
        _temporary.discard(temporary)
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


@contextlib.contextmanager
def temporary_folder(beside: Path | None = None) -> Iterator[Path]:
    """Yield a new folder that is removed afterwards: next to the file `beside`, or the system's place.

    Next to the file is for what may be large: it is on the disk that the result will be on.
    """
    if beside is None:
        import tempfile

        path = Path(tempfile.mkdtemp(prefix="impasto-"))
        _begin(path)
    else:
        path = _temporary_name(beside)
        _begin(path)
        path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        _temporary.discard(path)


def remove_temporary() -> None:
    """Remove all temporary files and folders of this process, which is about to end: none begins any more."""
    global _ending
    _ending = True
    for path in list(_temporary):
        _remove(path)


def sweep(folder: Path) -> None:
    """Remove from `folder` the temporary files of processes that were killed.

    Those of this machine are known by the number of their process; others are removed after a day.
    """
    with contextlib.suppress(OSError):  # no folder, or none that can be read
        for path in folder.iterdir():
            found = LEFTOVER.fullmatch(path.name)
            if found and _is_dead(path, found[2], found[3]):
                _remove(path)


def remove_leftovers(folder: Path) -> None:
    """Remove what writers that were killed left below `folder`. Nobody may be writing there."""
    for path in folder.rglob(".*.tmp"):
        if LEFTOVER.fullmatch(path.name):
            _remove(path)


def read_text(path: Path) -> str:
    """A text file in UTF-8, or in UTF-16 where its first bytes say so: editors on Windows write both.

    Line ends become line feeds, and no byte order mark is left. Raises `InputError` for other encodings, and
    `OSError`.
    """
    data = path.read_bytes()
    marks = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    encoding = next((name for mark, name in marks.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InputError(f"'{path}' is not text in UTF-8", "save it as UTF-8") from None


def cache_folder() -> Path:
    """Where things that can be made again are kept: `IMPASTO_CACHE`, or the system's usual place."""
    import platformdirs

    named = os.environ.get("IMPASTO_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("impasto"))


def _temporary_name(path: Path) -> Path:
    """A name next to `path` that no other process uses, and that says which one does."""
    name = os.fsencode(path.name)[:_NAME_BYTES].decode("utf-8", "ignore")  # cut between two characters
    return path.with_name(f".{name}.{_machine()}-{os.getpid()}-{os.urandom(4).hex()}.tmp")


@functools.cache
def _machine() -> str:
    """Eight hexadecimal digits for the machine, or the container, that process numbers belong to."""
    import hashlib
    import platform

    words = platform.node()
    with contextlib.suppress(OSError):  # Linux: numbers count in a namespace
        words += os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it names no file
    return hashlib.blake2b(words.encode("utf-8", "replace"), digest_size=4).hexdigest()


def _is_dead(path: Path, machine: str | None, pid: str | None) -> bool:
    """Whether the writer of a temporary file is gone."""
    if machine == _machine() and pid is not None and os.name != "nt":
        return not _runs(int(pid))
    try:
        return time.time() - path.lstat().st_mtime > _OLD_SECONDS
    except OSError:  # it has got its name
        return False


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def _begin(temporary: Path) -> None:
    if _ending:
        raise InterruptedError("the process is ending")
    _temporary.add(temporary)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    flags = os.O_RDONLY if path.is_dir() or os.name != "nt" else os.O_RDWR
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
