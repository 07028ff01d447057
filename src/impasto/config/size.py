"""The size of pictures as people give it, 64, "384x256" or (384, 256), the width first; which are large."""

import re
from collections.abc import Sequence

from impasto.errors import ConfigError

Size = int | str | Sequence[int]

SCALE = 4  # times smaller large pictures are drawn, before they are enlarged (tasks/large.py)
DRAWN_PX = 128  # pictures with a longer side are large
LEAST_PX, MOST_PX, STEP_PX = 64, 1024, 32
GAME_SHARE = 0.7  # of the minutes; the rest is the enlarger's


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


def is_large(shape: tuple[int, int], preset: str | None) -> bool:
    """Whether pictures of this height and width are made by enlarging smaller ones.

    Textbooks draw all sizes alone. Raises `ConfigError` for pictures that would be, and cannot be.
    """
    if max(shape) <= DRAWN_PX or preset not in (None, "default", "few-shot"):
        return False
    if any(side % STEP_PX or not LEAST_PX <= side <= MOST_PX for side in shape):
        height, width = shape
        raise ConfigError(
            f"pictures of {width} x {height} px cannot be made",
            f"each side a multiple of {STEP_PX} from {LEAST_PX} to {MOST_PX} px, for example --size 384x256",
        )
    return True


def reduced(shape: tuple[int, int]) -> tuple[int, int]:
    """The height and width at which the game of large pictures is played."""
    height, width = shape
    return height // SCALE, width // SCALE


def drawn(shape: tuple[int, int], preset: str | None) -> tuple[int, int]:
    """The height and width that a generator draws where pictures of this height and width are asked for."""
    return reduced(shape) if is_large(shape, preset) else shape
