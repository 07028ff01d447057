"""Where to start from, as people say it: seeds, and files that hold a recipe."""

import re
from pathlib import Path

from impasto.errors import InputError
from impasto.tasks.generation.sampling.recipe import Recipe, read_recipes

MOST_SEEDS = 100_000

Start = int | Recipe | str | Path
"""Where to start from: a seed, a recipe, or a file that holds one (a picture, or the JSON beside it)."""


def read_one(path: Path) -> Recipe:
    """The recipe in a file that holds one. Raises `InputError`."""
    recipe, *more = read_recipes(path)
    if more:
        raise InputError(f"'{path}' holds {len(more) + 1} recipes", "give a file with one")
    return recipe


def parse_seeds(text: str) -> list[int]:
    """`"0-3,8"` -> `[0, 1, 2, 3, 8]`. Raises `InputError` for anything else, or for more than 100,000."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,19})(?:-(\d{1,19}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise InputError(f"'{text}' does not name seeds", "write 0-15, or 3,7,40-49")
        if last - first + len(seeds) >= MOST_SEEDS:
            raise InputError(f"'{text}' names more than {MOST_SEEDS:,} seeds", "make them in several goes")
        seeds += range(first, last + 1)
    return seeds


def parse_starts(text: str) -> list[int] | list[Path]:
    """Seeds, as `parse_seeds` reads them, or the path of a picture or recipe. Raises `InputError`."""
    path = Path(text)
    return [path] if path.is_file() or path.suffix else [*parse_seeds(text)]
