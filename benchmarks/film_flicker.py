"""How much enlarged films flicker where nothing moves, beside bicubic enlarging and frame by frame.

    python benchmarks/film_flicker.py --photos ../shared/data/sr/kodak24 --model photo-x4 --json flicker.json

Each film is a photograph with a camera's noise and a square that moves through its upper third, encoded as
H.264 and decoded again. Flicker is the mean change from frame to frame below it, in levels of 255. Also
told: which share of the pixels went through the network, how far steady frames are from those of the network
where something moves, and seconds of both on one thread.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import torch
from PIL import Image

import impasto
from impasto.image.film import open_film, read_frames
from impasto.tasks.upscaling.inference.steady import SteadyFrames

SIZE = 256, 192  # width and height
FRAMES = 16
MOVES = 72  # rows from the top in which something does
FILMS = (
    (18, 0.0),
    (23, 2.0),
    (28, 2.0),
    (23, 5.0),
)  # x264's rate factor, and the noise's deviation in levels


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    torch.set_num_threads(1)
    upscaler = impasto.load_upscaler(args.model, engine=args.engine)
    photos = sorted(args.photos.glob("*.png"))[: args.count]
    rows = [
        {"photo": photo.name, "crf": crf, "noise": noise, **compared(photo, crf, noise, upscaler)}
        for photo in photos
        for crf, noise in FILMS
    ]
    for row in rows:
        print("  ".join(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))
    worst = max(row["steady"] / row["bicubic"] for row in rows)
    middle = {name: median(row[name] / row["bicubic"] for row in rows) for name in ("one_by_one", "steady")}
    print(f"times bicubic, median: {middle}; worst steady: {worst:.2f} (target 1.1)")
    result = {"model": args.model, "rows": rows, "median_ratio": middle, "worst_steady_ratio": worst}
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


def compared(photo: Path, crf: int, noise: float, upscaler: Any) -> dict[str, float]:
    """Figures of one film."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        write(path, photo, crf, noise)
        seen = [frame.pixels for frame in read_frames(open_film(path))]
    scale, given = upscaler.network.scale, 0

    def enlarge(pixels: Any) -> Any:
        nonlocal given
        given += pixels.shape[0] * pixels.shape[1]
        return upscaler.pixels(pixels)

    larger = tuple(side * scale for side in SIZE)
    bicubic = [np.asarray(Image.fromarray(p).resize(larger, Image.Resampling.BICUBIC)) for p in seen]
    begun = time.perf_counter()
    one_by_one = [upscaler.pixels(pixels) for pixels in seen]
    between = time.perf_counter()
    steady_frames = SteadyFrames(enlarge, scale, upscaler.network.reach)
    steady = [steady_frames(pixels) for pixels in seen]
    ended = time.perf_counter()
    top = (MOVES + 8) * scale
    moving = [np.abs(a[:top].astype(float) - b[:top]).mean() for a, b in zip(steady, one_by_one, strict=True)]
    return {
        "bicubic": flicker(bicubic, top),
        "one_by_one": flicker(one_by_one, top),
        "steady": flicker(steady, top),
        "share_computed": given / (len(seen) * SIZE[0] * SIZE[1]),
        "difference_where_it_moves": float(np.mean(moving)),
        "seconds_one_by_one": between - begun,
        "seconds_steady": ended - between,
    }


def flicker(frames: Sequence[Any], top: int) -> float:
    """Mean absolute change below row `top`."""
    return float(np.mean([np.abs(b[top:].astype(float) - a[top:]).mean() for a, b in pairwise(frames)]))


def write(path: Path, photo: Path, crf: int, noise: float) -> None:
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=25, options={"crf": str(crf)})
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        for pixels in frames(photo, noise):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        film.mux(stream.encode())


def frames(photo: Path, noise: float) -> Iterator[Any]:
    image = Image.open(photo).convert("RGB")
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)
    still = np.asarray(half.crop((0, 0, *SIZE)), float)
    rng = np.random.default_rng(0)
    for number in range(FRAMES):
        pixels = still.copy()
        pixels[MOVES // 4 : MOVES - 12, 5 * number : 5 * number + 40] = 200
        yield np.clip(pixels + rng.normal(0, noise, pixels.shape), 0, 255).round().astype(np.uint8)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--photos", type=Path, required=True, help="a folder of PNG photographs of 512 x 384 px or more"
    )
    parser.add_argument("--count", type=int, default=4, help="how many of them")
    parser.add_argument("--model", default="photo-x4")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
