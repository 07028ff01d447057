"""`impasto demo`."""

import time
from pathlib import Path
from typing import Annotated

import typer

SHOWN = "openmoji-64"  # whose pictures move and change; the one just trained where it is not shipped


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything goes.")] = Path("demo"),
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 2.0,
    open_: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page where there is a display.")
    ] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Make the page of an earlier demo anew; its run goes on.")
    ] = False,
) -> None:
    """See it work: real drawings, a short training, new pictures, larger ones, all on one page."""
    from rich.text import Text

    from impasto.cli import demo_page, screen
    from impasto.cli.generate import generate
    from impasto.cli.train import train
    from impasto.data.samples import make_openmoji
    from impasto.files import write_bytes_atomically
    from impasto.tasks.generation.sampling.model import load
    from impasto.training.checkpoints import find_model, shipped_models

    begun = time.monotonic()
    console = screen.console()
    pictures, run, made, report = out / "openmoji", out / "run", out / "pictures", out / "report.html"
    _refuse_others(out, pictures, report, overwrite=overwrite)

    def say(text: str) -> None:
        console.print(Text(f"\n{text}", style="bold"), soft_wrap=True)

    say("1. Real pictures: OpenMoji drawings, by theme")
    make_openmoji(pictures, 64)
    console.print(f"They are in {pictures}", soft_wrap=True)
    say(f"2. Training for {minutes:g} minutes")
    train(str(pictures), run, size="64", minutes=minutes, resume=True)
    say("3. New pictures")
    generate(out=made, model=run, count=48, grid=True, overwrite=True)  # those of a demo that was cut short
    say("4. From picture to picture, and four times larger")
    name = SHOWN if SHOWN in shipped_models() else str(run)
    shown = load(find_model(name))
    text = demo_page.page(shown, name, pictures, run, made / "grid.png", out, begun)
    write_bytes_atomically(report, text.encode())
    say("Where everything is")
    for what, path in (
        ("one page with all of it", report),
        ("the drawings", pictures),
        ("the new pictures", made),
        ("how it learned", run / "history.webp"),
        ("the model", run / "best"),
    ):
        console.print(f"  {what}: {path}", soft_wrap=True)
    measure = screen.typed("impasto", "evaluate", run, "--against", pictures)
    console.print(f"\nHow good is it? {measure}", soft_wrap=True)
    train_mine = screen.typed("impasto", "train", "FOLDER", "--out", out / "mine")
    console.print(f"With your own pictures: {train_mine} --minutes 20", soft_wrap=True)
    if open_ and _display():
        import webbrowser

        webbrowser.open(report.resolve().as_uri())


def _refuse_others(out: Path, pictures: Path, report: Path, *, overwrite: bool) -> None:
    """Raises `InputError` for a folder that holds anything but a demo, or one whose page is made."""
    from impasto.data.samples import CREDIT_FILE
    from impasto.errors import InputError
    from impasto.outputs import check_folder, refuse_existing

    check_folder(out)
    begun = (pictures / CREDIT_FILE).is_file()
    if not begun and out.is_dir() and any(out.iterdir()):
        raise InputError(f"'{out}' already holds something else", "give a folder that is empty or new")
    refuse_existing([report], overwrite=overwrite, hint="--overwrite makes it anew; or choose another --out")


def _display() -> bool:
    """Whether there is somebody at a screen: a terminal, and a desktop to open a page on."""
    import os
    import sys

    desktop = sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return sys.stdout.isatty() and desktop
