"""The textbook against the default at equal wall-clock: train, measure, keep the grids.

    python benchmarks/presets.py --minutes 10 --out runs/presets

One after the other on one machine with the same threads. Writes benchmarks/presets.json and, with --grids,
the final contact sheets.
"""

import argparse
import json
import platform
import shutil
from pathlib import Path

import numpy as np
import torch

import impasto
from impasto.data.samples import make_openmoji
from impasto.image_files import grid, save

HERE = Path(__file__).parent


def arm(pictures: Path, out: Path, preset: str, minutes: float, overrides: list[str]) -> dict:
    """Train one preset for `minutes` and measure its last model."""
    run = impasto.train(pictures, out, preset=preset, minutes=minutes, overrides=overrides, resume=True)
    result = {
        "preset": preset,
        "images_seen": run.images_seen,
        "images_per_second": run.images_seen / run.seconds,
        "holdout_distances": [(e["images_seen"], e["distance"]) for e in run.evaluations],
    }
    for which in ("last", "best"):
        model = impasto.load(out / which)
        result[which] = impasto.evaluate(model, pictures)
        save(grid(model.render(range(96)), columns=12), out / f"grid-{which}.png")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, help="a folder; OpenMoji is rendered when it is left out")
    parser.add_argument("--presets", nargs="+", default=["dcgan", "default"])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=Path("runs/presets"))
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every arm")
    parser.add_argument("--grids", type=Path, help="copy the contact sheets of the last models here")
    parser.add_argument("--json", type=Path, default=HERE / "presets.json")
    args = parser.parse_args()
    pictures = args.pictures or make_openmoji(args.out / "openmoji", 64)
    arms = [arm(pictures, args.out / p, p, args.minutes, args.set) for p in args.presets]
    machine = {
        "processor": platform.processor() or platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }
    args.json.write_text(json.dumps({"minutes": args.minutes, "machine": machine, "arms": arms}, indent=1))
    head = ("preset", "images/s", "FD-lite0", "floor", "precision", "recall", "coverage")
    print("{:10} {:>9} {:>9} {:>7} {:>9} {:>7} {:>8}".format(*head))
    for a in arms:
        last = a["last"]
        print(
            f"{a['preset']:10} {a['images_per_second']:9.1f} {last['fd']:9.2f} {last['floor_fd']:7.2f} "
            f"{last['precision']:9.3f} {last['recall']:7.3f} {last['coverage']:8.3f}"
        )
        if args.grids:
            shutil.copy(
                args.out / a["preset"] / "grid-last.png", args.grids / f"openmoji-64-{a['preset']}.png"
            )
    best = np.argmin([a["last"]["fd"] for a in arms])
    print(f"nearest to the real pictures: {arms[best]['preset']}")


if __name__ == "__main__":
    main()
