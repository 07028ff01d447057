"""`impasto translate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from impasto.cli.output import Device, Format, OutFolder, Overwrite, SkipExisting

if TYPE_CHECKING:
    from rich.console import Console

    from impasto.tasks.translation.batch import Outcome

_SHOWN = 20


def translate(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A model folder, or a run that learnt from pairs.")
    ],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Layouts, and folders of them.")],
    out: OutFolder,
    seeds: Annotated[str, typer.Option(help="Of each layout a picture by each of these, e.g. 0-7.")] = "0",
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse layouts with colours of no label.")
    ] = False,
    format_: Format = None,
    skip_existing: SkipExisting = False,
    overwrite: Overwrite = False,
    device: Device = "cpu",
) -> None:
    """Make pictures of layouts, of the same size. A bad layout costs itself alone; the others are done.

    The same seed gives the same picture. Beside each picture lies its recipe, which is also inside.
    """
    from impasto.cli.output import check_format, on_existing
    from impasto.cli.progress import reading_pictures
    from impasto.cli.screen import console as make_console
    from impasto.interrupts import telling
    from impasto.tasks.generation.sampling.starts import parse_seeds
    from impasto.tasks.translation.batch import plan_jobs, refuse_targets, translate_all
    from impasto.tasks.translation.inference import load_translator

    console = make_console(stderr=True)
    wanted = parse_seeds(seeds)
    existing = on_existing(skip_existing, overwrite)

    def warn(words: str) -> None:
        console.print(f"impasto: {words}", soft_wrap=True)

    jobs = plan_jobs(inputs, out, wanted, check_format(format_), warn=warn)
    refuse_targets(jobs, existing)
    translator = load_translator(model, device=device)
    show, finished = reading_pictures(console), 0

    def watch(done: int, of: int) -> None:
        nonlocal finished
        finished = done
        show("layouts", done, of)

    with telling(lambda: f"{finished:,} of {len(jobs):,} layouts are translated in {out}"):
        outcomes = translate_all(translator, jobs, wanted, existing=existing, strict=strict, watch=watch)
    _report(console, outcomes, out)


def _report(console: "Console", outcomes: "list[Outcome]", out: Path) -> None:
    """What was made, and the list of what was not; exit code 2 if there is any."""
    made = sum(outcome.made for outcome in outcomes)
    console.print(f"{made:,} picture{'s'[: made != 1]} in {out}", soft_wrap=True)
    told: dict[str, list[Path]] = {}
    for outcome in outcomes:
        for words in outcome.notes:
            told.setdefault(words, []).append(outcome.job.source)
    for words, sources in list(told.items())[:_SHOWN]:
        more = f" and {len(sources) - 1:,} more" if len(sources) > 1 else ""
        console.print(f"  {sources[0]}{more}: {words}", soft_wrap=True)
    failed = [outcome.error for outcome in outcomes if outcome.error]
    if failed:
        console.print(f"{len(failed):,} layout{'s'[: len(failed) != 1]} could not be translated:")
        for line in failed[:_SHOWN]:
            console.print(f"  {line}", soft_wrap=True)
        if len(failed) > _SHOWN:
            console.print(f"  and {len(failed) - _SHOWN} more")
        raise typer.Exit(2)
