"""What watching over a run costs: the share of its time that is not training.

    python benchmarks/health_cost.py --set openmoji-64 --preset default --minutes 5 --threads 2

A run as anyone starts it, with the clock read around what the engine does beside its steps. `running_stats`
is what every step adds; `evaluations` make samples and compare them with the hold-out, which serves the
choice of the best model as well as health; `verdicts` come from both.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

import impasto
from impasto.files import write_bytes_atomically
from impasto.training.engine import Engine
from impasto.training.health.monitor import HealthMonitor
from impasto.training.run_folder import RunFolder
from kit import machine
from kit.sets import SETS, find_set

WATCHED: dict[str, tuple[type, str]] = {
    "vitals": (HealthMonitor, "after_step"),
    "verdicts": (HealthMonitor, "diagnose"),
    "healthy snapshots": (HealthMonitor, "keep"),
    "evaluations": (Engine, "_evaluate"),
    "sample grids": (RunFolder, "snapshot"),
    "checkpoints": (RunFolder, "checkpoint"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    pictures = find_set(args.set, args.out) if args.set else None
    folder, size = (pictures.folder, pictures.size) if pictures else (args.pictures, args.size)
    with tempfile.TemporaryDirectory() as run, clocked() as seconds:
        done = impasto.train(
            folder, run, preset=args.preset, size=size, minutes=args.minutes, overrides=args.override
        )
    shares = {name: seconds[name] / done.seconds for name in WATCHED}
    for name, share in shares.items():
        print(f"{name:18} {share:7.2%}")
    print(f"{'together':18} {sum(shares.values()):7.2%} of {done.seconds:.0f} s, {done.images_seen:,} images")
    if args.json:
        described = {"preset": args.preset, "minutes": args.minutes, "machine": machine.describe()}
        results = {**described, "seconds": done.seconds, "images_seen": done.images_seen, "shares": shares}
        write_bytes_atomically(args.json, json.dumps(results, indent=1).encode() + b"\n")


@contextmanager
def clocked() -> Iterator[Counter[str]]:
    """Seconds spent in each of `WATCHED`, what one calls of another counted once: as the inner one's."""
    seconds: Counter[str] = Counter()
    inside: list[float] = []

    def around(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            inside.append(0.0)
            try:
                return method(*args, **kwargs)
            finally:
                passed = time.perf_counter() - start
                seconds[name] += passed - inside.pop()
                if inside:
                    inside[-1] += passed

        return timed

    with ExitStack() as stack:
        for name, (owner, method) in WATCHED.items():
            stack.enter_context(mock.patch.object(owner, method, around(name, getattr(owner, method))))
        yield seconds


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--set", choices=SETS)
    which.add_argument("--pictures", type=Path, help="a folder of your own, with --size")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=Path("runs/sets"), help="where sets are made")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
