"""Whether enlarged pictures have a grain of their cells: peaks of the spectrum at a lattice's frequencies.

    python benchmarks/grain.py --pictures kodak24 --model photo-x4 --json benchmarks/grain.json

What a network draws into every cell of `scale` x `scale` px comes back from cell to cell: power at multiples
of 1 / `scale` cycles a pixel. Peak: the power of luma there, over that of the frequencies around it, 1 where
nothing comes back; the mean over the lattice's frequencies, of the spectrum of the windows with detail (256
px, the upper half by variance). The original's is what is to be reached. Pictures are reduced by Pillow's
bicubic.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from impasto.files import write_bytes_atomically
from impasto.image import codec
from impasto.image.files import Pixels, to_pil
from impasto.metrics.fidelity import luma
from impasto.tasks.upscaling import evaluation
from impasto.tasks.upscaling.inference.upscalers import load_upscaler
from kit import machine
from peers import realesrgan

SCALE, SIDE, AROUND = 4, 256, 6


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    ways: dict[str, Callable[[Pixels, Pixels], Pixels]] = {
        "original": lambda sharp, low: sharp,
        "bicubic": lambda sharp, low: evaluation.bicubic(low, sharp.shape[1], sharp.shape[0]),
    }
    if args.x4plus:
        large = realesrgan.large()
        ways["realesrgan-x4plus"] = lambda sharp, low: large(low)
    for model in args.model:
        upscaler = load_upscaler(model, engine="torch")
        ways[Path(model).name] = lambda sharp, low, run=upscaler: np.asarray(run(to_pil(low)))  # type: ignore[misc]
    sets = {}
    for folder in args.pictures:
        spectra: dict[str, list[np.ndarray]] = {name: [] for name in ways}
        for path in sorted(folder.glob("*.png"))[: args.count]:
            sharp = codec.read(path)
            height, width = (side - side % SCALE for side in sharp.shape[:2])
            sharp = np.ascontiguousarray(sharp[:height, :width])
            small = Image.fromarray(sharp).resize((width // SCALE, height // SCALE), Image.Resampling.BICUBIC)
            chosen = detailed(level(sharp))
            for name, way in ways.items():
                made = level(way(sharp, np.asarray(small)))
                spectra[name] += [spectrum(made[at]) for at in chosen]
        sets[folder.name] = {name: round(peak(np.mean(found, 0)), 4) for name, found in spectra.items()}
        print(folder.name, sets[folder.name])
    if args.json:
        tree = {"peak": sets, "machine": machine.describe()}
        write_bytes_atomically(args.json, (json.dumps(tree, indent=1) + "\n").encode())


def level(picture: Pixels) -> np.ndarray:
    """Luma, (H, W)."""
    found: np.ndarray = luma(codec.to_tensor(picture[None]))[0, 0].numpy()
    return found


def detailed(y: np.ndarray) -> list[tuple[slice, slice]]:
    """The windows of a picture with more than the median's variance."""
    places = [
        (slice(top, top + SIDE), slice(left, left + SIDE))
        for top in range(0, y.shape[0] - SIDE + 1, SIDE // 2)
        for left in range(0, y.shape[1] - SIDE + 1, SIDE // 2)
    ]
    variances = [y[at].var() for at in places]
    return [at for at, variance in zip(places, variances, strict=True) if variance >= np.median(variances)]


def spectrum(y: np.ndarray) -> np.ndarray:
    """Power by frequency, (SIDE, SIDE), under a Hann window."""
    hann = np.hanning(SIDE)
    power: np.ndarray = np.abs(np.fft.fft2((y - y.mean()) * hann[:, None] * hann)) ** 2
    return power


def peak(power: np.ndarray) -> float:
    """Power at the lattice's frequencies over that around them, the mean of all but the constant."""
    step, ratios = SIDE // SCALE, []
    for row in range(SCALE):
        for column in range(SCALE):
            if row == column == 0:
                continue
            rows = np.arange(row * step - AROUND, row * step + AROUND + 1) % SIDE
            columns = np.arange(column * step - AROUND, column * step + AROUND + 1) % SIDE
            near = power[np.ix_(rows, columns)]
            middle = near[AROUND - 1 : AROUND + 2, AROUND - 1 : AROUND + 2].mean()  # a Hann window's width
            around = (near.sum() - 9 * middle) / (near.size - 9)
            ratios.append(middle / around)
    return float(np.mean(ratios))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, action="append", required=True, help="a folder of PNG files")
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--x4plus", action="store_true", help="Real-ESRGAN's, too")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
