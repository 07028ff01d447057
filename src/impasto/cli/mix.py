"""`impasto mix`."""

from typing import Annotated

import typer

from impasto.cli.output import Device, ModelArgument, OutFolder, Truncation


def mix(
    model: ModelArgument,
    structures: Annotated[
        str, typer.Argument(metavar="STRUCTURE", help="Seeds (0-3,8), or a picture or recipe of this model.")
    ],
    details: Annotated[
        str, typer.Argument(metavar="DETAIL", help="The same: whose colours and detail are taken.")
    ],
    out: OutFolder,
    detail_from: Annotated[
        int | None, typer.Option(metavar="PX", help="Level from which on detail is taken.  [default: finest]")
    ] = None,
    colours: Annotated[bool, typer.Option(help="Take the colours, too.")] = True,
    truncation: Truncation = 1.0,
    device: Device = "cpu",
) -> None:
    """The shapes of one picture with the colours and the detail of another, or of each with each."""
    from impasto.cli import output
    from impasto.errors import InputError
    from impasto.inference.starts import parse_starts

    output.check_folder(out)
    rows, columns = parse_starts(structures), parse_starts(details)
    if len(rows) * len(columns) > 1024:
        raise InputError(f"{len(rows)} x {len(columns)} pairs are too many", "at most 1,024")
    generator = output.load(model, device)
    pictures = []
    for row in rows:
        for column in columns:
            picture = generator.mix(
                row, column, detail_from_px=detail_from, colours=colours, truncation=truncation
            )
            names = (start if isinstance(start, int) else start.stem for start in (row, column))
            generator.save(picture, out / "mix-{}-{}.png".format(*names))
            pictures.append(picture)
    if len(pictures) > 1:
        output.sheet(pictures, out / "grid.png", generator, columns=len(columns))
    print(f"{len(pictures)} mixed pictures are in {out}")
