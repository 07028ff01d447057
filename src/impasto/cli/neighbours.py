"""`impasto neighbours`."""

from typing import Annotated

import typer

from impasto.cli.output import Device, ModelArgument, OutFolder, Truncation


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
    device: Device = "cpu",
) -> None:
    """Variations of a picture that you like."""
    from impasto.cli import output

    output.check_folder(out)
    generator = output.load(model, device)
    pictures = generator.neighbours(
        output.start(start), count=count, spread=spread, seed=seed, truncation=truncation
    )
    for index, picture in enumerate(pictures):
        generator.save(picture, out / f"neighbour-{seed + index:04}.png")
    output.sheet(pictures, out / "grid.png", generator)
    print(f"{len(pictures)} variations are in {out}")
