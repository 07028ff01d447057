"""What the verbs share that make pictures: writing them with their recipes, and reading `name=value`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from PIL.Image import Image

    from impasto.inference.sampler import Model

ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model folder, or a run (its best model).")
]
OutFolder = Annotated[Path, typer.Option(metavar="DIR", help="Where the pictures go.")]
Truncation = Annotated[float, typer.Option(help="For seeds. Below 1: more typical, less varied.")]
Theme = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="What it shall show, for seeds; twice for what has both."),
]
Colour = Annotated[
    list[str] | None,
    typer.Option(metavar="COLOUR", help="In this colour, '#f4c20d' or teal; up to five times."),
]
PaletteFrom = Annotated[Path | None, typer.Option(metavar="FILE", help="In the colours of this picture.")]
Ray = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="On a Ray cluster: its address, auto, or local."),
]
RayCores = Annotated[int, typer.Option(min=1, help="Cores of each worker of --ray.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or mps.")]


def load(folder: Path, device: str) -> "Model":
    """The model, whose place is remembered for recipes that ask for it."""
    from impasto.inference import sampler
    from impasto.inference.known_models import remember

    model = sampler.load(folder, device=device)
    remember(model.digest, model.folder)
    return model


def cluster_progress() -> "Callable[[int, int], None]":
    """A line about a cluster's work every ten seconds, and for each worker that is lost."""
    import sys
    import time

    last, known = time.monotonic(), 0

    def watch(done: int, lost: int) -> None:
        nonlocal last, known
        if lost > known:
            print(f"a worker was lost ({lost} so far): others do its work", file=sys.stderr)
        elif time.monotonic() - last < 10:
            return
        else:
            print(f"{done:,} tasks done", file=sys.stderr)
        last, known = time.monotonic(), lost

    return watch


def sheet(pictures: "Sequence[Image]", path: Path, model: "Model", columns: int | None = None) -> None:
    """A contact sheet."""
    import numpy as np

    from impasto.image_files import from_pil, grid, save

    pixels = grid(np.stack([from_pil(picture) for picture in pictures]), columns)
    save(pixels, path, metadata=model.describe())


def check_folder(out: Path, format_: str = "png") -> None:
    """Raises `InputError` for what pictures cannot be written to."""
    from impasto.errors import InputError

    if format_ not in ("png", "webp", "jpg"):
        raise InputError(f"pictures cannot be written as '{format_}'", "--format png, webp or jpg")
    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file, not a folder", "choose another --out")


def numbers(items: Sequence[str] | None, option: str, example: str) -> dict[str, float]:
    """`["warmth=1.5"]` -> `{"warmth": 1.5}`. Raises `InputError` for anything else."""
    from impasto.errors import InputError

    found: dict[str, float] = {}
    for item in items or []:
        name, _, value = item.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise InputError(f"{option} '{item}' is not a name and a number", f"write {example}") from None
    return found


def start(text: str) -> Any:
    """What a person wrote to start from: a seed, or the path of a picture or recipe."""
    return int(text) if text.isdecimal() else Path(text)
