"""How fast training is, how much of this machine's arithmetic it uses, and where the rest goes.

    python benchmarks/train_speed.py --preset default --size 64
    python benchmarks/train_speed.py --set openmoji-64 --peer lightweight-gan --json speed.json

The roof is the rate of matrix products, measured in the same run on the same threads: in the precision that
training chose, and in bfloat16. The FLOPs of a step are counted, not estimated: convolutions and matrix
products of both networks, forward, backward and twice backward for gradient penalties; everything else
counts as nothing, so the share is a lower bound of how busy the arithmetic is. A peer gives the ratio of
speeds on the same pictures.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from impasto.config.reading import load_config
from impasto.data.batches import Batches
from impasto.data.cache import Pixels
from impasto.errors import ImpastoError
from impasto.files import write_bytes_atomically
from kit import machine
from kit.arms import open_pictures
from kit.sets import SETS, PictureSet, find_set
from kit.steps import Step, flops_of, images_per_second, make_step, operations_of
from peers import PEERS, make_peer

SYNTHETIC_PICTURES = 512


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    try:
        results = run(args)
    except ImpastoError as error:
        sys.exit(f"{error.message}\n{error.hint}".strip())
    show(results)
    if args.json:
        write_bytes_atomically(args.json, json.dumps(results, indent=1).encode() + b"\n")


def run(args: argparse.Namespace) -> dict[str, Any]:
    if args.threads:
        torch.set_num_threads(args.threads)
    pictures = find_set(args.set, args.out) if args.set else None
    size, channels = (pictures.size, pictures.channels) if pictures else (args.size, args.channels)
    settings = [f"image.size={size}", f"image.channels={channels}", *args.override]
    config = load_config(args.preset, settings)

    def batches(count: int) -> Batches:
        return draw(pictures, size, channels, count)

    step = make_step(config, batches)
    described = machine.describe()
    speed, steps, processor_share = images_per_second(step, args.seconds)
    by_operation = flops_of(step)
    flops = sum(by_operation.values())
    device, precision = step.fabric.device.type, step.config.train.precision
    roofs = {name: machine.matmul_rate(getattr(torch, name), device) for name in (precision, "bfloat16")}
    rate = flops * speed / images_of(step)
    results = {
        "preset": args.preset,
        "overrides": args.override,
        "set": args.set or "synthetic",
        "size": size,
        "batch_size": config.train.batch_size,
        "device": device,
        "precision": precision,
        "machine": described,
        "steps": steps,
        "processor_share": processor_share,
        "images_per_second": speed,
        "flops_per_image": flops / images_of(step),
        "flops_by_operation": by_operation,
        "flops_per_second": rate,
        "matmul_flops_per_second": roofs[precision],
        "share": rate / roofs[precision],
        "share_while_running": rate / processor_share / roofs[precision] if device == "cpu" else None,
        "bfloat16_matmul_flops_per_second": roofs["bfloat16"],
        "bfloat16_share": rate / roofs["bfloat16"],
        "seconds_of_a_step": step.parts(args.profile_steps),
        "share_of_time_by_operation": operations_of(step, args.profile_steps),
        "peers": {},
    }
    for name in args.peer:
        results["peers"][name] = race(name, speed, batches, size, channels, args.seconds)
    return results


def race(
    name: str, ours: float, batches: Any, size: int, channels: int, seconds: float
) -> dict[str, float | int]:
    """A peer's speed on the same pictures."""
    peer = make_peer(name, batches, size, channels, seed=0)

    def step() -> int:
        peer.step()
        return peer.images_per_step

    speed, steps, processor_share = images_per_second(step, seconds)
    per_image = sum(flops_of(step).values()) / peer.images_per_step
    return {
        "images_per_second": speed,
        "steps": steps,
        "processor_share": processor_share,
        "flops_per_image": per_image,
        "flops_per_second": per_image * speed,
        "ratio": ours / speed,
    }


def draw(pictures: PictureSet | None, size: int, channels: int, count: int) -> Batches:
    """Batches of `count` of a set's pictures to learn from, or of noise: the speed is the same."""
    if pictures:
        return open_pictures(pictures, seed=0).batches(count, 0)
    noise = np.random.default_rng(0).integers(0, 256, (SYNTHETIC_PICTURES, size, size, channels), np.uint8)
    return Batches(Pixels(noise, size, channels), np.arange(SYNTHETIC_PICTURES), count, 0)


def images_of(step: Step) -> int:
    return step.config.train.batch_size * step.config.train.discriminator_steps


def show(results: dict[str, Any]) -> None:
    r = results
    print(f"{r['preset']}, {r['size']} px, batch {r['batch_size']}, {r['machine']['threads']} thread(s)")
    print(f"  {r['images_per_second']:.2f} images/s, {r['flops_per_image'] / 1e9:.2f} GFLOP an image")
    print(f"  {r['flops_per_second'] / 1e9:.1f} GFLOP/s reached")
    if r["processor_share"] < 0.9:
        print(f"  DISTURBED: other programs left it {r['processor_share']:.0%} of its threads' time")
    for name, roof, share in (
        ("bfloat16", r["bfloat16_matmul_flops_per_second"], r["bfloat16_share"]),
        (r["precision"], r["matmul_flops_per_second"], r["share"]),
    ):
        print(f"  {roof / 1e9:.1f} GFLOP/s in a {name} matrix product: a share of {share:.0%}")
    if r["share_while_running"]:
        print(f"  {r['share_while_running']:.0%} of it in the processor time that it got")
    print("time of a step")
    for part, seconds in r["seconds_of_a_step"].items():
        print(f"  {part:22} {1000 * seconds:9.1f} ms")
    print("processor time by operation")
    for kind, share in r["share_of_time_by_operation"].items():
        print(f"  {kind:22} {share:9.1%}")
    for name, peer in r["peers"].items():
        gigaflops = peer["flops_per_image"] / 1e9
        print(f"{name}: {peer['images_per_second']:.2f} images/s, {gigaflops:.2f} GFLOP an image;")
        print(f"  {r['preset']} is {peer['ratio']:.2f} times as fast")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="default")
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--set", choices=SETS, help="real pictures; noise when left out")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of measuring, each")
    parser.add_argument("--profile-steps", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--peer", action="append", default=[], choices=PEERS)
    parser.add_argument("--out", type=Path, default=Path("runs/sets"), help="where sets are made")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
