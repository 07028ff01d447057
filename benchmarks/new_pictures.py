"""Quality and newness against minutes: several arms, one after the other, with the same clock and pictures.

    python benchmarks/new_pictures.py --set openmoji-64 --arm default --arm dcgan --minutes 20
    python benchmarks/new_pictures.py --pictures DIR --arm default --arm gentle=default:loss.r1_weight=10
    python benchmarks/new_pictures.py --arm default --arm wide=default:model.max_channels=512 --images 40000

An arm is a preset, a preset with settings, or a peer: dcgan-example, sngan, lightweight-gan. Each trains on
the same three quarters of the same cached pixels; copies and mirror images of a picture lie on one side. All
go through the measure of `impasto evaluate`, against the quarter that nobody trained on: quality and newness
beside what as many training pictures get, and copies. Measuring stops the clock. Sheets show samples above
the training pictures nearest to them, by layout and by content. With several seeds every figure is the
median. With --images arms are compared at equal images, which a busy machine does not disturb. A moment is
the end of a run: learning rates fall before it, unless an arm says optimizer.cooldown=0. An interrupted
benchmark goes on with --resume: what is finished is kept, our own runs go on exactly where they were, a peer
begins again.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from impasto.errors import ImpastoError, InputError
from impasto.files import write_bytes_atomically
from impasto.image.files import save
from kit import machine
from kit.arms import Arm, Unit, open_pictures, parse_arm, train_arm
from kit.drawing import plot
from kit.measure import Reals, copies, look_at, measure
from kit.results import summarise, table
from kit.sets import SETS, PictureSet, find_set

MOMENTS = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0)
DISTURBED = 0.9
# What must be the same for figures to be compared.
TERMS = ("set", "size", "channels", "unit", "moments", "samples", "threads")


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    try:
        run(args)
    except ImpastoError as error:
        sys.exit(f"{error.message}\n{error.hint}".strip())
    except KeyboardInterrupt:
        sys.exit("interrupted; --resume goes on")


def run(args: argparse.Namespace) -> None:
    if args.threads:
        torch.set_num_threads(args.threads)
    arms = [parse_arm(text) for text in args.arm or ["dcgan-example", "default"]]
    if len({arm.name for arm in arms}) < len(arms):
        raise InputError("two arms have the same name", "write NAME=default:...")
    if args.pictures:
        pictures = PictureSet(args.pictures.resolve().name, args.pictures, args.size, args.channels)
    else:
        pictures = find_set(args.set, args.out / "sets")
    moments = sorted(args.images or [*(m for m in args.moments if m < args.minutes), args.minutes])
    path = args.json or args.out / "results.json"
    results = begin(path, args, pictures, moments)
    for before in results["runs"]:
        for arm in arms:
            recipe = (arm.recipe, list(arm.overrides))
            if before["arm"] == arm.name and (before["recipe"], before["overrides"]) != recipe:
                raise InputError(f"'{arm.name}' was another recipe before", "give it another NAME=")
    reals: tuple[int, Reals] | None = None
    for arm, seed in ((arm, seed) for seed in args.seeds for arm in arms):
        if any(r["finished"] and (r["arm"], r["seed"]) == (arm.name, seed) for r in results["runs"]):
            continue
        if reals is None or reals[0] != seed:  # the split follows the seed
            reals = seed, look_at(open_pictures(pictures, seed))
            results["copies"] = copies(reals[1])
        compete(arm, seed, pictures, moments, reals[1], args, results, path)
    results["summary"] = summarise(results["runs"])
    write(path, results)
    print(table(results["summary"], results["copies"]))
    if args.plot:
        title = f"{pictures.name}, {results['processor']}, {results['threads']} thread(s), seeds {args.seeds}"
        plot(results["summary"], sheets(args.out / "sheets", arms, args.seeds[0]), args.plot, title)


def compete(
    arm: Arm,
    seed: int,
    pictures: PictureSet,
    moments: Sequence[float],
    reals: Reals,
    args: argparse.Namespace,
    results: dict[str, Any],
    path: Path,
) -> None:
    """Train one arm with one seed; after every moment its figures are in the file."""
    record: dict[str, Any] = {"arm": arm.name, "seed": seed, "recipe": arm.recipe, "peer": arm.is_peer}
    record |= {"overrides": list(arm.overrides), "finished": False, "moments": []}
    places = [(r["arm"], r["seed"]) for r in results["runs"]]
    if (arm.name, seed) in places:
        results["runs"][places.index((arm.name, seed))] = record
    else:
        results["runs"].append(record)
    start, processor = time.perf_counter(), time.process_time()
    unit: Unit = "images" if args.images else "minutes"
    for snapshot in train_arm(arm, pictures, args.out / folder_of(arm, seed), moments, seed, unit):
        got = (time.process_time() - processor) / (time.perf_counter() - start) / torch.get_num_threads()
        figures, sheet = measure(snapshot, reals, args.samples)
        figures["processor_share"] = round(got, 3)  # well below 1 other programs disturbed it
        record["moments"].append(figures)
        save(sheet, args.out / "sheets" / f"{folder_of(arm, seed)}.png")
        record["finished"] = snapshot.moment == moments[-1]
        write(path, results)
        disturbed = not args.images and got <= DISTURBED
        print(
            f"{arm.name}, seed {seed}, {figures['seconds'] / 60:.1f} min, {figures['images_seen']:,} images: "
            f"{figures['images_per_second']:.2f} images/s, FD-lite0 {figures['fd']:.1f} (floor "
            f"{figures['floor_fd']:.1f}), layout AUC {figures['layout_source_auc']:.3f}"
            f"{f'; DISTURBED: it got {got:.0%} of its processor time' if disturbed else ''}",
            flush=True,
        )
        start, processor = time.perf_counter(), time.process_time()


def begin(
    path: Path, args: argparse.Namespace, pictures: PictureSet, moments: Sequence[float]
) -> dict[str, Any]:
    """The results so far, with --resume, or none. Raises `InputError` where they do not go together."""
    terms = {
        "set": pictures.name,
        "size": pictures.size,
        "channels": pictures.channels,
        "unit": "images" if args.images else "minutes",
        "moments": list(moments),
        "samples": args.samples,
        "threads": torch.get_num_threads(),
    }
    before = {"unit": "minutes"} | json.loads(path.read_text()) if path.is_file() else None
    if (before or (args.out / "runs").exists()) and not args.resume:
        raise InputError(f"'{args.out}' holds results", "--resume goes on with them; or another --out")
    if before and any(before[key] != terms[key] for key in TERMS):
        other = next(key for key in TERMS if before[key] != terms[key])
        raise InputError(
            f"'{path}' was measured with {other} {before[other]}, not {terms[other]}", "choose another --out"
        )
    described = machine.describe()
    return {
        **terms,
        "processor": described["processor"],
        "machines": [*(before["machines"] if before else []), described],
        "runs": before["runs"] if before else [],
        "copies": before["copies"] if before else {},
    }


def write(path: Path, results: dict[str, Any]) -> None:
    write_bytes_atomically(path, json.dumps(results, indent=1).encode() + b"\n")


def folder_of(arm: Arm, seed: int) -> str:
    """A name for files: the arm's, without what a path cannot hold."""
    return f"runs/{''.join(c if c.isalnum() or c in '-_.=' else '_' for c in arm.name)}-seed{seed}"


def sheets(folder: Path, arms: Sequence[Arm], seed: int) -> dict[str, np.ndarray]:
    paths = {arm.name: folder / f"{folder_of(arm, seed)}.png" for arm in arms}
    found = {}
    for name, path in paths.items():
        if path.is_file():
            with Image.open(path) as picture:
                sheet = np.asarray(picture)
            found[name] = sheet.reshape(*sheet.shape[:2], -1)
    return found


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arm", action="append", help="[NAME=]PRESET[:key=value,...] or a peer; repeatable")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--set", choices=SETS, default=SETS[0])
    which.add_argument("--pictures", type=Path, help="a folder of your own, with --size and --channels")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, each arm")
    parser.add_argument(
        "--moments", type=float, nargs="+", default=MOMENTS, help="minutes at which to measure"
    )
    parser.add_argument("--images", type=int, nargs="+", help="images seen at which to measure; no --minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--samples", type=int, help="as many as there are pictures, when left out")
    parser.add_argument("--out", type=Path, default=Path("runs/time-to-quality"))
    parser.add_argument("--json", type=Path, help="OUT/results.json when left out")
    parser.add_argument("--plot", type=Path, help="a PNG with curves and contact sheets")
    parser.add_argument("--resume", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
