"""What one message between processes of one machine takes: by gloo's connections, and by shared memory.

    python benchmarks/messages.py --json benchmarks/messages.json

Processes of one thread each add up a vector of so many numbers, again and again; medians of the rounds, in
which the two ways take turns. Between messages a process works for `--work` seconds, or not at all: a core
that waits for a connection falls asleep.
"""

import argparse
import json
import statistics
from pathlib import Path

from impasto.files import write_bytes_atomically
from kit import machine
from kit.processes import run_together

CHILD = """
import datetime, json, sys, time
import torch
import torch.distributed as dist
from impasto.training import blackboard

sizes, repeats, rounds, work = json.loads(sys.argv[1])
torch.set_num_threads(1)
dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=120))
board = blackboard.set_up()
assert board is not None
ways = {"gloo": dist.all_reduce, "memory": lambda vector: board.add_up([vector])}
found = {}
for size in sizes:
    vector = torch.ones(size)
    count = max(10, min(repeats, 20_000_000 // size))
    for _ in range(rounds):
        for way, add_up in ways.items():
            for _ in range(5):
                add_up(vector)
            talked = 0.0
            for _ in range(count):
                until = time.perf_counter() + work
                while time.perf_counter() < until:
                    pass
                began = time.perf_counter()
                add_up(vector)
                talked += time.perf_counter() - began
                vector.fill_(1)
            found.setdefault(f"{way} {size}", []).append(1000 * talked / count)
if dist.get_rank() == 0:
    print(json.dumps(found))
dist.destroy_process_group()
"""


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--numbers", type=int, nargs="+", default=[128, 100_000, 2_300_000, 5_000_000])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=float, nargs="+", default=[0.0, 0.002], metavar="SECONDS")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = []
    for work in args.work:
        what = [args.numbers, args.repeats, args.rounds, work]
        found = json.loads(run_together(CHILD, what, args.processes, threads=1))
        for size in args.numbers:
            row = {"numbers": size, "work_seconds": work}
            for way in ("gloo", "memory"):
                row[f"{way}_milliseconds"] = statistics.median(found[f"{way} {size}"])
            rows.append(row)
            print(
                f"after {1000 * work:g} ms of work {size:10,} numbers: "
                f"gloo {row['gloo_milliseconds']:.3f} ms, memory {row['memory_milliseconds']:.3f} ms"
            )
    if args.json:
        told = {
            "machine": machine.describe(),
            "processes": args.processes,
            "rounds": args.rounds,
            "rows": rows,
        }
        write_bytes_atomically(args.json, json.dumps(told, indent=2).encode())


if __name__ == "__main__":
    main()
