"""Where models were last seen on this machine, so that a picture's recipe finds its own.

A recipe names a model by the digest of its weights and not by a path: pictures are shown to others. The
paths stay in the cache of this machine.
"""

import contextlib
from pathlib import Path

from impasto.errors import InputError
from impasto.files import cache_folder, write_bytes_atomically
from impasto.tasks.generation.sampling.recipe import Recipe


def remember(digest: str, folder: Path) -> None:
    """Note where a model is. A cache that cannot be written to is no error: nothing depends on it."""
    with contextlib.suppress(OSError):
        write_bytes_atomically(_note(digest), str(folder.resolve()).encode(), durable=False)


def where_is(recipe: Recipe) -> Path:
    """The folder in which the recipe's model was last seen. Raises `InputError` where that is not known."""
    try:
        return Path(_note(recipe.weights).read_bytes().decode())
    except (OSError, ValueError):
        raise InputError(
            f"the recipe is of the model '{recipe.model}', which was not used on this machine before",
            "say where it is: impasto generate MODEL --recipe FILE --out DIR",
        ) from None


def _note(digest: str) -> Path:
    return cache_folder() / "models" / f"{Path(digest).name}.txt"
