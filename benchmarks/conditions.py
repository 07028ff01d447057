"""What themes and palettes of a folder are worth before anything is trained on them.

    python benchmarks/conditions.py --set openmoji-64 --set vangogh-64 --json conditions.json --sheets DIR

How long palettes take, how well they stand for their pictures and how steady they are, beside Pillow's
median cut of the same pixels; the ceiling of theme accuracy, by the classifier of metrics/control.py on the
hold-out; the chance and the floor of colour distances for requests out of the hold-out's palettes. --sheets
writes pictures beside their palettes.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from impasto.data.colours import palette_strips
from impasto.data.folder import Dataset
from impasto.data.palette_cache import palettes_of_pixels
from impasto.files import write_bytes_atomically
from impasto.image.codec import to_tensor
from impasto.image.files import grid, save
from impasto.image.oklab import oklab_from_srgb, oklab_of, palette_difference
from impasto.image.palettes import COLOURS, ask_for_some, palettes_of, shares_of
from impasto.metrics.control import colour_report, fit_classifier, theme_accuracy
from impasto.nn.features import extract, load_lite0
from kit.arms import open_pictures
from kit.machine import describe
from kit.sets import PictureSet, find_set

COMPARED = 400  # pictures
GRAIN = 0.02  # of [-1, 1]: noise under which a palette should stay
SHEET = 96


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    args = parse(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    found: dict[str, Any] = {"machine": describe(), "sets": {}}
    sets = [find_set(name, args.work) for name in args.set]
    sets += [PictureSet(folder.name, folder, args.size, 3) for folder in args.pictures]
    for pictures in sets:
        name = pictures.name
        dataset = open_pictures(pictures, seed=0)
        found["sets"][name] = measure(dataset)
        print(json.dumps({name: found["sets"][name]}, indent=2))
        if args.sheets:
            save(sheet(dataset), args.sheets / f"{name}-palettes.png")
    if args.json:
        write_bytes_atomically(args.json, json.dumps(found, indent=2).encode())
    return found


def measure(dataset: Dataset) -> dict[str, Any]:
    """Every figure of one folder."""
    everything = np.arange(len(dataset.pixels))
    start, clock = time.perf_counter(), time.process_time()
    parts = [
        palettes_of_pixels(dataset.pixels.take(part), dataset.data.background)
        for part in np.array_split(everything, -(-len(everything) // 128))
    ]
    seconds, processor = time.perf_counter() - start, time.process_time() - clock
    palettes = torch.from_numpy(np.concatenate(parts))
    chosen = everything[:: max(1, len(everything) // COMPARED)]
    return {
        "pictures": len(everything),
        "palettes_seconds": round(seconds, 2),
        "palettes_processor_seconds": round(processor, 2),
        "colours_mean": float((palettes[..., 3] > 0).sum(1).double().mean()),
        "ours": quality(dataset.pixels.take(chosen), palettes_of),
        "median_cut": quality(dataset.pixels.take(chosen), median_cut),
        "themes": ceiling(dataset),
        "colours": colours(dataset, palettes),
    }


def quality(pixels: NDArray[np.uint8], palettes_by: Callable[[Tensor], Tensor]) -> dict[str, float]:
    """`error`: mean OKLab distance of a pixel that is not page to the nearest colour of its palette.

    `grain`: how much a palette differs from that of the same picture under noise, over how much it differs
    from another picture's.
    """
    pictures = to_tensor(pixels)
    clock = time.process_time()
    palettes = torch.cat([palettes_by(part) for part in pictures.split(128)])
    milliseconds = (time.process_time() - clock) / len(pictures) * 1000
    noise = GRAIN * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
    noisy = torch.cat([palettes_by(part) for part in (pictures + noise).clamp(-1, 1).split(128)])
    errors = []
    for part, palette in zip(pictures.split(32), palettes.split(32), strict=True):
        apart = (oklab_of(part)[:, :, None] - palette[:, None, :, :3]).norm(dim=3)
        apart = apart.masked_fill(palette[:, None, :, 3] <= 0, torch.inf)
        errors.append((apart.amin(2) * shares_of(part)).sum(1))
    others = palette_difference(palettes, palettes.roll(1, 0)).mean()
    return {
        "milliseconds_each": round(milliseconds, 2),
        "error": float(torch.cat(errors).mean()),
        "grain": float(palette_difference(palettes, noisy).mean() / others),
    }


def median_cut(pictures: Tensor) -> Tensor:
    """Palettes (B, K, 4) of the pixels that are not page, by Pillow's median cut."""
    palettes = torch.zeros(len(pictures), COLOURS, 4)
    shares = shares_of(pictures)
    flat = pictures.flatten(2).transpose(1, 2).add(1).mul(127.5).round().byte()
    for palette, pixels, share in zip(palettes, flat, shares, strict=True):
        line = Image.fromarray(pixels[share > 0][None].numpy())
        reduced = line.quantize(COLOURS, Image.Quantize.MEDIANCUT)
        counts = reduced.getcolors() or []
        table = torch.tensor(reduced.getpalette()).view(-1, 3) / 255
        for row, (count, index) in enumerate(sorted(counts, reverse=True)):
            palette[row, :3] = oklab_from_srgb(table[index])
            palette[row, 3] = count / int((share > 0).sum())
    return palettes


def ceiling(dataset: Dataset) -> dict[str, Any] | None:
    """How well themes are told from real pictures that are new to the classifier; None without two."""
    if len(dataset.themes) < 2:
        return None
    net = load_lite0(torch.device("cpu"))
    train, holdout = (
        extract(net, dataset.pixels.take(indices))
        for indices in (dataset.train_indices, dataset.holdout_indices)
    )
    themes = torch.from_numpy(dataset.theme_matrix)
    classifier = fit_classifier(train, themes[torch.from_numpy(dataset.train_indices)])
    found = theme_accuracy(classifier(holdout), themes[torch.from_numpy(dataset.holdout_indices)])
    return {
        "names": list(dataset.themes),
        "pictures": dataset.labels.counts,
        "ceiling": found.accuracy,
        "chance": found.chance,
        "per_theme": dict(zip(dataset.themes, found.per_theme, strict=True)),
    }


def colours(dataset: Dataset, palettes: Tensor) -> dict[str, Any]:
    """What requests out of the hold-out get from pictures that are theirs, others', or the nearest."""
    rng = torch.Generator().manual_seed(0)
    own, known = (
        palettes[torch.from_numpy(indices)] for indices in (dataset.holdout_indices, dataset.train_indices)
    )
    return {
        "whole_palettes": colour_report(own, own, known, rng, None).to_dict(),
        "some_colours": colour_report(ask_for_some(own, rng), own, known, rng).to_dict(),
    }


def sheet(dataset: Dataset, count: int = SHEET) -> NDArray[np.uint8]:
    """Pictures of the folder, each beside its palette, eight in a row: (H, W, 3) uint8."""
    every = len(dataset.pixels)
    chosen = np.linspace(0, every, min(count, every), endpoint=False).astype(np.int64)
    pixels = dataset.pixels.take(chosen)
    strips = palette_strips(torch.from_numpy(dataset.palettes[chosen]), dataset.pixels.size)
    return grid(np.concatenate((pixels, strips), 2), columns=8)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", action="append", default=[], help="openmoji-64, vangogh-64; repeatable")
    parser.add_argument("--pictures", action="append", default=[], type=Path, help="a folder; repeatable")
    parser.add_argument("--size", type=int, default=64, help="of the pictures of such a folder, in px")
    parser.add_argument("--work", type=Path, default=Path("runs/bench"), help="where sets are made")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheets", type=Path, metavar="DIR")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
