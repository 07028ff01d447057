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

from impasto import __version__
from impasto.adaptive_threads import AdaptiveThreads, for_this_process, watch
from impasto.config.generation import ModulatedConfig, ProjectedConfig
from impasto.data.colours import Colours, colours_asked
from impasto.errors import InputError
from impasto.files import replacing
from impasto.image.codec import Source, to_tensor, to_uint8
from impasto.image.files import encode, from_pil, to_pil
from impasto.nn.frozen_features import FrozenFeatures, content
from impasto.tasks.generation.generator import Generator
from impasto.tasks.generation.networks import saved_generator
from impasto.tasks.generation.sampling.directions import Directions, directions_of, known_directions
from impasto.tasks.generation.sampling.directions import Progress as Fitting
from impasto.tasks.generation.sampling.inversion import CANDIDATES, STEPS, Progress, check_search, project
from impasto.tasks.generation.sampling.latents import check_move, check_seed, colouring_of, latent_of, pack
from impasto.tasks.generation.sampling.paths import walk
from impasto.tasks.generation.sampling.photos import Projection, judge, prepare_photo
from impasto.tasks.generation.sampling.recipe import KEY, Coloured, Mix, Moved, Near, Point, Recipe, Seed
from impasto.tasks.generation.sampling.recolour import recolour
from impasto.tasks.generation.sampling.repaint import coloured
from impasto.tasks.generation.sampling.starts import Start, read_one
from impasto.terminal import escaped
from impasto.training.checkpoints import ModelInfo, digest_of, find_model, load_model, load_weights

MOST_FRAMES, MOST_NEIGHBOURS = 10_000, 1_000
SEEN_PX = 128  # at which frames are compared


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
        return f"torch {torch.__version__}, {next(self.generator.parameters()).device.type}"

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
        if not len(seeds):
            raise InputError("there are no seeds to make pictures of", "give at least one")
        asked = self.request(colours, palette_from)
        points = [
            self.seed_point(seed, truncation, truncation_at, directions, theme, asked) for seed in seeds
        ]
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
        recipes = self.recipes_of_way(stops, frames=frames, loop=loop, truncation=truncation)
        return [self.make(recipe) for recipe in recipes]

    def recipes_of_way(
        self, stops: Sequence[Start], *, frames: int = 60, loop: bool = False, truncation: float = 1.0
    ) -> list[Recipe]:
        """The recipes of the frames that `interpolate` makes.

        Args:
            stops: Where the way leads; at least two.
            frames: Frames in all, the stops among them; as many as stops or more, at most 10,000.
            loop: Whether the way goes back to the first stop.
            truncation: Truncation of stops that are seeds; above 0, at most 2.

        Raises:
            InputError: A value is out of range, or a stop is of another model.
        """
        if len(stops) < 2:
            raise InputError("a way needs two stops at least", "give two seeds or more: 3 7 12")
        if not len(stops) <= frames <= MOST_FRAMES:
            raise InputError(
                f"{frames} frames are out of range", f"{len(stops)} (the stops) to {MOST_FRAMES:,}"
            )
        points = [self.start_point(stop, truncation) for stop in stops]
        return [self.recipe(point) for point in walk(points, frames, self._see, loop=loop)]

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
        return self.make(
            self.recipe_of_mix(
                structure, detail, detail_from_px=detail_from_px, colours=colours, truncation=truncation
            )
        )

    def recipe_of_mix(
        self,
        structure: Start,
        detail: Start,
        *,
        detail_from_px: int | None = None,
        colours: bool = True,
        truncation: float = 1.0,
    ) -> Recipe:
        """The recipe of the picture that `mix` makes.

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
        base, other = (self.start_point(start, truncation) for start in (structure, detail))
        levels = self.generator.levels
        if detail_from_px is None and len(levels) > 1:
            detail_from_px = levels[-1]
        point = base
        if detail_from_px is not None:
            point = Mix(structure=base, detail=other, detail_from_px=detail_from_px)
        return self.recipe(point, other if colours else None)

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
        recipes = self.recipes_of_neighbours(
            start, count=count, spread=spread, seed=seed, truncation=truncation
        )
        return [self.make(recipe) for recipe in recipes]

    def recipes_of_neighbours(
        self, start: Start, *, count: int = 8, spread: float = 0.3, seed: int = 0, truncation: float = 1.0
    ) -> list[Recipe]:
        """The recipes of the variations that `neighbours` makes.

        Args:
            start: The picture.
            count: How many variations, 1 to 1,000.
            spread: Share of new noise, above 0, at most 1.
            seed: Seed of the first variation's noise; the others follow it.
            truncation: Truncation of a start that is a seed; above 0, at most 2.

        Raises:
            InputError: A value is out of range, or the picture is of another model.
        """
        if not 0 < spread <= 1:
            raise InputError(
                f"spread {spread:g} is out of range", "above 0, at most 1: 0.3 is near, 0.7 is far"
            )
        if not 1 <= count <= MOST_NEIGHBOURS:
            raise InputError(f"{count} variations are out of range", f"1 to {MOST_NEIGHBOURS:,}")
        centre = self.start_point(start, truncation)
        points = [Near(centre=centre, spread=spread, seed=seed + i) for i in range(count)]
        return [self.recipe(point) for point in points]

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
        rng = torch.Generator().manual_seed(0) if rng is None else rng
        check_search(steps, candidates)
        target = to_tensor(pixels[None])
        latent, start = project(
            self.generator, target, rng, candidates=candidates, steps=steps, progress=progress
        )
        made, begun = (self.make(self.recipe(pack(found))) for found in (latent, start))
        return judge(made, begun, pixels, config, against, progress)

    def directions(self, progress: Fitting | None = None) -> Directions:
        """Named steps in the space of noise; fitted once (some 20 s) and kept beside the model.

        `progress` is told how many pictures are measured, and of how many, where they are fitted now.
        """
        found: Directions | None = self.__dict__.get("_fitted")
        if found is None:
            found = directions_of(self.generator, self.folder, self.digest, self.themes, progress)
            self.__dict__["_fitted"] = found
        return found

    def known_directions(self) -> Directions | None:
        """`directions` where they were fitted before; nothing where that would take its time."""
        found: Directions | None = self.__dict__.get("_fitted")
        return found or known_directions(self.folder, self.digest)

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
        check_seed(seed)
        asked = tuple(escaped(name) for name in ((theme,) if isinstance(theme, str) else theme))
        at = dict(truncation_at or {})
        point: Point = Seed(seed=int(seed), truncation=truncation, truncation_at=at, themes=asked)
        if directions:
            for name, value in directions.items():
                check_move(name, value)
            point = Moved(start=point, directions=dict(directions))
        return self.coloured(point, colours)

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
        if isinstance(start, int):
            return self.recipe(self.seed_point(start, truncation, theme=theme, colours=asked))
        if theme:
            raise InputError("a theme can be asked of seeds alone", "a picture or recipe shows what it shows")
        return self.recipe(self.coloured(self.start_point(start), asked))

    def coloured(self, point: Point, colours: Colours) -> Point:
        """The same in other colours, `request`'s; itself where none are asked for."""
        return Coloured(start=point, colours=tuple(colours)) if colours else point

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
        if isinstance(start, int):
            return self.seed_point(start, truncation)
        if isinstance(start, str | Path):
            start = read_one(Path(start))
        self.check(start)
        if start.colours_of is not None:
            raise InputError(
                "a picture with the colours of another is no point to start from",
                "start from the two that it was mixed from",
            )
        return start.point

    def recipe(self, point: Point, colours_of: Point | None = None) -> Recipe:
        """What makes the picture at a point."""
        return Recipe(
            model=self.name,
            weights=self.digest,
            engine=self.engine,
            point=point,
            colours_of=colours_of,
        )

    def check(self, recipe: Recipe) -> None:
        """Raises `InputError` for a recipe of another model."""
        if recipe.weights != self.digest:
            raise InputError(
                f"the recipe is of another model: '{recipe.model}' with weights {recipe.weights}",
                f"'{self.folder}' has weights {self.digest}",
            )

    def make(self, recipe: Recipe) -> Image.Image:
        """The picture of a recipe, the same bits on the same engine. Its `info["recipe"]` is the recipe."""
        self.check(recipe)
        picture = to_pil(to_uint8(self._images([recipe.point], recipe.colours_of))[0])
        picture.info[KEY] = recipe.to_json()
        return picture

    def render(self, seeds: Sequence[int], *, truncation: float = 1.0) -> NDArray[np.uint8]:
        """What `generate` makes, as (len(seeds), size, size, channels) uint8."""
        if not len(seeds):
            raise InputError("there are no seeds to make pictures of", "give at least one")
        points = [self.seed_point(seed, truncation) for seed in seeds]
        return np.concatenate([to_uint8(self._images([point])) for point in points])

    def save(self, picture: Image.Image, path: str | Path) -> None:
        """Write a picture that this model made, .png, .webp or .jpg, its recipe inside and, as JSON, beside.

        Both replace what is there. Raises `InputError` for another suffix.
        """
        path, text = Path(path), picture.info[KEY]
        about = self.describe(Recipe.model_validate_json(text))
        data = encode(from_pil(picture), path.name, metadata={**about, KEY: text})
        # Both are whole before either has its name: nothing comes between them but the end of the process.
        with replacing(path.with_suffix(".json")) as beside, replacing(path) as temporary:
            beside.write_bytes(text.encode())
            temporary.write_bytes(data)

    def describe(self, recipe: Recipe | None = None) -> dict[str, str]:
        """What a picture's file should say, for people, about how it was made."""
        about = {
            "software": f"Impasto {__version__}",
            "model": self.name,
            "model_images_seen": str(self.info.images_seen),
            "model_data": str(self.info.data.get("fingerprint", "")),
            "preset": self.info.config.preset,
        }
        point = None if recipe is None else recipe.point
        if isinstance(point, Coloured):
            about |= {"colours": ", ".join(colour for colour, _ in point.colours)}
            point = point.start
        if isinstance(point, Seed):
            about |= {"seed": str(point.seed), "truncation": f"{point.truncation:g}"}
            about |= {"themes": ", ".join(point.themes)} if point.themes else {}
        return about

    @cached_property
    def _pyramid(self) -> FrozenFeatures:
        return FrozenFeatures(SEEN_PX).to(next(self.generator.parameters()).device)

    def latent(self, point: Point) -> Tensor:
        """(levels, latent_dim) float32 on the CPU. Raises `InputError` for what this model cannot do."""
        return latent_of(point, self.generator, lambda name: self.directions()[name], self.themes)

    @torch.inference_mode()
    def _images(self, points: Sequence[Point], colours_of: Point | None = None) -> Tensor:
        """(B, channels, size, size), one picture at a time."""
        device = next(self.generator.parameters()).device
        latents = [self.latent(point)[None].to(device) for point in points]
        images = torch.cat([self.generator(latent) for latent in latents])
        colourings = [colouring_of(point) for point in points]
        images = coloured(images, colourings, self.info.config.data.background)
        return images if colours_of is None else recolour(images, self._images([colours_of]))

    @torch.inference_mode()
    def _see(self, points: Sequence[Point]) -> Tensor:
        """What the frozen network says of the pictures at points: (B, 1600) on the CPU."""
        seen = [content(self._pyramid(self._images([point]).clamp(-1, 1))) for point in points]
        return torch.cat(seen).cpu()


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
