"""`impasto neighbours`."""

from typing import Annotated

import typer

from impasto.cli.output import Colour, Device, ModelArgument, OutFolder, PaletteFrom, Theme, Truncation


def neighbours(
    model: ModelArgument,
    start: Annotated[
        str, typer.Argument(metavar="START", help="A seed, or a picture or recipe of this model.")
    ],
    out: OutFolder,
    count: Annotated[int, typer.Option(help="How many.")] = 8,
    spread: Annotated[float, typer.Option(help="How far: the share of new noise, above 0, at most 1.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Other variations with another one.")] = 0,
    truncation: Truncation = 1.0,
    theme: Theme = None,
    colour: Colour = None,
    palette_from: PaletteFrom = None,
    device: Device = "cpu",
) -> None:
    """Variations of a picture that you like."""
    from impasto.cli import output

    output.check_folder(out)
    generator = output.load(model, device)
    centre = generator.steered(
        output.start(start),
        theme=theme or (),
        colours=colour or (),
        palette_from=palette_from,
        truncation=truncation,
    )
    pictures = generator.neighbours(centre, count=count, spread=spread, seed=seed)
    for index, picture in enumerate(pictures):
        generator.save(picture, out / f"neighbour-{seed + index:04}.png")
    output.sheet(pictures, out / "grid.png", generator)
    print(f"{len(pictures)} variations are in {out}")
