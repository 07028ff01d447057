"""The size of pictures as people give it: 64, "64", "384x256", or (384, 256), the width first."""

import re
from collections.abc import Sequence

from impasto.errors import ConfigError

Size = int | str | Sequence[int]


def parse_size(asked: Size) -> tuple[int, int]:
    """Height and width in px. Raises `ConfigError` for what is no size."""
    sides = [asked] if isinstance(asked, int) else asked
    if isinstance(sides, str):
        found = re.fullmatch(r"(\d{1,9})(?:\s*[x×*]\s*(\d{1,9}))?", sides.strip(), re.IGNORECASE | re.ASCII)
        sides = [int(side) for side in found.groups() if side] if found else []
    if len(sides) not in (1, 2) or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ConfigError(
            f"{str(asked)[:80]!r} is no size of pictures",
            "one number of px for squares, as 64, or WIDTHxHEIGHT, as 384x256",
        )
    return sides[-1], sides[0]


def size_settings(shape: tuple[int, int]) -> dict[str, int | None]:
    """Height and width as settings."""
    height, width = shape
    return {"image.size": height, "image.width": None if width == height else width}
