"""`impasto interpolate`."""

from pathlib import Path
from typing import Annotated

import typer

from impasto.cli.output import Device, ModelArgument, Truncation


def interpolate(
    model: ModelArgument,
    stops: Annotated[
        list[str], typer.Argument(metavar="STOP...", help="Seeds, or pictures or recipes of this model.")
    ],
    out: Annotated[
        Path, typer.Option(help="A .webp, .gif or .mp4 file, or a folder for a PNG of each frame.")
    ],
    frames: Annotated[int, typer.Option(help="How many pictures in all.")] = 60,
    fps: Annotated[float, typer.Option(min=1, max=60, help="Pictures per second.")] = 12,
    loop: Annotated[bool, typer.Option("--loop", help="Back to the first stop at the end.")] = False,
    truncation: Truncation = 1.0,
    device: Device = "cpu",
) -> None:
    """A film from picture to picture, at an even pace: no jump, no standing still."""
    import numpy as np

    from impasto.cli import output
    from impasto.errors import InputError
    from impasto.files import write_bytes_atomically
    from impasto.image_files import from_pil, save_animation
    from impasto.inference.recipe import KEY, Recipe, Recipes
    from impasto.inference.video import need_av, save_mp4

    kind = out.suffix.lower()
    if kind not in ("", ".webp", ".gif", ".mp4") or (kind and out.is_dir()):
        raise InputError(f"'{out}' cannot be written", "a name that ends in .webp, .gif or .mp4, or a folder")
    if kind == ".mp4":
        need_av()  # before the work, not after
    if not kind:
        output.check_folder(out)
    generator = output.load(model, device)
    pictures = generator.interpolate(
        [output.start(stop) for stop in stops], frames=frames, loop=loop, truncation=truncation
    )
    if not kind:
        for index, picture in enumerate(pictures):
            generator.save(picture, out / f"{index:05}.png")
        print(f"{len(pictures)} frames are in {out}")
        return
    pixels = np.stack([from_pil(picture) for picture in pictures])
    recipes = Recipes(recipes=[Recipe.model_validate_json(picture.info[KEY]) for picture in pictures])
    text = recipes.model_dump_json(exclude_none=True)
    if kind == ".mp4":
        save_mp4(pixels, out, fps=fps, comment=f"{generator.describe()['software']}, {generator.digest}")
    else:
        hold = 1 / fps if loop else 1.0
        save_animation(
            pixels, out, fps=fps, hold_last_seconds=hold, metadata={**generator.describe(), KEY: text}
        )
    write_bytes_atomically(out.with_suffix(".json"), text.encode())
    print(f"{len(pictures)} frames: {out}, and their recipes: {out.with_suffix('.json')}")
