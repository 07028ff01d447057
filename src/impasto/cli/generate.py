"""`impasto generate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.cli.output import Colour, Device, OutFolder, PaletteFrom, Ray, RayCores, Theme, Truncation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL.Image import Image

    from impasto.inference.sampler import Model


def generate(
    out: OutFolder,
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="MODEL", help="A model folder, or a run (its best model). A --recipe knows its own."
        ),
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="How many, from seed 0 on.  [default: 16]")] = None,
    seeds: Annotated[str | None, typer.Option(help="Which, e.g. 0-15 or 3,7,40-49.")] = None,
    truncation: Truncation = 1.0,
    truncation_at: Annotated[
        list[str] | None,
        typer.Option(metavar="PX=VALUE", help="Truncation of one level of the network alone, e.g. 32=0.5."),
    ] = None,
    direction: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Move along a direction, e.g. warmth=1.5; can be repeated."),
    ] = None,
    theme: Theme = None,
    colour: Colour = None,
    palette_from: PaletteFrom = None,
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Make again what this picture or JSON tells of.")
    ] = None,
    grid: Annotated[bool, typer.Option("--grid", help="One contact sheet too: grid.png.")] = False,
    format_: Annotated[str, typer.Option("--format", help="png, webp or jpg.")] = "png",
    device: Device = "cpu",
    ray: Ray = None,
    ray_cores: RayCores = 1,
) -> None:
    """Make new pictures. The same seed gives the same picture, alone or among others.

    Beside each picture lies its recipe, which is also inside: `--recipe` makes the picture again from either.
    """
    from impasto.cli import output
    from impasto.errors import InputError
    from impasto.inference.starts import parse_seeds

    if count is not None and seeds is not None:
        raise InputError("--count and --seeds exclude each other", "--seeds 0-15 are sixteen pictures")
    output.check_folder(out, format_)
    if recipe is not None:
        if any((count, seeds, direction, truncation_at, theme, colour, palette_from)) or truncation != 1:
            raise InputError("a --recipe says all of that itself", "give it with --out alone")
        _again(model, recipe, out, format_, device)
        return
    if ray is not None and grid:
        raise InputError("a contact sheet of a cluster's pictures is not made", "leave --grid or --ray out")
    if model is None:
        raise InputError(
            "which model?", "impasto generate MODEL --out DIR: a folder that `impasto train` wrote"
        )
    wanted = parse_seeds(seeds) if seeds is not None else range(count or 16)
    levels = output.numbers(truncation_at, "--truncation-at", "32=0.5")
    if not all(name.isdecimal() for name in levels):
        raise InputError("--truncation-at is for levels of so many px", "write 32=0.5")
    generator = output.load(model, device)
    asked: dict[str, Any] = {
        "truncation": truncation,
        "truncation_at": {int(px): value for px, value in levels.items()},
        "directions": output.numbers(direction, "--direction", "warmth=1.5"),
        "theme": theme or (),
    }
    width = max(4, len(str(max(wanted))))
    if ray is not None:
        asked["colours"] = generator.request(colour or (), palette_from)
        name = f"{{:0{width}}}.{format_}".format
        _on_cluster(generator, wanted, out, name, ray, ray_cores, device, asked)
        return
    pictures = generator.generate(wanted, colours=colour or (), palette_from=palette_from, **asked)
    for seed, picture in zip(wanted, pictures, strict=True):
        generator.save(picture, out / f"{seed:0{width}}.{format_}")
    if grid:
        output.sheet(pictures, out / f"grid.{format_}", generator)
    print(f"{len(pictures)} pictures of {generator.folder} are in {out}")


def _on_cluster(
    generator: "Model",
    seeds: "Sequence[int]",
    out: Path,
    name: "Callable[[int], str]",
    address: str,
    cores: int,
    device: str,
    asked: dict[str, Any],
) -> None:
    import sys

    from impasto.cli.output import cluster_progress
    from impasto.inference.cluster_work import Team, generate_all

    out.mkdir(parents=True, exist_ok=True)
    team, watch = Team(address, cores, device=device), cluster_progress()
    there, failed = generate_all(generator, seeds, out, name, team, watch=watch, **asked)
    made = sum((out / name(seed)).is_file() for seed in seeds) - there
    rest = f", {there} were there already" if there else ""
    print(f"{made} pictures of {generator.folder} are in {out}{rest}")
    if failed:
        print("\n".join(["What could not be made:", *failed[:20]]), file=sys.stderr)
        raise typer.Exit(2)


def _again(model: Path | None, file: Path, out: Path, format_: str, device: str) -> None:
    from impasto.cli import output
    from impasto.errors import InputError
    from impasto.inference.known_models import where_is
    from impasto.inference.recipe import read_recipes

    recipes = read_recipes(file)
    if out.resolve() == file.parent.resolve():  # it would be written over what it is made again from
        raise InputError(f"'{out}' is where the recipe lies", "choose another --out")
    generator = output.load(model if model is not None else where_is(recipes[0]), device)
    for recipe in recipes:
        generator.check(recipe)
    pictures = [generator.make(recipe) for recipe in recipes]
    # What lossless files hold can be compared.
    verdict = _compare(file, pictures[0], recipes[0].engine, generator) if len(pictures) == 1 else ""
    for index, picture in enumerate(pictures):
        number = f"-{index:04}" if len(pictures) > 1 else ""
        generator.save(picture, out / f"{file.stem}{number}.{format_}")
    print(f"{len(pictures)} made again from {file}: in {out}")
    if verdict:
        print(verdict)


def _compare(file: Path, picture: "Image", engine: str, generator: "Model") -> str:
    """What there is to say of a picture beside the one in a file; of one with loss, whether sizes differ."""
    from impasto.errors import ImageError
    from impasto.image_files import from_pil
    from impasto.images import header, read

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
