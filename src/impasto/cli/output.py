"""What the verbs share that make pictures: writing them with their recipes, and reading `name=value`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from PIL.Image import Image

    from impasto.tasks.generation.sampling.model import Model
    from impasto.tasks.generation.sampling.recipe import Recipe

ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model folder, or a run (its best model).")
]
OutFolder = Annotated[Path, typer.Option(metavar="DIR", help="Where the pictures go.")]
Out = Annotated[
    Path, typer.Option(metavar="DIR", help="Where the pictures go; for one picture a file, such as new.png.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already.")]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="Leave what is there already.")]
Truncation = Annotated[float, typer.Option(help="For seeds. Below 1: more typical, less varied.")]
TruncationAt = Annotated[
    list[str] | None,
    typer.Option(metavar="PX=VALUE", help="Truncation of one level of the network alone, e.g. 32=0.5."),
]
Direction = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Move along a direction, e.g. warmth=1.5; can be repeated."),
]
Theme = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="What it shall show, for seeds; twice for what has both."),
]
Colour = Annotated[
    list[str] | None,
    typer.Option(metavar="COLOUR", help="In this colour, '#f4c20d' or teal; up to five times."),
]
PaletteFrom = Annotated[Path | None, typer.Option(metavar="FILE", help="In the colours of this picture.")]
Format = Annotated[
    str | None, typer.Option("--format", help="png, webp or jpg.  [default: png, or as the file's name]")
]
Ray = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="On a Ray cluster: its address, auto, or local."),
]
RayCores = Annotated[int, typer.Option(min=1, help="Cores of each worker of --ray.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or mps.")]


def load(folder: Path, device: str) -> "Model":
    """The model, whose place is remembered for recipes that ask for it.

    It is said where it is a run of large pictures whose enlarger has not learnt yet.
    """
    from impasto.cli.screen import console, typed
    from impasto.tasks.generation.sampling.known_models import remember
    from impasto.tasks.generation.sampling.model import load as open_model
    from impasto.tasks.large import is_large_run
    from impasto.training.checkpoints import LARGE

    model = open_model(folder, device=device)
    remember(model.digest, model.folder)
    if is_large_run(folder) and model.folder.name != LARGE:
        image = model.info.config.image
        resume = typed("impasto", "train", "PICTURES", "--out", str(folder), "--resume")
        words = f"these are {image.words} px: the enlarger of this run has not learnt yet; {resume} goes on"
        console(stderr=True).print(f"impasto: {words}", soft_wrap=True)
    return model


def cluster_progress() -> "Callable[[int, int], None]":
    """A line about a cluster's work every ten seconds, and for each worker that is lost."""
    import time

    from impasto.cli.screen import console

    screen = console(stderr=True)
    last, known = time.monotonic(), 0

    def watch(done: int, lost: int) -> None:
        nonlocal last, known
        if lost > known:
            screen.print(f"a worker was lost ({lost} so far): others do its work", soft_wrap=True)
        elif time.monotonic() - last < 10:
            return
        else:
            screen.print(f"{done:,} pictures done")
        last, known = time.monotonic(), lost

    return watch


def on_existing(skip: bool, overwrite: bool) -> str:
    """What is done with files that are there: "skip", "replace" or "refuse". Raises `InputError` for both."""
    from impasto.errors import InputError

    if skip and overwrite:
        raise InputError("--skip-existing and --overwrite exclude each other")
    return "skip" if skip else "replace" if overwrite else "refuse"


class Pictures:
    """Pictures that a model makes, on their way to files: each is written when it is made.

    Beside each picture goes its recipe.
    """

    def __init__(
        self,
        out: Path,
        stems: Sequence[str],
        *,
        format_: str | None = None,
        sheet: bool = False,
        overwrite: bool = False,
        skip: bool = False,
    ) -> None:
        """Check that all files can be written; nothing is written yet.

        Args:
            out: A folder, or for one picture without a sheet a file.
            stems: The files' names without suffix.
            format_: "png", "webp", "jpg" or "jpeg". None: as the name of `out` says, else png.
            sheet: Whether a contact sheet follows: `grid` with the same suffix.
            overwrite: Whether files that are there already are replaced.
            skip: Whether pictures that are there already are left out of `wanted`.

        Raises:
            InputError: A file is there already, `out` cannot hold the files, the format is another one, or
                both `overwrite` and `skip` are asked for.
        """
        from impasto.outputs import Outputs, means_file

        on_existing(skip, overwrite)  # refuses both
        kind = check_format(format_)
        self.out = out
        folder, self.sheet_name = out, f"grid.{kind}"
        self.names = [f"{stem}.{kind}" for stem in stems]
        if means_file(out, image_suffixes()):
            folder, self.names = self._one_file(out, format_, sheet)
        self.wanted = [i for i, name in enumerate(self.names) if not (skip and (folder / name).exists())]
        files = [file for i in self.wanted for file in (self.names[i], _recipe_of(self.names[i]))]
        self._keeps = sheet
        self._sheet = [self.sheet_name] if sheet else []
        self.outputs = Outputs(folder, [*files, *self._sheet], overwrite=overwrite)
        self.kept: list[Image] = []
        self._done = 0

    def _one_file(self, out: Path, format_: str | None, sheet: bool) -> tuple[Path, list[str]]:
        from impasto.errors import InputError

        if len(self.names) != 1 or sheet:
            what = f"{len(self.names):,} pictures" if len(self.names) != 1 else "a picture and a sheet"
            raise InputError(f"{what} cannot go into the one file '{out}'", "give --out a folder's name")
        kind = check_format(out.suffix[1:].lower())
        if format_ is not None and format_ != kind:
            raise InputError(f"'{out}' is no {format_}", "leave --format out, or end the name in it")
        return out.parent, [out.name]

    def make(self, model: "Model", recipe_of: "Callable[[int], Recipe]") -> None:
        """Make each picture that is wanted and write it; `recipe_of(i)` is the recipe of `names[i]`."""
        from impasto.cli.progress import reading_pictures
        from impasto.cli.screen import console
        from impasto.interrupts import telling

        show = reading_pictures(console(stderr=True))
        with telling(self.status):
            for index in self.wanted:
                self.save(model, model.make(recipe_of(index)), self.names[index])
                show("pictures", self._done, len(self.wanted))

    def save(self, model: "Model", picture: "Image", name: str) -> None:
        """Write a picture and its recipe."""
        model.save(picture, self.outputs.path(name))
        self._done += 1
        if self._keeps:
            self.kept.append(picture)

    def save_sheet(self, model: "Model", columns: int | None = None) -> None:
        """Write the contact sheet of those that were made."""
        if self.kept:
            sheet(self.kept, self.outputs.path(self.sheet_name), model, columns)

    def status(self) -> str:
        """How many there are now, in words."""
        return f"{self._done:,} of {len(self.wanted):,} pictures are in {self.out}"


def _recipe_of(name: str) -> str:
    return str(Path(name).with_suffix(".json"))


def sheet(pictures: "Sequence[Image]", path: Path, model: "Model", columns: int | None = None) -> None:
    """Write a contact sheet of pictures of one size.

    Args:
        pictures: The pictures, at least one.
        path: Where to write. The suffix is the format.
        model: Its description goes inside the file.
        columns: Pictures in a row. None makes the sheet nearly square.
    """
    import numpy as np

    from impasto.image.files import from_pil, grid, save

    pixels = grid(np.stack([from_pil(picture) for picture in pictures]), columns)
    save(pixels, path, metadata=model.describe())


def check_format(format_: str | None) -> str:
    """The suffix, png by default. Raises `InputError` for what pictures cannot be written as."""
    from impasto.errors import InputError

    if format_ not in (None, "png", "webp", "jpg", "jpeg"):
        raise InputError(f"pictures cannot be written as '{format_}'", "--format png, webp or jpg")
    return format_ or "png"


def image_suffixes() -> frozenset[str]:
    """What names of pictures end in: ".png" and many more."""
    from impasto.image.codec import SUFFIXES

    return SUFFIXES


def folder_for_several(out: Path, what: str) -> None:
    """Raises `InputError` where `out` names one file, and several are written."""
    from impasto.errors import InputError
    from impasto.outputs import means_file

    if means_file(out, image_suffixes()):
        raise InputError(f"{what} cannot go into the one file '{out}'", "give --out a folder's name")


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
