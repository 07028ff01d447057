"""What a busy neighbour costs: speed beside one busy core, as a share of the speed on a quiet machine.

    python benchmarks/busy.py --json benchmarks/busy.json

Each arm is one process that works all along, while another program keeps one core busy every other phase.
`fixed` arms keep all their threads; the others choose them by measured progress. Trainings: images/s of
their own events; the first part of a phase, in which the threads are chosen anew, is counted in `phase` and
left out of `settled`. Files are enlarged, and pictures made, over and over.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluate_speed import draw
from impasto.files import write_bytes_atomically
from kit import machine
from kit.sets import SETS, find_set

SETTLING_SHARE = 0.4  # of a phase
SHARP_PICTURES = 40
HOG = "while True: pass"
# Work that repeats, one line for each unit done: its end by the clock.
UPSCALE = """
import sys, time
from PIL import Image
import numpy as np
import impasto
upscaler = impasto.load_upscaler("photo-x4", engine=sys.argv[1])
picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (256, 384, 3), np.uint8))
while True:
    upscaler(picture)
    print(time.time(), flush=True)
"""
GENERATE = """
import sys, time
import impasto
model = impasto.load("openmoji-64")
while True:
    model.generate(range(8))
    print(time.time(), flush=True)
"""


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    folder = find_set(args.set, args.out).folder
    sharp = args.out / "sharp"
    if any("upscale-" in arm for arm in args.arm) and not sharp.is_dir():
        draw(sharp, SHARP_PICTURES)
    results: dict[str, Any] = {"machine": machine.describe(), "seconds": args.seconds, "arms": {}}
    for name in args.arm:
        pictures = sharp if "upscale-" in name else folder  # drawings of 64 px are too small for it
        found = measure(name, pictures, args.seconds, args.rounds)
        results["arms"][name] = found
        print(
            f"{name:22} quiet {found['quiet']:8.2f}/s  busy {found['busy']:8.2f}/s  "
            f"ratio {found['ratio']:.2f}, settled {found['ratio_settled']:.2f}",
            flush=True,
        )
    for name, found in results["arms"].items():
        fixed = results["arms"].get(f"{name}-fixed")
        if fixed:
            found["quiet_of_fixed"] = found["quiet"] / fixed["quiet"]
            print(f"{name:22} quiet, of the same with all threads always: {found['quiet_of_fixed']:.3f}")
    if args.json:
        write_bytes_atomically(args.json, json.dumps(results, indent=1).encode() + b"\n")


def measure(name: str, pictures: Path, seconds: float, rounds: int) -> dict[str, float]:
    """Units of work a second, quiet and busy, of phases in turn in one process; medians of the rounds."""
    phases: dict[str, list[float]] = {"quiet": [], "busy": [], "quiet_settled": [], "busy_settled": []}
    with tempfile.TemporaryDirectory() as out, working(name, pictures, Path(out)) as done:
        wait_for(lambda: len(done()) > 2)
        for _ in range(rounds):
            for phase in ("quiet", "busy"):
                begun = time.time()
                with hog() if phase == "busy" else quiet():
                    time.sleep(seconds)
                phases[phase].append(rate(done(), begun, time.time()))
                phases[f"{phase}_settled"].append(rate(done(), begun + SETTLING_SHARE * seconds, time.time()))
    medians = {phase: statistics.median(rates) for phase, rates in phases.items()}
    medians["ratio"] = medians["busy"] / medians["quiet_settled"]
    medians["ratio_settled"] = medians["busy_settled"] / medians["quiet_settled"]
    return medians


def rate(done: list[tuple[float, int]], start: float, end: float) -> float:
    """Units a second between the first and the last report in [start, end]; 0 without two of them."""
    inside = [(when, count) for when, count in done if start <= when <= end]
    if len(inside) < 2:
        return 0.0
    (first, before), (last, after) = inside[0], inside[-1]
    return (after - before) / (last - first)


@contextmanager
def working(name: str, pictures: Path, out: Path) -> Iterator[Any]:
    """The arm's process; yields a function that gives its reports: (time, units done since its start)."""
    arm = name.removesuffix("-fixed")
    env = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")}
    if name.endswith("-fixed"):
        env["OMP_NUM_THREADS"] = str(os.cpu_count())
    output = out / "output"
    match arm.split(":"):
        case ["train", preset]:
            command = ["-m", "impasto", "train", str(pictures), "--out", str(out / "run")]
            command += ["--preset", preset, "--minutes", "600", "--on-trouble", "warn"]
        case ["upscale", engine]:
            command = ["-c", UPSCALE, engine]
        case ["generate"]:
            command = ["-c", GENERATE]
        case _:
            sys.exit(f"there is no arm '{name}'")
    with output.open("w") as file:
        process = subprocess.Popen([sys.executable, *command], env=env, stdout=file, stderr=file)

    def done() -> list[tuple[float, int]]:
        if process.poll() is not None:
            sys.exit(f"{name} ended: {output.read_text()}")
        if arm.startswith("train"):
            events = out / "run" / "events.jsonl"
            lines = events.read_text().splitlines() if events.exists() else []
            records = [json.loads(line) for line in lines if line.endswith("}")]
            return [(r["unix_time"], r["images_seen"]) for r in records if r["event"] == "progress"]
        times = [line for line in output.read_text().splitlines() if line[:1].isdigit()]
        return [(float(when), count) for count, when in enumerate(times)]

    try:
        yield done
    finally:
        process.kill()
        process.wait()


@contextmanager
def hog() -> Iterator[None]:
    """Another program, in a session of its own as another application would be, keeps one core busy."""
    process = subprocess.Popen([sys.executable, "-c", HOG], start_new_session=True)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def quiet() -> Iterator[None]:
    yield


def wait_for(condition: Any) -> None:
    while not condition():
        time.sleep(0.5)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--arm", action="append", help="train:PRESET, upscale:ENGINE, generate; with -fixed")
    parser.add_argument("--set", choices=SETS, default="openmoji-64")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each phase")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="where sets are made")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    args.arm = args.arm or [
        "train:default",
        "train:default-fixed",
        "train:upscale-x4",
        "train:upscale-x4-fixed",
        "upscale:auto",
        "generate",
    ]
    return args


if __name__ == "__main__":
    main()
