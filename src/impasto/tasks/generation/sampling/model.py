"""A trained generator at work: seeds and other points in the space of noise -> pictures.

One random generator per seed, and every picture computed by itself: it is the same alone or among others,
bit for bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from impasto.adaptive_threads import AdaptiveThreads, for_this_process, watch
from impasto.config.generation import ModulatedConfig, ProjectedConfig
from impasto.data.colours import Colours, colours_asked
from impasto.data.scan import Progress
from impasto.errors import InputError
from impasto.image.codec import Source, to_tensor
from impasto.image.files import to_pil
from impasto.tasks.generation.generator import Generator
from impasto.tasks.generation.networks import saved_generator
from impasto.tasks.generation.sampling.directions import Directions, KeptDirections
from impasto.tasks.generation.sampling.directions import Progress as Fitting
from impasto.tasks.generation.sampling.inversion import CANDIDATES, STEPS, project
from impasto.tasks.generation.sampling.latents import check_any, pack
from impasto.tasks.generation.sampling.painter import Painter
from impasto.tasks.generation.sampling.photos import Projection, judge, prepare_photo
from impasto.tasks.generation.sampling.recipe import KEY, Point, Recipe
from impasto.tasks.generation.sampling.saving import description, save_picture
from impasto.tasks.generation.sampling.starts import Start
from impasto.tasks.generation.sampling.writer import RecipeWriter, in_colours, seed_point
from impasto.terminal import escaped
from impasto.training.checkpoints import ModelInfo, digest_of, find_model, load_model, load_weights


@dataclass(frozen=True)
class Model:
    """A trained generator and what is known about it. `impasto.load` makes one.

    Each picture that it makes carries its recipe, `picture.info["recipe"]`, from which `make` makes it again.
    All methods raise `InputError` for what is out of range, and for a `Start` of another model.
    """

    generator: Generator
    info: ModelInfo
    folder: Path

    @cached_property
    def digest(self) -> str:
        """Of the weights: recipes say by it which model they are for."""
        return digest_of(self.generator.state_dict())

    @property
    def name(self) -> str:
        """Of its folder, as text that every file can hold."""
        return escaped(self.folder.resolve().name)

    @property
    def engine(self) -> str:
        """What computes: the same gives the same bits."""
        return f"torch {torch.__version__}, {self.generator.device.type}"

    def generate(
        self,
        seeds: Sequence[int],
        *,
        truncation: float = 1.0,
        truncation_at: Mapping[int, float] | None = None,
        directions: Mapping[str, float] | None = None,
        theme: str | Sequence[str] = (),
        colours: Sequence[str] = (),
        palette_from: str | Path | None = None,
    ) -> list[Image.Image]:
        """Make pictures, one for each seed.

        Args:
            seeds: The seeds, each from 0 to 2^63 - 1; at least one.
            truncation: Above 0, at most 2; 1 changes nothing. Below 1 pictures are more typical and less
                varied.
            truncation_at: Truncation of single levels, by their px. None: `truncation` everywhere.
            directions: How far to move along named directions, by name: `{"warmth": 1.5}`; -20 to 20. None:
                nowhere.
            theme: One of `themes`, or several that a picture shall have at once. Empty: none is asked for.
            colours: Up to five colours to be used, such as "#f4c20d" or "teal". Empty: none is asked for.
            palette_from: A picture file whose colours shall be used, in place of `colours`. None: no file.

        Raises:
            InputError: A value is out of range, or the model cannot do what is asked.
        """
        check_any(seeds)
        asked = self.request(colours, palette_from)
        points = [seed_point(seed, truncation, truncation_at, directions, theme, asked) for seed in seeds]
        return [self.make(self.recipe(point)) for point in points]

    def interpolate(
        self, stops: Sequence[Start], *, frames: int = 60, loop: bool = False, truncation: float = 1.0
    ) -> list[Image.Image]:
        """Make the pictures on a way from stop to stop, on arcs, at an even pace.

        Args:
            stops: Where the way leads; at least two.
            frames: Pictures in all, the stops among them; as many as stops or more, at most 10,000.
            loop: Whether the way goes back to the first stop; the frame after the last would be the first.
            truncation: Truncation of stops that are seeds; above 0, at most 2.

        Raises:
            InputError: A value is out of range, or a stop is of another model.
        """
        recipes = self._writer.way(stops, frames, self._painter.see, loop=loop, truncation=truncation)
        return [self.make(recipe) for recipe in recipes]

    def recipes_of_way(
        self, stops: Sequence[Start], *, frames: int = 60, loop: bool = False, truncation: float = 1.0
    ) -> list[Recipe]:
        """The recipes of the frames that `interpolate` makes; it says what the arguments are."""
        return self._writer.way(stops, frames, self._painter.see, loop=loop, truncation=truncation)

    def mix(
        self,
        structure: Start,
        detail: Start,
        *,
        detail_from_px: int | None = None,
        colours: bool = True,
        truncation: float = 1.0,
    ) -> Image.Image:
        """Make a picture with the coarse structure of one and the detail of another, and its colours.

        A network that noise enters at one place has no detail of its own: the colours alone are mixed.

        Args:
            structure: The picture whose coarse structure is used.
            detail: The picture whose detail is used.
            detail_from_px: Detail is what enters the network at this level or finer, in px. None: the finest
                level.
            colours: Whether the colours are those of `detail`.
            truncation: Truncation of pictures that are seeds; above 0, at most 2.

        Raises:
            InputError: A value is out of range, or a picture is of another model.
        """
        recipe = self._writer.mix(structure, detail, detail_from_px, colours=colours, truncation=truncation)
        return self.make(recipe)

    def recipe_of_mix(
        self,
        structure: Start,
        detail: Start,
        *,
        detail_from_px: int | None = None,
        colours: bool = True,
        truncation: float = 1.0,
    ) -> Recipe:
        """The recipe of the picture that `mix` makes; it says what the arguments are."""
        return self._writer.mix(structure, detail, detail_from_px, colours=colours, truncation=truncation)

    def neighbours(
        self, start: Start, *, count: int = 8, spread: float = 0.3, seed: int = 0, truncation: float = 1.0
    ) -> list[Image.Image]:
        """Make variations of a picture.

        Args:
            start: The picture.
            count: How many variations, 1 to 1,000.
            spread: Share of new noise, above 0, at most 1: 0.3 is near, 0.7 is far.
            seed: Seed of the first variation's noise; the others follow it.
            truncation: Truncation of a start that is a seed; above 0, at most 2.

        Raises:
            InputError: A value is out of range, or the picture is of another model.
        """
        recipes = self._writer.neighbours(start, count=count, spread=spread, seed=seed, truncation=truncation)
        return [self.make(recipe) for recipe in recipes]

    def recipes_of_neighbours(
        self, start: Start, *, count: int = 8, spread: float = 0.3, seed: int = 0, truncation: float = 1.0
    ) -> list[Recipe]:
        """The recipes of the variations that `neighbours` makes; it says what the arguments are."""
        return self._writer.neighbours(start, count=count, spread=spread, seed=seed, truncation=truncation)

    def project(
        self,
        photo: Source | str | Image.Image,
        *,
        rng: torch.Generator | None = None,
        steps: int = STEPS,
        candidates: int = CANDIDATES,
        against: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Projection:
        """Find the picture of this model that is most like a photo.

        Args:
            photo: A picture file, its bytes, or a Pillow picture. It is fitted as the model's own pictures
                were.
            rng: Draws the candidates. None: always the same ones.
            steps: Steps of the search, 0 to 100,000.
            candidates: Latents that are tried before the search, 16 to 100,000.
            against: Folder of pictures. The photo is compared with the nearest of those, too. None: it is
                not.
            progress: Is told what is done, how much of it, and of how much. None: nobody is told.

        Raises:
            InputError: The photo is not a picture, a value is out of range, or the folder cannot be used.
        """
        config = self.info.config
        pixels = prepare_photo(photo, config.image, config.data)
        target = to_tensor(pixels[None])
        latents = project(self.generator, target, rng, candidates=candidates, steps=steps, progress=progress)
        found, start = (self.make(self.recipe(pack(latent))) for latent in latents)
        return judge(found, start, pixels, config, against, progress)

    def directions(self, progress: Fitting | None = None) -> Directions:
        """Named steps in the space of noise; fitted once (some 20 s) and kept beside the model.

        `progress` is told how many pictures are measured, and of how many, where they are fitted now.
        """
        return self._painter.directions.find(progress)

    def known_directions(self) -> Directions | None:
        """`directions` where they were fitted before; nothing where that would take its time."""
        return self._painter.directions.known()

    def seed_point(
        self,
        seed: int,
        truncation: float = 1.0,
        truncation_at: Mapping[int, float] | None = None,
        directions: Mapping[str, float] | None = None,
        theme: str | Sequence[str] = (),
        colours: Colours = (),
    ) -> Point:
        """The point of a seed, with what is asked of its picture.

        Args:
            seed: The seed, from 0 to 2^63 - 1.
            truncation: Above 0, at most 2; it is checked when the latent is drawn.
            truncation_at: Truncation of single levels, by their px. None: `truncation` everywhere.
            directions: How far to move along named directions, by name; -20 to 20. None: nowhere.
            theme: A theme, or several at once. Empty: none is asked for.
            colours: What `request` gave. Empty: no colours are asked for.

        Raises:
            InputError: The seed or a direction's value is out of range.
        """
        return seed_point(seed, truncation, truncation_at, directions, theme, colours)

    def steered(
        self,
        start: Start,
        *,
        theme: str | Sequence[str] = (),
        colours: Sequence[str] = (),
        palette_from: str | Path | None = None,
        truncation: float = 1.0,
    ) -> Recipe:
        """A start with something asked of its picture: `interpolate`, `mix` and `neighbours` take it.

        Args:
            start: A seed, a recipe, or a file that holds one.
            theme: A theme, or several at once; for seeds only. Empty: none is asked for.
            colours: Up to five colours to be used, such as "#f4c20d" or "teal". Empty: none is asked for.
            palette_from: A picture file whose colours shall be used, in place of `colours`. None: no file.
            truncation: Truncation of a start that is a seed; above 0, at most 2.

        Raises:
            InputError: A theme is asked of a start that is no seed, or the start or the colours cannot be
                used.
        """
        asked = self.request(colours, palette_from)
        return self._writer.steered(start, theme, asked, truncation)

    def coloured(self, point: Point, colours: Colours) -> Point:
        """The same in other colours, `request`'s; itself where none are asked for."""
        return in_colours(point, colours)

    def request(self, colours: Sequence[str] = (), palette_from: str | Path | None = None) -> Colours:
        """What is asked for by colours such as "teal", or by the picture whose palette it shall be."""
        if (colours or palette_from) and self.info.config.image.channels == 1:
            raise InputError("this model's pictures are grey", "colours can be asked of those in colour")
        return colours_asked(colours, palette_from, self.info.config.data.background)

    @property
    def themes(self) -> tuple[str, ...]:
        """The names of what `generate(theme=...)` can be asked for; none for a model without."""
        config = self.info.config.model
        return config.themes if isinstance(config, ProjectedConfig | ModulatedConfig) else ()

    def start_point(self, start: Start, truncation: float = 1.0) -> Point:
        """Where a seed, a recipe or a file's recipe lies; `truncation` is for seeds."""
        return self._writer.point(start, truncation)

    def recipe(self, point: Point, colours_of: Point | None = None) -> Recipe:
        """What makes the picture at a point."""
        return self._writer.recipe(point, colours_of)

    def check(self, recipe: Recipe) -> None:
        """Raises `InputError` for a recipe of another model."""
        self._writer.check(recipe)

    def make(self, recipe: Recipe) -> Image.Image:
        """The picture of a recipe, the same bits on the same engine. Its `info["recipe"]` is the recipe."""
        self.check(recipe)
        picture = to_pil(self._painter.paint(recipe.point, recipe.colours_of))
        picture.info[KEY] = recipe.to_json()
        return picture

    def render(self, seeds: Sequence[int], *, truncation: float = 1.0) -> NDArray[np.uint8]:
        """What `generate` makes, as (len(seeds), H, W, channels) uint8."""
        check_any(seeds)
        points = [seed_point(seed, truncation) for seed in seeds]
        return np.stack([self._painter.paint(point) for point in points])

    def save(self, picture: Image.Image, path: str | Path) -> None:
        """Write a picture that this model made, .png, .webp or .jpg, its recipe inside and, as JSON, beside.

        Both replace what is there. Raises `InputError` for another suffix.
        """
        recipe = Recipe.model_validate_json(picture.info[KEY])
        save_picture(picture, Path(path), self.describe(recipe))

    def describe(self, recipe: Recipe | None = None) -> dict[str, str]:
        """What a picture's file should say, for people, about how it was made."""
        return description(self.name, self.info, recipe)

    def latent(self, point: Point) -> Tensor:
        """(levels, latent_dim) float32 on the CPU. Raises `InputError` for what this model cannot do."""
        return self._painter.latent(point)

    @property
    def _writer(self) -> RecipeWriter:
        return RecipeWriter(self.name, self.digest, self.engine, self.folder, self.generator.levels)

    @cached_property
    def _painter(self) -> Painter:
        directions = KeptDirections(self.generator, self.folder, self.digest, self.themes)
        return Painter(self.generator, self.themes, self.info.config.data.background, directions)


def load(folder: str | Path, *, device: str = "cpu", threads: AdaptiveThreads | None = None) -> Model:
    """Load a model folder, or a run's best model; nothing read is executed. Raises `CheckpointError`.

    On a CPU pictures are computed by `threads`, by default by as many as pay at the moment.
    """
    path = find_model(Path(folder))
    weights, info = load_model(path, saved_generator)
    with torch.random.fork_rng(devices=[]):  # building draws initial weights that are thrown away
        generator = saved_generator(info.config)
    load_weights(generator, weights, path / "model.safetensors")
    generator.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]
    if device == "cpu":
        watch(generator, threads or for_this_process())
    return Model(generator, info, path)
