"""Start-up time and memory of `impasto train` on shards of a thousand to a million pictures.

    python benchmarks/million.py --counts 1000 10000 100000 1000000 --json benchmarks/million.json

Pictures of 16 px of random colours are generated, written as PPM into shards of a thousand with the index
that `impasto pack` writes (without palettes, which would take an hour), and trained on by the command itself,
each count with a cache of its own. For each count: a run of one step on an empty cache; the same again, the
cache being there; and a run of `--images`. Of each run the seconds until its first event (all is open and
surveyed), the seconds of the whole, and the most memory that was resident. `--rounds` repeat the first two,
and medians count.

What is measured with is a tenth of the pictures, at most 1,000: a thousand pictures start somewhat faster for
that reason alone. `--held-out` gives all counts the same. With `--folders` the same pictures are also trained
on as a folder of files, for comparison. A million pictures need 3.1 GB in shards and, as far as they are
trained on, 0.8 GB in the cache.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from impasto.data.shards import INDEX, Shard, ShardSet, find_shards, write_shard
from impasto.files import write_bytes_atomically
from kit import machine

SIDE = 16
BATCH = 64
THEMES = ("dark", "light")
SETTINGS = {
    "image.size": SIDE,
    "train.batch_size": BATCH,
    "train.device": "cpu",
    "train.precision": "float32",
    "train.on_trouble": "warn",  # nobody learns noise
}
ARMS = {
    "dcgan": {"model.base_channels": 8, "train.evaluate_samples": 64},
    "default": {
        "model.generator_channels": 8,
        "model.max_channels": 32,
        "model.pyramid_px": 32,
        "train.evaluate_samples": 64,
    },
}


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    with tempfile.TemporaryDirectory(dir=args.scratch) as name:
        scratch = Path(name)
        started = time.perf_counter()
        shards = generate(scratch / "all", max(args.counts), args.per_shard)
        results: dict[str, Any] = {
            "machine": machine.describe(),
            "picture_px": SIDE,
            "per_shard": args.per_shard,
            "images": args.images,
            "held_out": args.held_out or "a tenth, at most 2,000",
            "generated_seconds": round(time.perf_counter() - started, 1),
            "rows": [],
        }
        for count in args.counts:
            place = some_of(shards, count, scratch / f"shards-{count}", args.per_shard)
            for arm in args.arms:
                row = measure(place, arm, count, "shards", scratch, args)
                results["rows"].append(row)
                print(line(row), flush=True)
            if count in args.folders:
                place = as_folder(place, scratch / f"folder-{count}")
                row = measure(place, args.arms[0], count, "folder", scratch, args)
                results["rows"].append(row)
                print(line(row), flush=True)
                shutil.rmtree(place)
    results["ratios_to_fewest"] = ratios(results["rows"])
    print(json.dumps(results["ratios_to_fewest"], indent=2))
    if args.json:
        write_bytes_atomically(args.json, (json.dumps(results, indent=2) + "\n").encode())


def pictures(count: int, rng: np.random.Generator) -> Iterator[tuple[bytes, str]]:
    """PPM files of random colours, each with a theme."""
    noise = rng.integers(0, 128, (count, SIDE, SIDE, 3), np.uint8)
    for i, pixels in enumerate(noise):
        theme = i % len(THEMES)
        yield f"P6 {SIDE} {SIDE} 255\n".encode() + (pixels + np.uint8(128 * theme)).tobytes(), THEMES[theme]


def generate(folder: Path, count: int, per_shard: int) -> list[Shard]:
    """Write `count` pictures to shards."""
    folder.mkdir()
    made = []
    for number in range(-(-count // per_shard)):
        path = folder / f"shard-{number:06}.tar"
        here = min(per_shard, count - number * per_shard)
        entries = (
            (".ppm", raw, {"themes": [theme]}) for raw, theme in pictures(here, np.random.default_rng(number))
        )
        made.append(write_shard(path, entries).model_copy(update={"place": str(path)}))
    return made


def some_of(shards: Sequence[Shard], count: int, folder: Path, per_shard: int) -> Path:
    """A set of the first shards: `count` pictures, which must fill them."""
    folder.mkdir()
    chosen = tuple(shards[: -(-count // per_shard)])
    for shard in chosen:
        (folder / shard.name).hardlink_to(shard.place)
    themes = dict.fromkeys(THEMES, count // 2)
    whole = ShardSet(themes=themes, mean_colour=(0.5, 0.5, 0.5), shortest_side_px=SIDE, shards=chosen)
    write_bytes_atomically(folder / INDEX, whole.index())
    return folder


def as_folder(shards: Path, folder: Path) -> Path:
    """The same pictures as files, two subfolders being the themes."""
    for theme in THEMES:
        (folder / theme).mkdir(parents=True)
    for number, shard in enumerate(find_shards(str(shards)).shards):
        for i, (raw, theme) in enumerate(pictures(shard.pictures or 0, np.random.default_rng(number))):
            (folder / theme / f"{number:06}-{i:06}.ppm").write_bytes(raw)
    return folder


def measure(
    place: Path, arm: str, count: int, kind: str, scratch: Path, args: argparse.Namespace
) -> dict[str, Any]:
    """The runs of one count; see the module."""
    cache = scratch / "cache"
    cold = []
    for _ in range(args.rounds):
        shutil.rmtree(cache, ignore_errors=True)
        cold.append(run(place, arm, BATCH, cache, scratch, args.held_out))
    warm = [run(place, arm, BATCH, cache, scratch, args.held_out) for _ in range(args.rounds)]
    long = run(place, arm, args.images, cache, scratch, args.held_out)
    shutil.rmtree(cache)
    return {
        "pictures": count,
        "kind": kind,
        "preset": arm,
        "cold": medians(cold),
        "warm": medians(warm),
        "long": long,
    }


def medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: round(median(found[key] for found in runs), 3) for key in runs[0]}


def run(place: Path, preset: str, images: int, cache: Path, scratch: Path, held_out: int) -> dict[str, float]:
    """One `impasto train` in a process of its own."""
    out = scratch / "run"
    settings = SETTINGS | ARMS[preset]
    command = [sys.executable, "-m", "impasto", "train", str(place), "--out", str(out), "--preset", preset]
    command += ["--images", str(images)]
    if held_out:
        settings |= {"data.holdout_min_pictures": held_out, "data.holdout_share": 1e-9}
    command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    environment = os.environ | {"IMPASTO_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    # wait4 tells the memory of this process, not of the largest there ever was
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    first = None
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if first is None and (out / "events.jsonl").is_file() and (out / "events.jsonl").stat().st_size:
            first = time.perf_counter() - started
        if pid:
            break
        time.sleep(0.01)
    whole = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or first is None:
        raise SystemExit(f"exit code {process.returncode}: {' '.join(command)}")
    shutil.rmtree(out)
    return {
        "seconds_until_started": round(first, 3),
        "seconds": round(whole, 3),
        "peak_mb": round(usage.ru_maxrss / 1024, 1),
    }


def ratios(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each row's figures by those of the fewest pictures of its kind and preset."""
    found = []
    for row in rows:
        first = next(r for r in rows if (r["kind"], r["preset"]) == (row["kind"], row["preset"]))
        found.append(
            {key: row[key] for key in ("pictures", "kind", "preset")}
            | {
                f"{name}_{key}": round(row[name][key] / first[name][key], 3)
                for name in ("cold", "warm", "long")
                for key in ("seconds_until_started", "peak_mb")
            }
        )
    return found


def line(row: dict[str, Any]) -> str:
    parts = [
        f"{name} {row[name]['seconds_until_started']:6.2f} s {row[name]['peak_mb']:7.1f} MB"
        for name in ("cold", "warm", "long")
    ]
    return f"{row['pictures']:>9,} {row['kind']:7} {row['preset']:8} " + "   ".join(parts)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--folders", type=int, nargs="*", default=[], help="of these counts as files, too")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=["dcgan"], help="presets")
    parser.add_argument("--per-shard", type=int, default=1_000)
    parser.add_argument("--images", type=int, default=40_000, help="of the long run")
    parser.add_argument("--held-out", type=int, default=0, metavar="N", help="pictures, of every count")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="where there is room")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
