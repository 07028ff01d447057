"""Recipes of what people ask of a model: seeds, ways, mixtures, variations. What is asked is checked here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from impasto.data.colours import Colours
from impasto.errors import InputError
from impasto.tasks.generation.sampling.latents import check_move, check_seed
from impasto.tasks.generation.sampling.paths import Look, walk
from impasto.tasks.generation.sampling.recipe import Coloured, Mix, Moved, Near, Point, Recipe, Seed
from impasto.tasks.generation.sampling.starts import Start, read_one
from impasto.terminal import escaped

MOST_FRAMES, MOST_NEIGHBOURS = 10_000, 1_000


@dataclass(frozen=True)
class RecipeWriter:
    """Writes the recipes of one model. `Model` has methods of the same arguments, and says what they are.

    All methods raise `InputError` for what is out of range, and for a `Start` of another model.

    Attributes:
        model: The model's name.
        weights: Digest of its weights.
        engine: What computes its pictures.
        folder: Where it lies.
        levels: Those of its generator, in px, coarsest first.
    """

    model: str
    weights: str
    engine: str
    folder: Path
    levels: tuple[int, ...]

    def recipe(self, point: Point, colours_of: Point | None = None) -> Recipe:
        """What makes the picture at a point."""
        return Recipe(
            model=self.model, weights=self.weights, engine=self.engine, point=point, colours_of=colours_of
        )

    def check(self, recipe: Recipe) -> None:
        """Raises `InputError` for a recipe of another model."""
        if recipe.weights != self.weights:
            raise InputError(
                f"the recipe is of another model: '{recipe.model}' with weights {recipe.weights}",
                f"'{self.folder}' has weights {self.weights}",
            )

    def point(self, start: Start, truncation: float = 1.0) -> Point:
        """Where a seed, a recipe or a file's recipe lies; `truncation` is for seeds."""
        if isinstance(start, int):
            return seed_point(start, truncation)
        recipe = start if isinstance(start, Recipe) else read_one(Path(start))
        self.check(recipe)
        if recipe.colours_of is not None:
            raise InputError(
                "a picture with the colours of another is no point to start from",
                "start from the two that it was mixed from",
            )
        return recipe.point

    def steered(
        self, start: Start, theme: str | Sequence[str], colours: Colours, truncation: float
    ) -> Recipe:
        """A start with something asked of its picture."""
        if isinstance(start, int):
            return self.recipe(seed_point(start, truncation, theme=theme, colours=colours))
        if theme:
            raise InputError("a theme can be asked of seeds alone", "a picture or recipe shows what it shows")
        return self.recipe(in_colours(self.point(start), colours))

    def way(
        self, stops: Sequence[Start], frames: int, look: Look, *, loop: bool, truncation: float
    ) -> list[Recipe]:
        """Frames on a way from stop to stop; `look` decides what an even pace is."""
        if len(stops) < 2:
            raise InputError("a way needs two stops at least", "give two seeds or more: 3 7 12")
        if not len(stops) <= frames <= MOST_FRAMES:
            raise InputError(
                f"{frames} frames are out of range", f"{len(stops)} (the stops) to {MOST_FRAMES:,}"
            )
        points = [self.point(stop, truncation) for stop in stops]
        return [self.recipe(point) for point in walk(points, frames, look, loop=loop)]

    def mix(
        self, structure: Start, detail: Start, from_px: int | None, *, colours: bool, truncation: float
    ) -> Recipe:
        """The structure of one picture with the detail, and the colours, of another."""
        point, other = (self.point(start, truncation) for start in (structure, detail))
        if from_px is None and len(self.levels) > 1:
            from_px = self.levels[-1]
        if from_px is not None:
            point = Mix(structure=point, detail=other, detail_from_px=from_px)
        return self.recipe(point, other if colours else None)

    def neighbours(
        self, start: Start, *, count: int, spread: float, seed: int, truncation: float
    ) -> list[Recipe]:
        """Variations of a picture."""
        if not 0 < spread <= 1:
            raise InputError(
                f"spread {spread:g} is out of range", "above 0, at most 1: 0.3 is near, 0.7 is far"
            )
        if not 1 <= count <= MOST_NEIGHBOURS:
            raise InputError(f"{count} variations are out of range", f"1 to {MOST_NEIGHBOURS:,}")
        centre = self.point(start, truncation)
        return [self.recipe(Near(centre=centre, spread=spread, seed=seed + i)) for i in range(count)]


def seed_point(
    seed: int,
    truncation: float = 1.0,
    truncation_at: Mapping[int, float] | None = None,
    directions: Mapping[str, float] | None = None,
    theme: str | Sequence[str] = (),
    colours: Colours = (),
) -> Point:
    """The point of a seed, with what is asked of its picture: `Model.seed_point`, of whatever model."""
    check_seed(seed)
    asked = tuple(escaped(name) for name in ((theme,) if isinstance(theme, str) else theme))
    at = dict(truncation_at or {})
    point: Point = Seed(seed=int(seed), truncation=truncation, truncation_at=at, themes=asked)
    if directions:
        for name, value in directions.items():
            check_move(name, value)
        point = Moved(start=point, directions=dict(directions))
    return in_colours(point, colours)


def in_colours(point: Point, colours: Colours) -> Point:
    """The same in other colours; itself where none are asked for."""
    return Coloured(start=point, colours=tuple(colours)) if colours else point
