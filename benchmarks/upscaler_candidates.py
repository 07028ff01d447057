"""Which small upscaler learns the most in the same time: shapes of equal deployed size, one after the other.

    python benchmarks/upscaler_candidates.py --pictures DIR --test DIR --seconds 180 --threads 1 --json FILE

Each learns L1 on the same windows in the same order with the same optimizer, whose rate falls as a cosine
over the given time, and is averaged; the clock counts training alone. Measured as the papers do: PSNR-Y on
the pictures of `--test`, bicubic x4. `compact-narrow` is our own network, trained as it is deployed. On a
machine that others use too, `--steps` in place of seconds; `--optimizer adam muon` compares these two.
"""

import argparse
import copy
import itertools
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from impasto.config.reading import load_config
from impasto.data.folder import Dataset, open_folder
from impasto.data.scan import scan_folder
from impasto.files import write_bytes_atomically
from impasto.image import codec
from impasto.image.codec import to_tensor
from impasto.metrics.fidelity import luma, psnr, shaved
from impasto.tasks.upscaling.degradations import degrade
from impasto.tasks.upscaling.evaluation import bicubic
from impasto.training.muon import Muon
from kit import machine
from peers.upscalers import CANDIDATES, SCALE, make

RATES = {"adam": 1e-3, "muon": 2e-3}
BATCH, WARMUP_STEPS, HALFLIFE_IMAGES = 4, 100, 2_000


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    config = load_config("upscale-x4", {"data.holdout_min_pictures": 2, "data.holdout_share": 0.01})
    dataset = open_folder(args.pictures, config.data, config.image, seed=0)
    tests = pairs_of(args.test)
    length = {"steps": args.steps} if args.steps else {"seconds": args.seconds}
    results: dict[str, Any] = {"machine": machine.describe(), **length, "candidates": {}}
    for name, optimizer in itertools.product(args.candidate or CANDIDATES, args.optimizer):
        label = name if args.optimizer == ["adam"] else f"{name}, {optimizer}"
        found = [train(name, optimizer, dataset, tests, seed, **length) for seed in args.seeds]
        results["candidates"][label] = found
        for one in found:
            print(f"{label}: {one['psnr']:.2f} dB after {one['steps']} steps", flush=True)
        if args.json:
            write_bytes_atomically(args.json, json.dumps(results, indent=1).encode() + b"\n")


def train(
    name: str,
    optimizer_name: str,
    dataset: Dataset,
    tests: list[tuple[torch.Tensor, torch.Tensor]],
    seed: int,
    seconds: float = math.inf,
    steps: float = math.inf,
) -> dict[str, Any]:
    """Train one candidate for so many seconds or steps; its PSNR-Y, steps, and numbers."""
    torch.manual_seed(seed)
    network = make(name).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network)
    peak = RATES[optimizer_name]
    optimizer: torch.optim.Optimizer
    if optimizer_name == "muon":
        optimizer = Muon(network.parameters(), lr=peak)
    else:
        optimizer = torch.optim.Adam(network.parameters(), lr=peak, betas=(0.9, 0.99), fused=True)
    batches, rng = dataset.batches(BATCH, seed), torch.Generator().manual_seed(seed)
    spent, done = 0.0, 0
    while (share := max(spent / seconds, done / steps)) < 1:
        start = time.perf_counter()
        low, sharp = degrade(to_tensor(batches.next()), SCALE, "bicubic", rng)
        rate = peak * min(1.0, (done + 1) / WARMUP_STEPS) * (0.5 + 0.5 * math.cos(math.pi * share))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = (network(low.contiguous(memory_format=torch.channels_last)) - sharp).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        done += 1
        follow(average, network, 0.5 ** (BATCH / min(HALFLIFE_IMAGES, 0.05 * BATCH * done)))
        spent += time.perf_counter() - start
    return {
        "seed": seed,
        "psnr": measure(average, tests),
        "steps": done,
        "training_seconds": round(spent, 1),
        "parameters": sum(p.numel() for p in network.parameters()),
    }


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Move the average's weights towards the network's."""
    torch._foreach_lerp_(list(average.parameters()), [p.detach() for p in network.parameters()], 1 - keep)


@torch.inference_mode()
def measure(network: nn.Module, tests: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Mean PSNR-Y in dB."""
    return float(
        np.mean(
            [float(psnr(*(luma(shaved(x, SCALE)) for x in (network(low), sharp)))) for low, sharp in tests]
        )
    )


def pairs_of(folder: Path) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The pictures of a folder made small by bicubic, and as they are: (1, 3, h, w) each."""
    found = []
    for picture in scan_folder(folder, min_side_px=48).pictures:
        sharp = codec.read(folder / picture.path)
        height, width = (side - side % SCALE for side in sharp.shape[:2])
        sharp = np.ascontiguousarray(sharp[:height, :width])
        low = bicubic(sharp, width // SCALE, height // SCALE)
        found.append((to_tensor(low[None]), to_tensor(sharp[None])))
    return found


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True, help="to learn from")
    parser.add_argument("--test", type=Path, required=True, help="to measure with")
    parser.add_argument("--candidate", action="append", help=f"of {', '.join(CANDIDATES)}; repeatable")
    parser.add_argument("--optimizer", nargs="+", choices=sorted(RATES), default=["adam"])
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--steps", type=int, help="in place of --seconds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
