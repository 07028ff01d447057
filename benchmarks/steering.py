"""How a model can be steered: the steps of its ways, what pictures cost, a sheet of themes and palettes.

    python benchmarks/steering.py --run RUN --json steering.json --sheet themes.png --moves steering.png

A way's step is the distance between frames that follow each other, in EfficientNet-Lite0's features, which
`interpolate` never sees (it goes by Lite1's). The largest of a way over its median says whether it jumps.
How well themes and colours are obeyed is `impasto evaluate RUN --against DIR --control`.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import impasto
from impasto.files import write_bytes_atomically
from impasto.image.files import grid, save
from impasto.nn.features import extract, load_lite0
from impasto.tasks.generation.sampling.model import Model
from kit.machine import describe

FRAMES = 60
PALETTES: tuple[tuple[str, ...], ...] = (
    (),
    ("#f4c20d",),
    ("teal",),
    ("#d7263d", "#1b998b", "#2e294e"),
    ("hotpink", "#222222", "turquoise"),
    ("#6b4423", "#e8d5b7", "#4a5d23"),
)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    args = parse(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    model = impasto.load(args.run)
    found = {
        "machine": describe(),
        "run": args.run.resolve().name,
        "images_seen": model.info.images_seen,
        "themes": list(model.themes),
        "ways": ways(model, args.ways, args.frames),
        "milliseconds_each": costs(model),
    }
    print(json.dumps(found, indent=2))
    if args.sheet:
        save(sheet(model), args.sheet)
    if args.moves:
        save(moves(model), args.moves)
    if args.json:
        write_bytes_atomically(args.json, json.dumps(found, indent=2).encode())
    return found


def ways(model: Model, count: int, frames: int) -> dict[str, dict[str, float]]:
    """By what the two ends differ in: the largest step over the median one, of `count` ways."""
    net, themes = load_lite0(torch.device("cpu")), model.themes
    ends: dict[str, Callable[[int], list[Any]]] = {"seeds": lambda i: [2 * i, 2 * i + 1]}
    if themes:
        ends["themes"] = lambda i: [
            model.steered(i, theme=themes[(i + more) % len(themes)]) for more in (0, 1)
        ]
    if model.info.config.image.channels > 1:
        palettes = PALETTES[1:]
        ends["palettes"] = lambda i: [
            model.steered(i, colours=palettes[(i + more) % len(palettes)]) for more in (0, 1)
        ]
    return {name: jumps(model, net, [two(i) for i in range(count)], frames) for name, two in ends.items()}


def jumps(model: Model, net: Any, ways: Sequence[list[Any]], frames: int) -> dict[str, float]:
    """The largest step over the median one: the median of ways, and the worst."""
    ratios = []
    for stops in ways:
        way = np.stack([np.asarray(p.convert("RGB")) for p in model.interpolate(stops, frames=frames)])
        steps = extract(net, way).diff(dim=0).norm(dim=1)
        ratios.append(float(steps.max() / steps.median()))
    return {"ways": len(ratios), "frames": frames, "median": float(np.median(ratios)), "worst": max(ratios)}


def costs(model: Model, count: int = 24) -> dict[str, float]:
    """Wall clock of a picture, one after the other: as it comes, in colours asked for, of a theme."""
    asked: dict[str, dict[str, Any]] = {"plain": {}}
    if model.info.config.image.channels > 1:
        asked["colours"] = {"colours": PALETTES[3]}
    if model.themes:
        asked["theme"] = {"theme": model.themes[0]}
    found = {}
    for name, request in asked.items():
        model.generate([0], **request)
        begun = time.perf_counter()
        model.generate(range(count), **request)
        found[name] = 1000 * (time.perf_counter() - begun) / count
    return found


def sheet(model: Model) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A row for each theme, its seed the row's number; a column for each of `PALETTES`."""
    pictures: list[Image.Image] = []
    for row, theme in enumerate(model.themes or ("",) * 6):
        about: dict[str, Any] = {"theme": theme} if theme else {}
        pictures += [model.generate([row], colours=colours, **about)[0] for colours in PALETTES]
    return grid(np.stack([np.asarray(p.convert("RGB")) for p in pictures]), columns=len(PALETTES))


def moves(model: Model) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Above, seeds 0 to 4 along `warmth`, -2 to 2, and shapes of seeds 5 to 9 (rows) in colours of 10 to 14
    (columns); below, three ways of ten frames from seed to seed."""  # fmt: skip
    warmer = [model.generate(range(5), directions={"warmth": by}) for by in (-2, -1, 0, 1, 2)]
    mixed = [[model.mix(shape, colour) for colour in range(10, 15)] for shape in range(5, 10)]
    ways = [model.interpolate([start, start + 1], frames=10) for start in (20, 22, 24)]
    left, right, below = (
        grid(np.stack([np.asarray(p.convert("RGB")) for row in rows for p in row]), columns=len(rows[0]))
        for rows in (warmer, mixed, ways)
    )
    gap = np.full((len(left), 8, 3), 255, np.uint8)
    above = np.concatenate((left, gap, right), 1)
    width = max(above.shape[1], below.shape[1])
    wide = [np.pad(x, ((0, 8), (0, width - x.shape[1]), (0, 0)), constant_values=255) for x in (above, below)]
    return np.concatenate(wide)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="what `impasto train --out` wrote")
    parser.add_argument("--ways", type=int, default=10, help="of each kind")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--threads", type=int, help="PyTorch's own choice unless given")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path, help="a PNG or JPEG: themes in rows, palettes in columns")
    parser.add_argument(
        "--moves", type=Path, help="a PNG or JPEG: a direction, a mix, ways from seed to seed"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
