"""`impasto directions`."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from impasto.cli.output import Device, ModelArgument, Overwrite, Truncation

WEAK = 0.2  # standard deviations


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A file for each: "theme:food/drink" is "theme-food-drink.png". Names come from the model: no path."""
    found: dict[str, str] = {}
    for name in names:
        stem = re.sub(r"[^\w .-]", "-", name)[:60]
        taken = sum(file.startswith((f"{stem}.", f"{stem}~")) for file in found.values())
        found[name] = f"{stem}~{taken + 1}.png" if taken else f"{stem}.png"
    return found


def directions(
    model: ModelArgument,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a sheet for each: sliders from -2 to 2.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Of which pictures.")] = "0-7",
    truncation: Truncation = 1.0,
    json_: Annotated[bool, typer.Option("--json", help="The figures as JSON, on the screen.")] = False,
    overwrite: Overwrite = False,
    device: Device = "cpu",
) -> None:
    """List the directions of a model: what `generate --direction NAME=VALUE` can do, and how well."""
    import json

    from rich.table import Table

    from impasto.cli import output
    from impasto.cli.screen import console, say
    from impasto.outputs import Outputs, check_folder
    from impasto.tasks.generation.sampling.properties import PROPERTIES
    from impasto.tasks.generation.sampling.starts import parse_seeds

    if out is not None:
        output.folder_for_several(out, "sheets")
        check_folder(out)
    wanted = parse_seeds(seeds)
    generator = output.load(model, device)
    found = generator.directions()
    if out is not None:
        sheets = file_names(found)
        outputs = Outputs(out, sheets.values(), overwrite=overwrite)
        for name in found:
            rows = [
                generator.generate(wanted, truncation=truncation, directions={name: value})
                for value in (-2.0, -1.0, 0.0, 1.0, 2.0)
            ]
            pictures = [picture for row in rows for picture in row]
            output.sheet(pictures, outputs.path(sheets[name]), generator, columns=len(wanted))
    effects = [dict(zip(PROPERTIES, row.tolist(), strict=True)) for row in found.measured]
    if json_:
        tree = {
            name: {"predicted": share, "measured": effect}
            for name, share, effect in zip(found.names, found.predicted, effects, strict=True)
        }
        print(json.dumps(tree, indent=2))
        return
    table = Table(box=None, title="What a step of 1 changes, in standard deviations")
    for column in ("", "predicted", *PROPERTIES):
        table.add_column(column, justify="left" if not column else "right")
    for name, share, effect in zip(found.names, found.predicted, effects, strict=True):
        table.add_row(name, f"{share:.2f}", *(f"{effect[key]:+.2f}" for key in PROPERTIES))
    console().print(table)
    for name, effect in zip(found.names, effects, strict=True):
        if abs(effect.get(name, 1.0)) < WEAK:
            say(f"{name}: this model has no one step for it; what the table says it does is all it does")
    if out is not None:
        say(f"A sheet of each, -2 above to 2 below, is in {out}")
