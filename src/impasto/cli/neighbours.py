"""`impasto neighbours`."""

from typing import Annotated

import typer

from impasto.cli.output import (
    Colour,
    Device,
    ModelArgument,
    Out,
    Overwrite,
    PaletteFrom,
    Theme,
    Truncation,
)


def neighbours(
    model: ModelArgument,
    start: Annotated[
        str, typer.Argument(metavar="START", help="A seed, or a picture or recipe of this model.")
    ],
    out: Out,
    count: Annotated[int, typer.Option(help="How many.")] = 8,
    spread: Annotated[float, typer.Option(help="How far: the share of new noise, above 0, at most 1.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Other variations with another one.")] = 0,
    truncation: Truncation = 1.0,
    theme: Theme = None,
    colour: Colour = None,
    palette_from: PaletteFrom = None,
    overwrite: Overwrite = False,
    device: Device = "cpu",
) -> None:
    """Variations of a picture that you like."""
    from impasto.cli import output
    from impasto.cli.screen import say
    from impasto.tasks.generation.sampling.writer import MOST_NEIGHBOURS

    stems = [
        f"neighbour-{seed + index:04}" for index in range(min(count, MOST_NEIGHBOURS))
    ]  # it refuses more
    pictures = output.Pictures(out, stems, sheet=count > 1, overwrite=overwrite)
    generator = output.load(model, device)
    centre = generator.steered(
        output.start(start),
        theme=theme or (),
        colours=colour or (),
        palette_from=palette_from,
        truncation=truncation,
    )
    recipes = generator.recipes_of_neighbours(centre, count=count, spread=spread, seed=seed)
    pictures.make(generator, recipes.__getitem__)
    pictures.save_sheet(generator)
    say(f"{len(recipes)} variations are in {out}")
