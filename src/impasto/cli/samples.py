"""`impasto samples`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class SampleSet(StrEnum):
    """The sets there are."""

    OPENMOJI = "openmoji"
    FASHION = "fashion-mnist"


def samples(
    name: Annotated[
        SampleSet,
        typer.Argument(
            metavar="SET",
            help="openmoji: some 2,400 emoji drawings; fashion-mnist: 10,000 grey photographs of clothes.",
        ),
    ],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put them: a new folder.")],
    size: Annotated[
        int | None, typer.Option(help="Their size in px: 64 for drawings, 32 for clothes.")
    ] = None,
    variants: Annotated[bool, typer.Option("--variants", help="Drawings: skin tones and hair, too.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a set of another size or of other variants.")
    ] = False,
) -> None:
    """Make a folder of real, openly licensed pictures, sorted by theme."""
    from impasto.cli import screen
    from impasto.cli.progress import reading_pictures
    from impasto.data.fashion import SIZE, make_fashion_mnist
    from impasto.data.samples import CREDIT_FILE, make_openmoji
    from impasto.errors import InputError

    console = screen.console()
    match name:
        case SampleSet.OPENMOJI:
            size = size or 64
            made = make_openmoji(
                directory,
                size,
                variants=variants,
                overwrite=overwrite,
                progress=reading_pictures(console),
            )
            how = ""
        case SampleSet.FASHION:
            if size not in (None, SIZE) or variants:
                raise InputError(f"these photographs are {SIZE} px, and as they are", "leave out the options")
            size = SIZE
            made = make_fashion_mnist(directory, progress=reading_pictures(console))
            how = f" --size {SIZE} --set image.channels=1 --set data.background='#000000'"
    count = sum(1 for _ in made.glob("*/*.png"))
    console.print(
        f"{count:,} pictures of {size} px in {made}; whoever made them is in {CREDIT_FILE}",
        soft_wrap=True,
    )
    train = screen.typed("impasto", "train", made)
    console.print(f"Next: {train} --out run --minutes 10{how}", soft_wrap=True)
