"""`impasto evaluate`."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A model folder, or a run (its best model).")
    ],
    against: Annotated[Path, typer.Option(metavar="DIR", help="The real pictures.")],
    samples: Annotated[
        int | None, typer.Option(help="How many pictures to make.  [default: as many as real]")
    ] = None,
    json_: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the figures as JSON; - for the screen."),
    ] = None,
) -> None:
    """Measure a model against real pictures: distances, precision, recall, coverage, memorisation."""
    import json

    from rich.console import Console
    from rich.table import Table

    from impasto.cli.progress import reading_pictures
    from impasto.files import write_bytes_atomically
    from impasto.inference.evaluate import evaluate as measure
    from impasto.inference.sampler import load
    from impasto.metrics.report import NAMES

    console = Console(stderr=json_ == "-")
    result = measure(load(model), against, samples=samples, progress=reading_pictures(console))
    text = json.dumps(result, indent=2)
    if json_ == "-":
        print(text)
        return
    table = Table(box=None, show_header=False)
    for name, value in result.items():
        shown = "unknown: not the folder it was trained on" if value is None else f"{value:,.4g}"
        table.add_row(NAMES.get(name, name.upper()), shown)
    console.print(table)
    if json_ is not None:
        write_bytes_atomically(Path(json_), text.encode())
