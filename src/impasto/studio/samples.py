"""The grids of pictures from fixed noise that a training leaves in its folder."""

import re
from pathlib import Path

from impasto.studio.problems import NotHere
from impasto.studio.untrusted import Unusable, list_real, read_bytes

GRID_BYTES = 64 * 2**20
_GRID = re.compile(r"\d{1,18}\.png", re.ASCII)


def list_grids(folder: Path) -> list[Path]:
    """The grids of the job in `folder`, oldest first. What is linked is left out."""
    return sorted(list_real(folder / "samples", _GRID, folders=False))


def read_grid(path: Path) -> bytes:
    """One of `list_grids`. Raises `NotHere` where it is no PNG file of the run's own."""
    try:
        data = read_bytes(path, GRID_BYTES)
    except (OSError, Unusable):
        data = b""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise NotHere(f"the samples '{path.name}' cannot be read", "the next ones come soon")
    return data
