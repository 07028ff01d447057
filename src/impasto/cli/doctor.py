"""`impasto doctor`."""

from typing import Annotated

import typer


def doctor(
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what this machine can do: devices, precision, speed, optional parts."""
    import json

    from rich.console import Console
    from rich.table import Table

    from impasto.training.doctor import examine

    findings = examine()
    if json_:
        print(json.dumps({f.name: f.value for f in findings}, indent=2))
        return
    table = Table(box=None, show_header=False)
    for finding in findings:
        table.add_row(finding.name, finding.value, finding.advice, style=None if finding.good else "yellow")
    Console().print(table)
