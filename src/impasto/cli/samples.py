"""`impasto samples`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class SampleSet(StrEnum):
    """The sets there are."""

    OPENMOJI = "openmoji"
    FASHION = "fashion-mnist"
    FACADES = "facades"


def samples(
    name: Annotated[
        SampleSet,
        typer.Argument(
            metavar="SET",
            help="openmoji: some 2,400 emoji drawings; fashion-mnist: 10,000 grey photographs of clothes; "
            "facades: drawn layouts of buildings and pictures of them, in pairs.",
        ),
    ],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put them: a new folder.")],
    size: Annotated[
        int | None, typer.Option(help="Their size in px: 64 for drawings, 32 for clothes, 128 for facades.")
    ] = None,
    variants: Annotated[bool, typer.Option("--variants", help="Drawings: skin tones and hair, too.")] = False,
    count: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="How many facades.  [default: 400]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Decides which facades are drawn.  [default: 0]")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a set of another size or of other variants.")
    ] = False,
) -> None:
    """Make a folder of openly licensed pictures, sorted by theme; or of drawn pairs, to translate."""
    from impasto.cli import screen
    from impasto.cli.progress import reading_pictures
    from impasto.data.fashion import SIZE, make_fashion_mnist
    from impasto.data.samples import CREDIT_FILE, make_openmoji
    from impasto.errors import InputError

    console = screen.console()
    if name != SampleSet.FACADES and (count, seed) != (None, None):
        raise InputError("--count and --seed are for facades", "leave them out")
    if name == SampleSet.FACADES:
        if variants or overwrite:
            raise InputError("facades have no variants, and none are replaced", "leave out the options")
        from impasto.data.facades import FOLDERS, make_facades

        size, count = size or 128, count or 400
        made = make_facades(directory, count, size, seed or 0, progress=reading_pictures(console))
        console.print(
            f"{count:,} layouts of {size} px and as many pictures of them in {made}", soft_wrap=True
        )
        layouts, pictures = (made / name for name in FOLDERS)
        train = screen.typed("impasto", "train", layouts, "--pairs", pictures)
        console.print(f"Next: {train} --out run --minutes 20", soft_wrap=True)
        return
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
