"""The frozen feature network, there and back: ours against timm's as it comes, both under bfloat16 autocast.

    python benchmarks/frozen_speed.py --threads 1 --json benchmarks/frozen_speed.json

Pictures in, the maps of strides 4 to 32 out, and the gradient of the pictures: a step of G passes through it
so. timm's network has the same weights, and is seen to draw the same maps. The two take turns; each figure is
the median of the rounds. `--profile` lists where ours spends its time.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from impasto.files import write_bytes_atomically
from impasto.nn.features import published_network
from impasto.nn.frozen_features import FrozenFeatures
from kit import machine


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--size", type=int, nargs="+", default=[64])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    arms = {"timm": timms(), "ours": FrozenFeatures(None)}
    rows = []
    for threads in args.threads:
        torch.set_num_threads(threads)
        for size in args.size:
            for batch in args.batch:
                rows.append(
                    {"threads": threads, "size": size, "batch": batch} | compare(args, arms, size, batch)
                )
                print(rows[-1])
    if args.json:
        told = {"machine": machine.describe(), "rounds": args.rounds, "calls": args.calls, "rows": rows}
        write_bytes_atomically(args.json, json.dumps(told, indent=2).encode())


def timms() -> torch.nn.Module:
    """timm's network as it comes."""

    class AsItComes(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = published_network("lite1").requires_grad_(False)

        def forward(self, images: Tensor) -> list[Tensor]:
            return FrozenFeatures._maps(self.net, images.mul(127.5).add(0.5).div(128))

    return AsItComes()


def compare(
    args: argparse.Namespace, arms: dict[str, torch.nn.Module], size: int, batch: int
) -> dict[str, float]:
    """Milliseconds of a call, there and back, and without a way back."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 3, size, size, generator=generator).clamp(-1, 1)
    with torch.no_grad():
        for a, b in zip(arms["timm"](images), arms["ours"](images), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-3)
    found: dict[str, list[float]] = {}
    for turn in range(args.rounds + 1):  # the first is not counted
        for name, net in arms.items():
            for back in (True, False):
                seconds = timed(lambda: once(net, images, back), args.calls)  # noqa: B023
                if turn:
                    key = f"{name}{'' if back else ' forward'}"
                    found.setdefault(key, []).append(1000 * seconds)
    if args.profile:
        with torch.profiler.profile() as profile:
            for _ in range(args.calls):
                once(arms["ours"], images, True)
        print(
            profile.key_averages().table(
                sort_by="self_cpu_time_total", row_limit=20, max_name_column_width=40
            )
        )
    result = {f"{name}_milliseconds": statistics.median(times) for name, times in found.items()}
    result["ratio"] = statistics.median(a / b for a, b in zip(found["timm"], found["ours"], strict=True))
    return result


def once(net: torch.nn.Module, images: Tensor, back: bool) -> None:
    """The maps, and the gradient of their sum for the pictures."""
    given = images.clone().requires_grad_(back)
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(back):
        maps = net(given)
    if back:
        torch.autograd.backward(maps, [torch.ones_like(m) for m in maps])


def timed(work: Callable[[], None], calls: int) -> float:
    """Seconds of a call."""
    began = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - began) / calls


if __name__ == "__main__":
    main()
