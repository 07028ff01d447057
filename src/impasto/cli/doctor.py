"""`impasto doctor`."""

from typing import Annotated

import typer


def doctor(
    for_: Annotated[
        str | None,
        typer.Option("--for", metavar="DIR", help="Also: whether training on these fits into memory."),
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="PX", help="The pictures' size, for --for.  [default: 64]")
    ] = None,
    preset: Annotated[str | None, typer.Option(metavar="P", help="The preset, for --for.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting, for --for.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what this machine can do: devices, precision, speed, optional parts; memory for a training."""
    import json

    from rich.table import Table

    from impasto.cli.progress import reading_pictures
    from impasto.cli.screen import console
    from impasto.errors import InputError
    from impasto.training.doctor import examine

    if for_ is None and (size or preset or set_):
        raise InputError("--size, --preset and --set belong to --for", "--for DIR --size 256")
    findings = []
    if for_ is not None:  # first: a folder that cannot be used is said at once
        reading = reading_pictures(console(quiet=json_))
        from impasto.tasks.outlook import examine_training

        findings = examine_training(for_, preset=preset, size=size, overrides=set_ or (), progress=reading)
    findings = [*examine(), *findings]
    if json_:
        print(json.dumps({f.name: f.value for f in findings}, indent=2))
        return
    table = Table(box=None, show_header=False)
    for finding in findings:
        table.add_row(finding.name, finding.value, finding.advice, style=None if finding.good else "yellow")
    console().print(table)
