"""Steer a trained generator: bolder and tamer, along a direction, from picture to picture.

python examples/steer.py run steered
"""

import sys
from pathlib import Path

import numpy as np

import impasto
from impasto.image.files import from_pil, grid, save, save_animation


def main(run: str, out: str) -> None:
    model = impasto.load(run)
    folder = Path(out)
    seeds = range(6)

    # Truncation: below 1 the pictures are more typical, above it they are newer and often worse.
    rows = [model.generate(seeds, truncation=t) for t in (0.3, 1.0, 1.5)]

    # Directions: named steps in the space of noise, fitted to this model once and kept beside it.
    print("directions:", ", ".join(model.directions()))
    rows += [model.generate(seeds, directions={"brightness": step}) for step in (-2.0, 2.0)]

    # Mixing: the shapes of seed 0 with the colours and the detail of the others.
    rows.append([model.mix(0, other) for other in seeds])
    pictures = np.stack([from_pil(picture) for row in rows for picture in row])
    save(grid(pictures, columns=len(seeds)), folder / "sheet.png")

    # Interpolation: an endless film through three seeds, at an even pace.
    frames = model.interpolate([0, 1, 2], frames=24, loop=True)
    save_animation(np.stack([from_pil(f) for f in frames]), folder / "film.webp", hold_last_seconds=0.1)

    # A picture holds its recipe; from the file the same picture is made again, bit for bit.
    model.save(rows[0][0], folder / "liked.png")
    (near,) = model.neighbours(folder / "liked.png", count=1, spread=0.2)
    model.save(near, folder / "near.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
