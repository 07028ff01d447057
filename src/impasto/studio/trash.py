"""Names that people give their runs and uploads; what they delete is moved, so that it can come back."""

import json
from pathlib import Path

from impasto.files import read_json, write_bytes_atomically
from impasto.studio.problems import NotHere, Refused

TRASH = ".trash"  # below the workspace; its name keeps it out of what is looked through
LONGEST_NAME = 80


def rename(about: Path, name: str) -> str:
    """Write a name into `job.json` or `dataset.json`; returns it as it was written.

    Raises `Refused` (422) for a name that is none, `NotHere` where there is no such file.
    """
    name = " ".join("".join(c for c in name if c.isprintable()).split())[:LONGEST_NAME].strip()
    if not name:
        raise Refused(422, "a name needs a letter or a digit")
    try:
        tree = read_json(about)
    except (OSError, ValueError):
        raise NotHere(f"there is no folder '{about.parent.name}'") from None
    write_bytes_atomically(about, json.dumps({**tree, "name": name}, indent=2).encode())
    return name


def put_away(folder: Path, workspace: Path) -> Path:
    """Move a folder of a workspace into its trash; where it is now. Raises `NotHere`."""
    place = workspace.resolve() / TRASH / folder.parent.name / folder.name
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.rename(place)
    except FileNotFoundError:
        raise NotHere(f"there is no folder '{folder.name}'") from None
    return place


def bring_back(place: Path, workspace: Path) -> Path:
    """Move a folder from the trash back to where it was. Raises `NotHere` if it is not there any more."""
    workspace = workspace.resolve()
    inside = place.resolve()
    parts = inside.relative_to(workspace).parts if inside.is_relative_to(workspace) else ()
    if len(parts) != 3 or parts[0] != TRASH or not inside.is_dir():
        raise NotHere(f"there is no folder '{place.name}'")
    target = workspace.joinpath(*parts[1:])
    if target.exists():
        raise Refused(409, f"'{target.name}' is there already")
    target.parent.mkdir(exist_ok=True)
    inside.rename(target)
    return target
