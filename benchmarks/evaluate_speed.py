"""What measuring an upscaler costs, as a multiple of what enlarging the same pictures costs.

    python benchmarks/evaluate_speed.py --pictures 100 --threads 1 --json benchmarks/evaluate_speed.json

Both are commands as a person types them, one after the other in each round: `impasto upscale` of small
pictures, and `impasto evaluate --against` the sharp ones that they were made from. The pictures are drawn
(`--folder` names others). Each figure stands for the time by the clock and for the processor's time; where
the two ratios differ much, other programs were running.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from impasto.files import write_bytes_atomically
from impasto.tasks.upscaling.inference.engines import dead_leaves
from kit import machine

WIDTH, HEIGHT, SCALE = 480, 320, 4


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        sharp, small = args.folder or draw(Path(folder) / "sharp", args.pictures), Path(folder) / "small"
        count = shrink(sharp, small)
        environment = os.environ | {"IMPASTO_CACHE": str(Path(folder) / "cache")}
        if args.threads:
            environment["OMP_NUM_THREADS"] = str(args.threads)
        upscale = ["upscale", str(small), "--model", args.model, "--engine", args.engine, "--overwrite"]
        commands = {
            "upscale": [*upscale, "--out", str(Path(folder) / "larger")],
            "evaluate": ["evaluate", args.model, "--against", str(sharp)],
        }
        for command in commands.values():  # engines are chosen and files read for the first time
            seconds_of(command, environment)
        rounds = [
            {name: seconds_of(c, environment) for name, c in commands.items()} for _ in range(args.rounds)
        ]
    results = {"model": args.model, "engine": args.engine, "pictures": count, "machine": machine.describe()}
    for kind, place in (("clock", 0), ("processor", 1)):
        ratios = [times["evaluate"][place] / times["upscale"][place] for times in rounds]
        medians = {name: median(times[name][place] for times in rounds) for name in commands}
        results[kind] = {"seconds": medians, "ratios": ratios, "ratio": median(ratios)}
        print(
            f"{kind:10} upscale {medians['upscale']:7.1f} s  evaluate {medians['evaluate']:7.1f} s  "
            f"ratio {median(ratios):.2f}"
        )
    if args.json:
        write_bytes_atomically(args.json, json.dumps(results, indent=1).encode() + b"\n")


def seconds_of(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    used, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "impasto", *command], env=environment, stdout=subprocess.DEVNULL, check=True
    )
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    passed = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return time.perf_counter() - start, passed


def draw(folder: Path, count: int) -> Path:
    """Discs over discs, some grained: edges and detail at every scale, as photographs have."""
    folder.mkdir()
    for number in range(count):
        signed = dead_leaves(np.random.default_rng(number), WIDTH)[0, :, :HEIGHT]
        pixels = (127.5 * (signed.transpose(1, 2, 0) + 1)).round().astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.png")
    return folder


def shrink(sharp: Path, small: Path) -> int:
    """Each picture a quarter as wide and high; how many there are."""
    small.mkdir()
    paths = sorted(path for path in sharp.iterdir() if path.suffix.lower() in (".png", ".jpg", ".webp"))
    for path in paths:
        with Image.open(path) as picture:
            size = max(1, picture.width // SCALE), max(1, picture.height // SCALE)
            picture.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(small / f"{path.stem}.png")
    return len(paths)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="photo-x4-fidelity", help="an upscaler x4")
    parser.add_argument("--engine", default="auto", help="of `upscale`; `evaluate` takes the fastest")
    parser.add_argument("--folder", type=Path, help="sharp pictures; drawn when left out")
    parser.add_argument("--pictures", type=int, default=100, help="how many are drawn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="OMP_NUM_THREADS of both")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
