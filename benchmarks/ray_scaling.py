"""What a second worker on a Ray cluster brings: upscaling the same pictures with one and with two.

    python benchmarks/ray_scaling.py --pictures DIR --count 200 --rounds 3 --json FILE

Each worker has one core and one thread. Arms take turns; seconds are from the first picture that is done to
the last, so that neither Ray's start nor the opening of models counts.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from impasto.cluster.work import Team, upscale_all
from impasto.files import write_bytes_atomically
from impasto.tasks.upscaling.inference.batch import Job
from kit import machine


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--model", default="photo-x4-small")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    sources = list(islice(cycle(sorted(p for p in args.pictures.iterdir() if p.is_file())), args.count))
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(args.rounds):
        for workers, found in seconds.items():
            found.append(one(args.model, args.engine, sources, workers))
            print(f"{workers} workers: {found[-1]:.1f} s", flush=True)
    medians = {workers: statistics.median(found) for workers, found in seconds.items()}
    print(f"{args.count} pictures: two workers are {medians[1] / medians[2]:.2f} x one")
    if args.json:
        found = {"machine": machine.describe(), "model": args.model, "engine": args.engine}
        found |= {"count": args.count, "seconds": seconds, "ratio": medians[1] / medians[2]}
        found |= {"load_average": os.getloadavg()}
        write_bytes_atomically(args.json, json.dumps(found, indent=2).encode())


def one(model: str, engine: str, sources: list[Path], workers: int) -> float:
    """Seconds, with so many workers of one core, between the first picture and the last."""
    moments = []
    with tempfile.TemporaryDirectory() as folder:
        jobs = [Job(source, Path(folder) / f"{n:05}.png") for n, source in enumerate(sources)]
        team = Team("local", 1, workers)
        made = upscale_all(
            model, engine, None, jobs, team, watch=lambda done, lost: moments.append(time.perf_counter())
        )
        assert all(outcome.size for outcome in made), [outcome.error for outcome in made if outcome.error]
    # The first pictures of both workers come before both are warm.
    start = 2 * workers
    return (moments[-1] - moments[start]) * len(jobs) / (len(jobs) - 1 - start)


if __name__ == "__main__":
    main()
