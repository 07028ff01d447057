"""How a picture was made, as JSON: a recipe makes it again, bit for bit on the same engine.

Every picture is made from its recipe, so a recipe cannot say something else than what was done. A `Point`
says where in the space of noise a picture lies, by how one gets there; latents.py goes there.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from impasto.config.types import Frozen
from impasto.errors import ImageError, InputError
from impasto.image.files import read_metadata

KEY = "recipe"  # the name of the recipe inside a picture
LONGEST_BYTES = 64 * 1024 * 1024
Unit = Annotated[float, Field(ge=0, le=1)]
Hex = Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Seed(Frozen):
    """What the prior draws for a seed, of the themes if any are named. `truncation_at` says otherwise for
    single levels, by their px."""  # fmt: skip

    kind: Literal["seed"] = "seed"
    seed: int
    truncation: float = 1.0
    truncation_at: Mapping[int, float] = {}
    themes: tuple[str, ...] = ()


class Coloured(Frozen):
    """`start` in other colours: `"#rrggbb"` and share of each, requests as in oklab.py: with ones for shares
    some of the colours, with shares that add up to 1 all of them."""  # fmt: skip

    kind: Literal["coloured"] = "coloured"
    start: "Point"
    colours: Annotated[tuple[tuple[Hex, Unit], ...], Field(min_length=1, max_length=5)]


class Stored(Frozen):
    """Numbers, found by a search: (levels, latent_dim) float32, little-endian, as base64."""

    kind: Literal["stored"] = "stored"
    latent: str


class Between(Frozen):
    """On the arc from `first` (`at` 0) to `last` (`at` 1)."""

    kind: Literal["between"] = "between"
    first: "Point"
    last: "Point"
    at: Unit


class Mix(Frozen):
    """`structure`, but `detail` at the levels of `detail_from_px` and finer."""

    kind: Literal["mix"] = "mix"
    structure: "Point"
    detail: "Point"
    detail_from_px: int


class Near(Frozen):
    """A variation of `centre`: a share `spread` of it is noise, drawn by `seed`."""

    kind: Literal["near"] = "near"
    centre: "Point"
    spread: Unit
    seed: int


class Moved(Frozen):
    """`start`, moved along named directions, each by so many of its units (directions.py)."""

    kind: Literal["moved"] = "moved"
    start: "Point"
    directions: Mapping[str, Finite]


Point = Annotated[Seed | Coloured | Stored | Between | Mix | Near | Moved, Field(discriminator="kind")]
for _recursive in (Coloured, Between, Mix, Near, Moved):
    _recursive.model_rebuild()


class Recipe(Frozen):
    """A picture: of which model, which point, and which other point its colours are taken from, if any."""

    format: Literal["impasto-recipe"] = "impasto-recipe"
    format_version: Literal[1] = 1
    model: str  # its folder's name, for people
    weights: str  # its digest (`Model.digest`)
    engine: str  # what computed it: other versions and devices may round otherwise
    point: Point
    colours_of: Point | None = None

    def to_json(self) -> str:
        """One line of JSON."""
        return self.model_dump_json(exclude_none=True)


class Recipes(Frozen):
    """The recipes of several pictures, such as the frames of an animation."""

    format: Literal["impasto-recipes"] = "impasto-recipes"
    format_version: Literal[1] = 1
    recipes: Annotated[Sequence[Recipe], Field(min_length=1)]


_ONE_OR_MORE: TypeAdapter[Recipe | Recipes] = TypeAdapter(
    Annotated[Recipe | Recipes, Field(discriminator="format")]
)


def read_recipes(path: Path) -> list[Recipe]:
    """The recipes in a JSON file, or inside a PNG, WebP or JPEG picture. Raises `InputError`."""
    if not path.is_file():
        raise InputError(f"there is no recipe '{path}'", "a picture that Impasto made, or the JSON beside it")
    if path.stat().st_size > LONGEST_BYTES:
        raise InputError(f"'{path}' is too large for a recipe", "give a picture or its JSON")
    if path.suffix.lower() == ".json":
        return parse_recipes(path.read_bytes(), str(path))
    try:
        text = read_metadata(path).get(KEY)
    except ImageError as error:
        raise InputError(f"'{path}' {error.message}", "give a .json, .png, .webp or .jpg") from None
    if text is None:
        raise InputError(
            f"'{path}' has no recipe inside",
            "other programs leave it out when they save: take the JSON that was written beside it",
        )
    return parse_recipes(text.encode(), str(path))


def parse_recipes(text: bytes, name: str) -> list[Recipe]:
    """The recipe in JSON text, or all of several. Raises `InputError` that names where it is from."""
    try:
        found = _ONE_OR_MORE.validate_json(text)
        return [found] if isinstance(found, Recipe) else list(found.recipes)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"'{name}' is not a recipe of Impasto: {place + ': ' if place else ''}{first['msg']}",
            "`impasto generate` writes one beside each picture",
        ) from None
    except RecursionError:  # a recipe of recipes of recipes ...
        raise InputError(
            f"'{name}' is not a recipe of Impasto: it is nested more than {sys.getrecursionlimit()} deep"
        ) from None
