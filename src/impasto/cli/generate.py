"""`impasto generate`."""

from pathlib import Path
from typing import Annotated

import typer


def generate(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A model folder, or a run (its best model).")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the pictures go.")],
    count: Annotated[int | None, typer.Option(min=1, help="How many, from seed 0 on.  [default: 16]")] = None,
    seeds: Annotated[str | None, typer.Option(help="Which, e.g. 0-15 or 3,7,40-49.")] = None,
    truncation: Annotated[float, typer.Option(help="Below 1: more typical, less varied.")] = 1.0,
    grid: Annotated[bool, typer.Option("--grid", help="One contact sheet too: grid.png.")] = False,
    format_: Annotated[str, typer.Option("--format", help="png, webp or jpg.")] = "png",
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
) -> None:
    """Make new pictures. The same seed gives the same picture, alone or among others."""
    from impasto.errors import InputError
    from impasto.image_files import grid as contact_sheet
    from impasto.image_files import save
    from impasto.inference.sampler import load, parse_seeds

    if count is not None and seeds is not None:
        raise InputError("--count and --seeds exclude each other", "--seeds 0-15 are sixteen pictures")
    if format_ not in ("png", "webp", "jpg"):
        raise InputError(f"pictures cannot be written as '{format_}'", "--format png, webp or jpg")
    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file, not a folder", "choose another --out")
    wanted = parse_seeds(seeds) if seeds is not None else range(count or 16)
    generator = load(model, device=device)
    pixels = generator.render(wanted, truncation=truncation)
    width = max(4, len(str(max(wanted))))
    about = generator.describe(truncation)
    for seed, picture in zip(wanted, pixels, strict=True):
        save(picture, out / f"{seed:0{width}}.{format_}", metadata={**about, "seed": str(seed)})
    if grid:
        save(contact_sheet(pixels), out / f"grid.{format_}", metadata=about)
    print(f"{len(pixels)} pictures of {generator.folder} are in {out}")
