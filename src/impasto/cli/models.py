"""`impasto models`."""

from typing import Annotated

import typer


def models(json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the models that come with the package: what they make, and under which licence."""
    import json

    from rich.table import Table

    from impasto.cli import screen
    from impasto.zoo.shipped import shipped

    found = shipped()
    if json_:
        print(json.dumps([model.to_dict() for model in found], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("model", "makes", "licence"):
        table.add_column(name)
    table.add_column("MB", justify="right")
    for model in found:
        table.add_row(model.name, model.makes, model.licence, f"{model.megabytes:.1f}")
    console = screen.console()
    console.print(table)
    if found:
        console.print(
            f"Their cards, with figures and known faults: {found[0].card.parent.parent}", soft_wrap=True
        )
