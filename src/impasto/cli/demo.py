"""`impasto demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything goes.")] = Path("demo"),
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 2.0,
) -> None:
    """See it work: real drawings, a short training, new pictures, honest figures."""
    from rich.console import Console

    from impasto.cli.evaluate import evaluate
    from impasto.cli.generate import generate
    from impasto.cli.train import train
    from impasto.data.samples import make_openmoji

    console = Console()
    pictures, run, made = out / "openmoji", out / "run", out / "pictures"

    def say(text: str) -> None:
        console.print(f"\n[bold]{text}[/bold]", highlight=False, soft_wrap=True)

    say("1. Real pictures: OpenMoji drawings, by theme")
    make_openmoji(pictures, 64)
    console.print(f"They are in {pictures}", highlight=False, soft_wrap=True)
    say(f"2. Training for {minutes:g} minutes")
    train(pictures, run, size=64, minutes=minutes, resume=True)
    say("3. New pictures")
    generate(out=made, model=run, count=48, grid=True)
    say("4. How good they are")
    evaluate(str(run), pictures, samples=1000, json_=str(out / "figures.json"))
    say("Where everything is")
    for what, path in (
        ("the drawings", pictures),
        ("the new pictures, on one sheet", made / "grid.png"),
        ("how it learned", run / "history.webp"),
        ("the model", run / "best"),
        ("the figures", out / "figures.json"),
    ):
        console.print(f"  {what}: {path}", highlight=False, soft_wrap=True)
    console.print(
        f"\nWith your own pictures: impasto train FOLDER --out {out / 'mine'} --minutes 20", soft_wrap=True
    )
