"""Reading files of a workspace as if a stranger had written them.

A workspace may have come out of an archive, or lie where others can write. So a link, a pipe or a device is
not opened, a file is read up to a bound, and what it says is validated before anything is done with it.
"""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

JSON_BYTES = 2**20
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))

T = TypeVar("T", bound=BaseModel)


class Unusable(ValueError):
    """A file that is not what it should be. The message reads on from the file's name."""


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """A descriptor of a regular file; links are not followed and pipes are not waited for.

    Raises `FileNotFoundError`, and `Unusable` for anything that is not a regular file or cannot be opened.
    """
    if path.is_symlink():  # where the system has no O_NOFOLLOW
        raise Unusable("is a link")
    try:
        handle = os.open(path, flags | _FLAGS, mode)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise Unusable(f"cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Unusable("is not a regular file")
    return handle


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """All of a file. Raises `FileNotFoundError`, and `Unusable` also where it is larger than `most_bytes`."""
    with os.fdopen(open_regular(path), "rb") as file:
        try:
            data = file.read(most_bytes + 1)
        except OSError as error:
            raise Unusable(f"cannot be read: {error.strerror}") from None
    if len(data) > most_bytes:
        raise Unusable(f"is larger than {most_bytes:,} bytes")
    return data


def read_tail(path: Path, most_bytes: int, start: int = 0) -> bytes:
    """The last bytes of a file, from `start` on at the earliest; nothing where it cannot be read."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            file.seek(max(start, file.seek(0, os.SEEK_END) - most_bytes))
            return file.read(most_bytes)
    except (OSError, Unusable):
        return b""


def parse_json(data: bytes) -> Any:
    """A tree of JSON. Raises `Unusable` for what is none, or is nested too deep."""
    try:
        return json.loads(data)
    except RecursionError:
        raise Unusable("is nested too deep") from None
    except ValueError:
        raise Unusable("is not JSON") from None


def load(path: Path, model: type[T], most_bytes: int = JSON_BYTES) -> T:
    """What a JSON file says, as `model`. Raises `FileNotFoundError` and `Unusable`."""
    tree = parse_json(read_bytes(path, most_bytes))
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))[:100]
        raise Unusable(
            f"does not hold what it should: {place + ': ' if place else ''}{first['msg']}"
        ) from None
    except RecursionError:
        raise Unusable("is nested too deep") from None


def load_if_usable(path: Path, model: type[T]) -> T | None:
    """`load`, or None where there is no such file or it cannot be used."""
    try:
        return load(path, model)
    except (OSError, Unusable):
        return None


def as_text(text: str, most: int = 500) -> str:
    """Text that can be shown and sent: no control characters, no half of a pair of surrogates, not long."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:most]).strip()


def is_real_folder(path: Path) -> bool:
    """Whether a path is a folder, and not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def list_real(folder: Path, pattern: re.Pattern[str], *, folders: bool) -> list[Path]:
    """The folders, or else the files, in a folder whose whole names match a pattern, in no order.

    What is linked is left out. There are none where `folder` itself is a link, or no folder.
    """
    if not is_real_folder(folder):
        return []
    with os.scandir(folder) as entries:
        return [
            folder / entry.name
            for entry in entries
            if pattern.fullmatch(entry.name)
            and (entry.is_dir if folders else entry.is_file)(follow_symlinks=False)
        ]


def links_below(folder: Path) -> Iterator[Path]:
    """Every link in a folder and its subfolders; none is followed."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        yield Path(entry.path)
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
        except OSError:  # gone, or not ours to read: whoever reads it says so
            continue
