"""`impasto health`."""

from pathlib import Path
from typing import Annotated

import typer


def health(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="What `impasto train --out` wrote, or writes.")],
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say whether a run is well: what was noticed, what was repaired, how it stands. Also while it trains."""
    import json

    from rich.table import Table
    from rich.text import Text

    from impasto.cli import screen
    from impasto.training.health.report import SIGNS, check_up, in_words

    found = check_up(run)
    if json_:
        print(json.dumps(found.to_dict(), indent=2))
        return
    console = screen.console()
    console.print(Text(f"{run} at {found.images_seen:,} images: {found.words}", style="bold"), soft_wrap=True)
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in found.signs.items():
        table.add_row(Text(SIGNS[name], style="dim"), "unknown" if value is None else f"{value:.2f}")
    if found.signs:
        console.print(table)
    for record in found.history:
        console.print(Text(f"{record['images_seen']:>9,} images  {in_words(record)}"), soft_wrap=True)
    if found.ended:
        console.print(Text(in_words(found.ended)), soft_wrap=True)
