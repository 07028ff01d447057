"""Which files Impasto wrote, so that they are not read as its input.

Each folder that Impasto writes pictures to holds a small text file, `.impasto`, with one line for each
file: its name as a JSON string. A file that is moved to another folder, or copied, is the user's own.
"""

import json
from collections.abc import Iterable
from pathlib import Path

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
