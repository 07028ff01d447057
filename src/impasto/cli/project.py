"""`impasto project`."""

from pathlib import Path
from typing import Annotated

import typer

from impasto.cli.output import Device, ModelArgument, OutFolder, Overwrite


def project(
    model: ModelArgument,
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="Any picture.")],
    out: OutFolder,
    against: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Compare with the nearest training picture of these.")
    ] = None,
    steps: Annotated[int, typer.Option(help="How long to search.")] = 300,
    candidates: Annotated[int, typer.Option(help="The best of how many pictures it begins with.")] = 1_024,
    seed: Annotated[int, typer.Option(min=0, help="Where the search begins.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="The figures as JSON, on the screen.")] = False,
    overwrite: Overwrite = False,
    device: Device = "cpu",
) -> None:
    """Find the picture of a model that is most like a photo; steer from there as from a seed."""
    import json

    import torch

    from impasto.cli import output
    from impasto.cli.progress import reading_pictures
    from impasto.cli.screen import console, say, typed
    from impasto.image.files import save
    from impasto.outputs import Outputs

    output.folder_for_several(out, "two pictures")
    names = [
        f"{photo.stem}-found.png",
        f"{photo.stem}-before-after.png",
    ]  # never the name of the photo itself
    outputs = Outputs(out, [*names, f"{photo.stem}-found.json"], overwrite=overwrite)
    generator = output.load(model, device)
    show = reading_pictures(console(stderr=True))
    found = generator.project(
        photo,
        rng=torch.Generator().manual_seed(seed),
        steps=steps,
        candidates=candidates,
        against=against,
        progress=show,
    )
    path, before_after = (outputs.path(name) for name in names)
    generator.save(found.picture, path)
    save(found.before_after(), before_after, metadata=generator.describe())
    if json_:
        print(json.dumps(found.to_dict(), indent=2))
        return
    rows = {"the start": found.start, "found": found.found, "nearest training picture": found.nearest}
    for name, row in rows.items():
        if row is not None:
            say(f"{name:>24}: distance {row.distance:.2f}, PSNR {row.psnr:.2f} dB")
    say(f"Photo, start, found{' and nearest' if found.nearest else ''}: {before_after}")
    say(f"Go on from it: {typed('impasto', 'neighbours', model, path)} --out DIR")
