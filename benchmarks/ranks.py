"""What several processes cost: images per second of one process and of several, at the same global batch.

    python benchmarks/ranks.py --pictures DIR --preset default --preset dcgan --processes 1x2 2x1 --rounds 3

`2x1` is two processes of one thread each. Arms take turns, and each figure is the median of the rounds; the
first `--warm` steps of a training are not counted. Ratios are to the first arm.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from impasto.files import write_bytes_atomically
from kit import machine
from kit.processes import run_together

LAYOUT = argparse.RawDescriptionHelpFormatter
CHILD = """
import json, sys, time
from contextlib import contextmanager
import torch
import impasto
from impasto.training.distributed import ranks
from impasto.training.engine import Engine

pictures, out, preset, threads, warm, steps, settings = json.loads(sys.argv[1])
torch.set_num_threads(threads)
one_step, marks, talk = Engine._step, [], [0.0]

def timed(engine):
    if len(marks) == warm + steps:
        engine.interrupted.set()
    else:
        marks.append(time.perf_counter())
        talks.append(talk[0])
    return one_step(engine)

talks = []
communicating = ranks.communicating
@contextmanager
def clocked():
    began = time.perf_counter()
    with communicating():
        yield
    talk[0] += time.perf_counter() - began
ranks.communicating = clocked
Engine._step = timed
impasto.train(pictures, out, preset=preset, overrides=settings)
seconds = marks[-1] - marks[warm]
if ranks.is_first_rank():
    share = (talks[-1] - talks[warm]) / seconds
    print(json.dumps({"seconds": seconds, "steps": steps - 1, "talking": share}))
"""


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=LAYOUT)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--preset", action="append", required=True)
    parser.add_argument("--processes", nargs="+", default=["1x2", "2x1"], metavar="NxTHREADS")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, nargs="+", default=[0], help="0: the preset's")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--warm", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for preset in args.preset:
        for batch in args.batch:
            rows += measure(args, preset, batch)
    for row in rows:
        print(
            f"{row['preset']:10} batch {row['batch'] or '':4} {row['arm']:12} "
            f"{row['images_per_second']:8.1f} images/s"
            f"  {row['ratio']:.2f}  talking {row['talking']:.0%}"
        )
    if args.json:
        text = json.dumps({"machine": machine.describe(), "size": args.size, "rows": rows}, indent=2)
        write_bytes_atomically(args.json, text.encode())


def measure(args: argparse.Namespace, preset: str, batch: int) -> list[dict[str, Any]]:
    """The arms of one preset, in turns."""
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in args.processes}
    for _ in range(args.rounds):
        for arm in args.processes:
            found[arm].append(one(args, preset, batch, arm))
    speeds = {arm: statistics.median(r["images_per_second"] for r in runs) for arm, runs in found.items()}
    first = speeds[args.processes[0]]
    return [
        {
            "preset": preset,
            "batch": batch,
            "arm": arm,
            "images_per_second": speeds[arm],
            "rounds": [r["images_per_second"] for r in runs],
            "ratio": speeds[arm] / first,
            "talking": statistics.median(r["talking"] for r in runs),
        }
        for arm, runs in found.items()
    ]


def one(args: argparse.Namespace, preset: str, batch: int, arm: str) -> dict[str, float]:
    """One training, and what its first process says."""
    from impasto.config.reading import load_config

    processes, threads = map(int, arm.split("x"))
    settings: dict[str, Any] = {"image.size": args.size, "train.evaluate_every_images": 10**9}
    settings |= {"train.snapshot_every_images": 10**9, "train.checkpoint_every_seconds": 10**6}
    settings |= {"stop.images": 10**9, "train.device": "cpu"}
    if batch:
        settings["train.batch_size"] = batch
    size = batch or load_config(preset).train.batch_size
    with tempfile.TemporaryDirectory() as folder:
        what = [str(args.pictures), f"{folder}/run", preset, threads, args.warm, args.steps, settings]
        said = run_together(CHILD, what, processes, threads)
        time.sleep(0.2)
    figures = json.loads(said.splitlines()[-1])
    return {
        "images_per_second": size * figures["steps"] / figures["seconds"],
        "talking": figures["talking"],
    }


if __name__ == "__main__":
    main()
