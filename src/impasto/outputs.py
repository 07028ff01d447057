"""One rule for everything that is written, and which files Impasto wrote.

What exists is not overwritten unasked: a command refuses before its work, and `--overwrite` asks for it. In
Python, functions that write to a folder refuse in the same way; a function that is given the path of one
file (`Model.save`, `export`) replaces that file.

Each folder that Impasto writes pictures to holds a small text file, `.impasto`, with one line for each
file: its name as a JSON string. They are not read as input. A file that is moved to another folder, or
copied, is the user's own.
"""

import json
import os
from collections.abc import Container, Iterable
from itertools import islice
from pathlib import Path

from impasto.errors import InputError
from impasto.files import sweep

LIST_NAME = ".impasto"
_FIRST_LINE = "# Impasto wrote these files. It does not read them as input when it reads the folder above.\n"
_RUN_FILES = ("config.json", "events.jsonl")
_MODEL_FILES = ("model.json", "model.safetensors")


def record(folder: Path, names: Iterable[str]) -> None:
    """Add `names` of files in `folder` to the list of what Impasto wrote there.

    Lines are appended, so several processes may record at once. A folder that cannot be written to raises
    `OSError`.
    """
    path = folder / LIST_NAME
    lines = "".join(f"{json.dumps(name)}\n" for name in names)
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(lines if file.tell() else _FIRST_LINE + lines)


def note(path: Path) -> None:
    """Have a file on its folder's list, once. Raises `OSError`."""
    line = f"\n{json.dumps(path.name)}\n"
    try:
        known = line in (path.parent / LIST_NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:
        known = False
    if not known:
        record(path.parent, [path.name])


def written_in(folder: Path) -> frozenset[str]:
    """Names of the files in `folder` that Impasto wrote; empty where there is no list, or it is damaged."""
    try:
        text = (folder / LIST_NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    names = set()
    for line in text.splitlines():
        try:
            name = json.loads(line)
        except ValueError:  # the first line, or one that was cut
            continue
        if isinstance(name, str):
            names.add(name)
    return frozenset(names)


def is_run_or_model(folder: Path) -> bool:
    """Whether `impasto train` or `impasto export` wrote `folder`: then no picture in it is the user's."""
    return any(all((folder / name).is_file() for name in names) for names in (_RUN_FILES, _MODEL_FILES))


class Outputs:
    """The files that a command writes to one folder."""

    def __init__(self, folder: Path, names: Iterable[str], *, overwrite: bool = False) -> None:
        """Check that `names` can be written in `folder`. Nothing is written yet.

        Raises `InputError` where the folder is a file, or where one of them is there and not to be replaced.
        Temporary files of killed processes are removed from the folder.
        """
        self.folder = folder
        check_folder(folder)
        if folder.is_dir():
            refuse_existing((folder / name for name in names), overwrite=overwrite)
            sweep(folder)

    def path(self, name: str) -> Path:
        """Where to write that file, which is on the list of what Impasto wrote from now on.

        Listed first: a command that is killed between the two leaves nothing that is taken for input.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        note(self.folder / name)
        return self.folder / name


def check_folder(folder: Path) -> None:
    """Raises `InputError` where files cannot be put into `folder`, because it or a part of it is a file."""
    for place in (folder, *folder.parents):
        if place.is_dir():
            return
        if os.path.lexists(place):
            raise InputError(f"'{place}' is a file, not a folder", "choose another --out")


def refuse_existing(
    targets: Iterable[Path], *, overwrite: bool = False, hint: str = "--overwrite replaces what is there"
) -> None:
    """Raises `InputError`, with the first few names and how many there are, where any target exists.

    With `overwrite` only folders are refused, which no file can replace.
    """
    there = (target for target in targets if target.is_dir() or (not overwrite and os.path.lexists(target)))
    first = list(islice(there, 3))
    if not first:
        return
    names = ", ".join(f"'{target}'" for target in first)
    if folders := [target for target in first if target.is_dir()]:
        raise InputError(
            f"'{folders[0]}' is a folder, and a file is to be written there", "choose another --out"
        )
    if more := sum(1 for _ in there):
        raise InputError(f"{len(first) + more:,} files are there already: {names} ...", hint)
    raise InputError(f"{names} {'is' if len(first) == 1 else 'are'} there already", hint)


def means_file(out: Path, suffixes: Container[str]) -> bool:
    """Whether `out` names a file of one of these kinds (".png"), and not a folder."""
    return out.suffix.lower() in suffixes and not out.is_dir()
