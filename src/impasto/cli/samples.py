"""`impasto samples`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class SampleSet(StrEnum):
    """The sets there are."""

    OPENMOJI = "openmoji"


def samples(
    name: Annotated[SampleSet, typer.Argument(metavar="SET", help="openmoji: some 2,400 emoji drawings.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put them: a new folder.")],
    size: Annotated[int, typer.Option(help="Their size in px.")] = 64,
    variants: Annotated[bool, typer.Option("--variants", help="Skin tones and hair, too.")] = False,
) -> None:
    """Make a folder of real, openly licensed pictures, sorted by theme."""
    from rich.console import Console

    from impasto.cli.progress import reading_pictures
    from impasto.data.samples import CREDIT_FILE, make_openmoji

    console = Console()
    match name:
        case SampleSet.OPENMOJI:
            made = make_openmoji(directory, size, variants=variants, progress=reading_pictures(console))
    count = sum(1 for _ in made.glob("*/*.png"))
    console.print(
        f"{count:,} pictures of {size} px in {made}; whoever made them is in {CREDIT_FILE}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"Next: impasto train {made} --out run --minutes 10", highlight=False, soft_wrap=True)
