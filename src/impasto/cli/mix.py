"""`impasto mix`."""

from typing import Annotated

import typer

from impasto.cli.output import Device, ModelArgument, Out, Overwrite, Truncation


def mix(
    model: ModelArgument,
    structures: Annotated[
        str, typer.Argument(metavar="STRUCTURE", help="Seeds (0-3,8), or a picture or recipe of this model.")
    ],
    details: Annotated[
        str, typer.Argument(metavar="DETAIL", help="The same: whose colours and detail are taken.")
    ],
    out: Out,
    detail_from: Annotated[
        int | None, typer.Option(metavar="PX", help="Level from which on detail is taken.  [default: finest]")
    ] = None,
    colours: Annotated[bool, typer.Option(help="Take the colours, too.")] = True,
    truncation: Truncation = 1.0,
    overwrite: Overwrite = False,
    device: Device = "cpu",
) -> None:
    """The shapes of one picture with the colours and the detail of another, or of each with each."""
    from impasto.cli import output
    from impasto.cli.screen import say
    from impasto.errors import InputError
    from impasto.tasks.generation.sampling.starts import parse_starts

    rows, columns = parse_starts(structures), parse_starts(details)
    if len(rows) * len(columns) > 1024:
        raise InputError(f"{len(rows)} x {len(columns)} pairs are too many", "at most 1,024")
    pairs = [(row, column) for row in rows for column in columns]
    stems = ["mix-{}-{}".format(*(s if isinstance(s, int) else s.stem for s in pair)) for pair in pairs]
    pictures = output.Pictures(out, stems, sheet=len(pairs) > 1, overwrite=overwrite)
    generator = output.load(model, device)
    recipes = [
        generator.recipe_of_mix(
            row, column, detail_from_px=detail_from, colours=colours, truncation=truncation
        )
        for row, column in pairs
    ]
    pictures.make(generator, recipes.__getitem__)
    pictures.save_sheet(generator, len(columns))
    say(f"{len(pairs)} mixed pictures are in {out}")
