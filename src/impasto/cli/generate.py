"""`impasto generate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli.output import (
    Colour,
    Device,
    Direction,
    Format,
    Out,
    Overwrite,
    PaletteFrom,
    Ray,
    RayCores,
    SkipExisting,
    Theme,
    Truncation,
    TruncationAt,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL.Image import Image

    from impasto.tasks.generation.sampling.model import Model


def generate(
    out: Out,
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="MODEL", help="A model folder, or a run (its best model). A --recipe knows its own."
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, max=10_000_000, help="How many, from seed 0 on.  [default: 16]")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Which, e.g. 0-15 or 3,7,40-49.")] = None,
    truncation: Truncation = 1.0,
    truncation_at: TruncationAt = None,
    direction: Direction = None,
    theme: Theme = None,
    colour: Colour = None,
    palette_from: PaletteFrom = None,
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Make again what this picture or JSON tells of.")
    ] = None,
    grid: Annotated[bool, typer.Option("--grid", help="One contact sheet too: grid.png.")] = False,
    format_: Format = None,
    skip_existing: SkipExisting = False,
    overwrite: Overwrite = False,
    device: Device = "cpu",
    ray: Ray = None,
    ray_cores: RayCores = 1,
) -> None:
    """Make new pictures. The same seed gives the same picture, alone or among others.

    Beside each picture lies its recipe, which is also inside: `--recipe` makes the picture again from either.
    """
    from impasto.cli import output
    from impasto.cli.screen import say
    from impasto.errors import InputError
    from impasto.tasks.generation.sampling.starts import parse_seeds

    if count is not None and seeds is not None:
        raise InputError("--count and --seeds exclude each other", "--seeds 0-15 are sixteen pictures")
    if recipe is not None:
        if any((count, seeds, direction, truncation_at, theme, colour, palette_from)) or truncation != 1:
            raise InputError("a --recipe says all of that itself", "give it with --out alone")
        _again(model, recipe, out, format_, device, overwrite=overwrite, skip=skip_existing)
        return
    if ray is not None and grid:
        raise InputError("a contact sheet of a cluster's pictures is not made", "leave --grid or --ray out")
    if model is None:
        raise InputError(
            "which model?", "impasto generate MODEL --out DIR: a folder that `impasto train` wrote"
        )
    wanted = parse_seeds(seeds) if seeds is not None else range(count or 16)
    width = max(4, len(str(max(wanted))))
    asked: dict[str, Any] = {
        "truncation": truncation,
        "truncation_at": _levels(truncation_at),
        "directions": output.numbers(direction, "--direction", "warmth=1.5"),
        "theme": theme or (),
    }
    if ray is not None:
        output.folder_for_several(out, "pictures of a cluster")
        existing = output.on_existing(skip_existing, overwrite)
        name = f"{{:0{width}}}.{output.check_format(format_)}".format
        generator = output.load(model, device)
        asked["colours"] = generator.request(colour or (), palette_from)
        _on_cluster(generator, wanted, out, name, existing, ray, ray_cores, device, asked)
        return
    stems = [f"{seed:0{width}}" for seed in wanted]
    pictures = output.Pictures(
        out, stems, format_=format_, sheet=grid, overwrite=overwrite, skip=skip_existing
    )
    generator = output.load(model, device)
    asked["colours"] = generator.request(colour or (), palette_from)
    pictures.make(generator, lambda i: generator.recipe(generator.seed_point(wanted[i], **asked)))
    pictures.save_sheet(generator)
    there = len(wanted) - len(pictures.wanted)
    rest = f", {there:,} were there already" if there else ""
    say(f"{len(pictures.wanted)} pictures of {generator.folder} are in {out}{rest}")


def _on_cluster(
    generator: "Model",
    seeds: "Sequence[int]",
    out: Path,
    name: "Callable[[int], str]",
    existing: str,
    address: str,
    cores: int,
    device: str,
    asked: dict[str, Any],
) -> None:
    from impasto.cli.output import cluster_progress
    from impasto.cli.screen import console, say
    from impasto.cluster.work import Team, generate_all
    from impasto.interrupts import telling

    def count() -> int:
        return sum((out / name(seed)).is_file() for seed in seeds)

    team, watch = Team(address, cores, device=device), cluster_progress()
    with telling(lambda: f"{count():,} of {len(seeds):,} pictures are in {out}"):
        there, failed = generate_all(
            generator, seeds, out, name, team, existing=existing, watch=watch, **asked
        )
    made = count() - there
    rest = f", {there} were there already" if there else ""
    say(f"{made} pictures of {generator.folder} are in {out}{rest}")
    if failed:
        screen = console(stderr=True)
        screen.print("\n".join(["What could not be made:", *failed[:20]]), soft_wrap=True)
        raise typer.Exit(2)


def _levels(items: "Sequence[str] | None") -> dict[int, float]:
    """`["32=0.5"]` -> `{32: 0.5}`. Raises `InputError` for what is no level."""
    from impasto.cli import output
    from impasto.errors import InputError

    levels = output.numbers(items, "--truncation-at", "32=0.5")
    if not all(name.isdecimal() for name in levels):
        raise InputError("--truncation-at is for levels of so many px", "write 32=0.5")
    return {int(px): value for px, value in levels.items()}


def _again(
    model: Path | None,
    file: Path,
    out: Path,
    format_: str | None,
    device: str,
    *,
    overwrite: bool,
    skip: bool,
) -> None:
    from impasto.cli import output
    from impasto.cli.screen import say
    from impasto.errors import InputError
    from impasto.tasks.generation.sampling.known_models import where_is
    from impasto.tasks.generation.sampling.recipe import read_recipes

    output.check_format(format_)
    recipes = read_recipes(file)
    if out.resolve() == file.parent.resolve():  # it would be written over what it is made again from
        raise InputError(f"'{out}' is where the recipe lies", "choose another --out")
    several = len(recipes) > 1
    stems = [f"{file.stem}-{index:04}" if several else file.stem for index in range(len(recipes))]
    pictures = output.Pictures(out, stems, format_=format_, overwrite=overwrite, skip=skip)
    generator = output.load(model if model is not None else where_is(recipes[0]), device)
    for recipe in recipes:
        generator.check(recipe)
    verdict = ""
    if several:
        pictures.make(generator, recipes.__getitem__)
    elif pictures.wanted:
        picture = generator.make(recipes[0])
        # What lossless files hold can be compared; before the file is, perhaps, replaced.
        verdict = _compare(file, picture, recipes[0].engine, generator)
        pictures.save(generator, picture, pictures.names[0])
    say(f"{len(pictures.wanted)} made again from {file}: in {out}")
    if verdict:
        say(verdict)


def _compare(file: Path, picture: "Image", engine: str, generator: "Model") -> str:
    """What there is to say of a picture beside the one in a file; of one with loss, whether sizes differ."""
    from impasto.errors import ImageError
    from impasto.image.codec import header, read
    from impasto.image.files import from_pil

    made = from_pil(picture)
    try:
        found = header(file)
        if (found.height, found.width) != made.shape[:2]:
            return (
                f"It has {made.shape[1]} x {made.shape[0]} px, the picture given {found.width} x "
                f"{found.height}: that was enlarged, or changed otherwise, after it was made."
            )
        if found.format != "png":
            return ""
        shown = read(file, channels=generator.info.config.image.channels)
    except ImageError:
        return ""
    if (shown == made).all():
        return "It is the picture given, bit for bit."
    levels = abs(shown.astype(int) - made.astype(int)).max()
    return (
        f"It differs from the picture given by up to {levels} of 255: that was changed, or made by "
        f"another engine ({engine}; this is {generator.engine})."
    )
