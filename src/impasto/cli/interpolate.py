"""`impasto interpolate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from impasto.cli.output import Device, ModelArgument, Overwrite, Truncation

if TYPE_CHECKING:
    from impasto.tasks.generation.sampling.model import Model
    from impasto.tasks.generation.sampling.recipe import Recipe

T = TypeVar("T")


def interpolate(
    model: ModelArgument,
    stops: Annotated[
        list[str], typer.Argument(metavar="STOP...", help="Seeds, or pictures or recipes of this model.")
    ],
    out: Annotated[
        Path, typer.Option(help="A .webp, .gif or .mp4 file, or a folder for a PNG of each frame.")
    ],
    frames: Annotated[int, typer.Option(help="How many pictures in all.")] = 60,
    fps: Annotated[float, typer.Option(min=1, max=60, help="Pictures per second.")] = 12,
    loop: Annotated[bool, typer.Option("--loop", help="Back to the first stop at the end.")] = False,
    truncation: Truncation = 1.0,
    theme: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="One for all stops, or one for each; one seed serves several."),
    ] = None,
    colour: Annotated[
        list[str] | None,
        typer.Option(metavar="COLOUR", help="In these colours all the way: up to five times."),
    ] = None,
    palette_from: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="In this picture's colours: one for all stops, or for each."),
    ] = None,
    overwrite: Overwrite = False,
    device: Device = "cpu",
) -> None:
    """A film from picture to picture, at an even pace: no jump, no standing still."""
    from impasto.cli import output
    from impasto.cli.screen import say
    from impasto.errors import InputError
    from impasto.image.video import need_av
    from impasto.outputs import Outputs
    from impasto.tasks.generation.sampling.writer import MOST_FRAMES

    kind = out.suffix.lower()
    if kind not in ("", ".webp", ".gif", ".mp4") or (kind and out.is_dir()):
        raise InputError(f"'{out}' cannot be written", "a name that ends in .webp, .gif or .mp4, or a folder")
    if kind == ".mp4":
        need_av()  # before the work, not after
    beside = out.with_suffix(".json")
    if kind:
        film = Outputs(out.parent, [out.name, beside.name], overwrite=overwrite)
    else:
        stems = [f"{index:05}" for index in range(min(frames, MOST_FRAMES))]  # the model refuses more
        pictures = output.Pictures(out, stems, overwrite=overwrite)
    generator = output.load(model, device)
    way = stops_of(generator, stops, theme or [], colour or [], palette_from or [], truncation)
    recipes = generator.recipes_of_way(way, frames=frames, loop=loop)
    if not kind:
        pictures.make(generator, recipes.__getitem__)
        say(f"{len(recipes)} frames are in {out}")
        return
    write_film(generator, recipes, film.path(out.name), fps=fps, hold=1 / fps if loop else 1.0)
    say(f"{len(recipes)} frames: {out}, and their recipes: {beside}")


def write_film(model: "Model", recipes: "Sequence[Recipe]", out: Path, *, fps: float, hold: float) -> None:
    """Make the frames and write them as a film, with the recipes beside it, as JSON.

    Args:
        model: Makes the frames.
        recipes: One for each frame, at least one.
        out: The film. The suffix is the format: .webp, .gif or .mp4.
        fps: Frames per second.
        hold: How long the last frame is shown, in seconds.

    Raises:
        InputError: The suffix is another one.
        MissingDependencyError: An .mp4 needs PyAV, and it is not installed.
    """
    import numpy as np

    from impasto.cli.progress import reading_pictures
    from impasto.cli.screen import console
    from impasto.files import write_bytes_atomically
    from impasto.image.files import from_pil, save_animation
    from impasto.image.video import save_mp4
    from impasto.tasks.generation.sampling.recipe import KEY, Recipes

    show = reading_pictures(console(stderr=True))
    frames = []
    for recipe in recipes:
        frames.append(from_pil(model.make(recipe)))
        show("frames", len(frames), len(recipes))
    pixels = np.stack(frames)
    text = Recipes(recipes=list(recipes)).model_dump_json(exclude_none=True)
    if out.suffix.lower() == ".mp4":
        comment = f"{model.describe()['software']}, {model.digest}"
        save_mp4(pixels, out, fps=fps, hold_last_seconds=hold, comment=comment)
    else:
        about = {**model.describe(), KEY: text}
        save_animation(pixels, out, fps=fps, hold_last_seconds=hold, metadata=about)
    write_bytes_atomically(out.with_suffix(".json"), text.encode())


def stops_of(
    model: "Model",
    starts: Sequence[str],
    themes: Sequence[str],
    colours: Sequence[str],
    palettes: Sequence[Path],
    truncation: float,
) -> "list[Recipe]":
    """The stops of the way: starts, themes and palettes in step.

    Of starts, themes and palettes there are as many as stops, or one that serves for all, or none.

    Args:
        model: Makes recipes of the stops.
        starts: Seeds, pictures or recipes, as the user wrote them.
        themes: What to ask of seeds.
        colours: Names or hexadecimal codes of colours. All stops have them.
        palettes: Pictures whose colours to take.
        truncation: Of seeds. Below 1 their pictures are more typical and less varied.

    Raises:
        InputError: The numbers do not go together, or the model cannot do what is asked for.
    """
    from impasto.cli import output

    count = max(len(starts), len(themes), len(palettes))
    rows = zip(
        in_step(starts, count, "stops"),
        in_step(themes, count, "themes"),
        in_step(palettes, count, "pictures to take colours from"),
        strict=True,
    )
    return [
        model.steered(
            output.start(start or ""),
            theme=theme or (),
            colours=colours,
            palette_from=palette,
            truncation=truncation,
        )
        for start, theme, palette in rows
    ]


def in_step(items: Sequence[T], count: int, what: str) -> list[T | None]:
    """`count` of them: as they are, one again and again, or None. Raises `InputError` for another number."""
    from impasto.errors import InputError

    if len(items) not in (0, 1, count):
        raise InputError(f"{len(items)} {what} do not go with {count} stops", f"give one, or {count}")
    return list(items) if len(items) == count else [items[0] if items else None] * count
