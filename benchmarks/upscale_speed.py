"""How fast, and in how much memory, pictures become larger, against Real-ESRGAN's tool.

    python benchmarks/upscale_speed.py --megapixels 1 --threads 2 --json benchmarks/upscale_speed.json
    python benchmarks/upscale_speed.py --memory 25 --model RUN
    python benchmarks/upscale_speed.py --network --model photo-x4-fidelity --threads 2
    python benchmarks/upscale_speed.py --batch 1000 --side 64 --model RUN --engine ncnn --threads 2

The same network and weights on both sides, file to file: PyTorch in float32 and its default layout on the
whole picture, with Pillow reading and writing; and `impasto upscale` with each engine that is installed. The
order alternates and the best of several rounds counts. `--memory` enlarges one picture of so many
megapixels in a process of its own and reports what it held at most, and seconds for each megapixel.
`--network` runs tiles through the network alone and reports its rate beside that of matrix products, in turns
and both by the time of the process, which other programs do not lengthen.
`--batch` enlarges a folder of so many small pictures and reports how much of the time a network was at work:
of the clock, and of what as many threads as it may have had to give.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from impasto.errors import ImpastoError
from impasto.files import write_bytes_atomically
from impasto.image.files import to_pil
from impasto.tasks.upscaling.inference.batch import plan_jobs, upscale_all
from impasto.tasks.upscaling.inference.engines import Choice, Engine, installed, open_engine
from impasto.tasks.upscaling.inference.upscale import PictureUpscaler
from impasto.tasks.upscaling.inference.upscalers import DEFAULT, load_network, load_upscaler
from kit import machine
from peers import realesrgan

_CHILD = """
import json, resource, sys, time
import impasto
start = time.perf_counter()
upscaler = impasto.load_upscaler(sys.argv[1], engine=sys.argv[4])
loaded = time.perf_counter()
upscaler.file(__import__("pathlib").Path(sys.argv[2]), __import__("pathlib").Path(sys.argv[3]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": time.perf_counter() - loaded, "peak_mib": peak, "loading": loaded - start}))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        results = {"machine": machine.describe()}
        if args.network:
            results |= inside(args.model, args.rounds)
        elif args.batch:
            results["batch"] = batch(args.batch, args.side, args.model, args.engine, args.workers)
        elif args.memory:
            results["memory"] = [memory(m, args.model, args.engine, args.out) for m in args.memory]
        else:
            results |= speed(args.megapixels, args.rounds)
    except ImpastoError as error:
        sys.exit(f"{error.message}\n{error.hint}".strip())
    print(json.dumps({k: v for k, v in results.items() if k != "machine"}, indent=1))
    if args.json:
        write_bytes_atomically(args.json, json.dumps(results, indent=1).encode() + b"\n")


def speed(megapixels: float, rounds: int) -> dict[str, Any]:
    """Seconds of each way, file to file, and how many times faster each is than the peer's."""
    net = realesrgan.load()
    side = round((megapixels * 1e6) ** 0.5)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "small.png", Path(folder) / "large.png"
        to_pil(picture(side, side)).save(source)
        ways: dict[str, Callable[[], None]] = {"peer": lambda: as_its_tool(net, source, target)}
        for name in installed():
            network = realesrgan.Ours(net)
            engine = realesrgan.OursByNcnn() if name == "ncnn" else open_engine(name, network)
            ours = PictureUpscaler(network, "peer", engine, Choice(name, "measured"))
            ways[name] = lambda ours=ours: ours.file(source, target)  # type: ignore[misc]
        seconds = {name: float("inf") for name in ways}
        for _ in range(rounds):
            for name, run in ways.items():
                start = time.perf_counter()
                run()
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    flops = 2 * sum(p.numel() for p in net.parameters() if p.dim() == 4) * side**2
    return {
        "megapixels": side**2 / 1e6,
        "seconds": seconds,
        "times_the_peer": {name: seconds["peer"] / s for name, s in seconds.items()},
        "flops_per_second": {name: flops / s for name, s in seconds.items()},
    }


@torch.no_grad()
def as_its_tool(net: realesrgan.Compact, source: Path, target: Path) -> None:
    """Read, to [0, 1], through the network in one piece, clamp, to 8 bits, write."""
    with Image.open(source) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    x = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None].contiguous()
    made = net(x)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    Image.fromarray((made * 255.0).round().astype(np.uint8)).save(target)


def inside(model: str, rounds: int) -> dict[str, Any]:
    """FLOP/s of a network at tiles of its engine's own size, as many at a time as the engine likes.

    Counted as plain convolutions, whatever the engine makes of them. The share is of the faster of the two
    matrix products, float32 and bfloat16, by the median of the rounds.
    """
    network, _ = load_network(model)
    found: dict[str, Any] = {}
    for name in installed():
        engine = open_engine(name, network)
        side = round(engine.tile_pixels**0.5)
        tile = np.random.default_rng(0).random((1, 3, side, side), np.float32) * 2 - 1
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.from_numpy(tile))
        count = 2 * engine.at_once
        rates, roofs = [], []
        with ThreadPoolExecutor(engine.at_once) as pool:
            list(pool.map(engine, [tile] * count))  # engines prepare themselves for a size
            for _ in range(rounds):
                roofs.append(max(machine.matmul_rate(t, "cpu") for t in (torch.float32, torch.bfloat16)))
                start = time.process_time()
                list(pool.map(engine, [tile] * count))
                seconds = (time.process_time() - start) / torch.get_num_threads()
                rates.append(count * counter.get_total_flops() / seconds)
        shares = [rate / roof for rate, roof in zip(rates, roofs, strict=True)]
        found[name] = {"tile_px": side, "flops_per_second": max(rates), "share": statistics.median(shares)}
    return {"inside": found}


def memory(megapixels: float, model: str, engine: str, out: Path) -> dict[str, Any]:
    """One picture in a process of its own."""
    out.mkdir(parents=True, exist_ok=True)
    side = round((megapixels * 1e6) ** 0.5)
    source, target = out / f"{side}.png", out / f"{side}-large.tif"
    to_pil(picture(side, side)).save(source)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, model, str(source), str(target), engine],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    target.unlink()
    return {"megapixels": side**2 / 1e6, **found, "seconds_per_megapixel": found["seconds"] * 1e6 / side**2}


def batch(count: int, side: int, model: str, engine: str, workers: int) -> dict[str, Any]:
    """A folder of pictures of `side` px, file to file."""
    upscaler = load_upscaler(model, engine=engine)
    watched = Watched(upscaler.engine)
    upscaler.engine = watched
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "small", Path(folder) / "large"
        source.mkdir()
        for i in range(count):
            to_pil(picture(side, side, seed=i)).save(source / f"{i:05}.png")
        upscaler(source / "00000.png")  # engines prepare themselves for a size
        watched.clear()
        start = time.perf_counter()
        outcomes = upscale_all(upscaler, plan_jobs([str(source)], target), workers=workers)
        seconds = time.perf_counter() - start
    assert all(outcome.size for outcome in outcomes)
    return {
        "pictures": count,
        "side": side,
        "engine": watched.name,
        "workers": workers,
        "seconds": seconds,
        "share_of_clock": watched.clock_seconds / seconds,
        "share_of_turns": watched.seconds / seconds / watched.at_once,
    }


class Watched:
    """An engine, and how long it was at work."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.name = engine, engine.name
        self.tile_pixels, self.at_once = engine.tile_pixels, engine.at_once
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self.seconds, self.clock_seconds, self._inside, self._since = 0.0, 0.0, 0, 0.0

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        start = time.perf_counter()
        with self._lock:
            if not self._inside:
                self._since = start
            self._inside += 1
        made = self.engine(pictures)
        end = time.perf_counter()
        with self._lock:
            self._inside -= 1
            self.seconds += end - start
            if not self._inside:
                self.clock_seconds += end - self._since
        return made


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(height, width, 3) uint8: smooth colours with a little grain, so that it compresses as a photo does."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 40 + 2, width // 40 + 2, 3), np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    grain = rng.integers(-4, 5, (height, width, 1), np.int16)
    return (smooth + grain).clip(0, 255).astype(np.uint8)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megapixels", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument(
        "--memory", type=float, nargs="+", help="megapixels of pictures to measure memory with"
    )
    parser.add_argument("--network", action="store_true", help="measure the network alone")
    parser.add_argument("--batch", type=int, help="how many small pictures to enlarge")
    parser.add_argument("--side", type=int, default=64, help="of these, in px")
    parser.add_argument("--workers", type=int, default=3, help="pictures in work at a time, of these")
    parser.add_argument("--model", default=DEFAULT, help="for --network, --memory and --batch")
    parser.add_argument("--engine", default="torch", help="for --memory and --batch")
    parser.add_argument("--out", type=Path, default=Path("runs/upscale-speed"))
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
