"""Training on a GPU, in under ten minutes: pictures a second, and how good they are after five minutes.

    python benchmarks/gpu.py --out runs/gpu --json benchmarks/gpu.json

Speeds are of the real step of the preset `default`, on noise, at 64 and 128 px with batches of 32 to 512: as
PyTorch runs it, with the networks compiled, and with the compiled networks' launches recorded as CUDA graphs.
What does not compile or fit says why; what is not begun before `--speed-minutes` are over is left out. Then
`new_pictures.py` trains on OpenMoji for `--minutes`. It runs on a CPU too, to be tried.
"""

import argparse
import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import new_pictures
from impasto.config.reading import load_config
from impasto.data.batches import Batches
from impasto.data.cache import Pixels
from impasto.files import write_bytes_atomically
from impasto.tasks.generation import modulated_step
from kit import machine
from kit.steps import Step, images_per_second, make_step

SIZES, BATCHES = (64, 128), (32, 128, 512)
MODES = {"eager": None, "compiled": "default", "cuda graphs": "reduce-overhead"}
PICTURES = 2_048  # of noise


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    results: dict[str, Any] = {"machine": machine.describe(), "device": device_name(), "speeds": []}
    until = time.monotonic() + 60 * args.speed_minutes
    # The small and eager ones first: they say most where time is short.
    for mode, size, batch in itertools.product(MODES, args.sizes, args.batches):
        if time.monotonic() < until:
            results["speeds"].append(speed_of(mode, size, batch, args))
            print(results["speeds"][-1], flush=True)
    if args.minutes:
        folder, found = args.out / "pictures", args.out / "pictures.json"
        given = ["--arm", "default", "--minutes", str(args.minutes), "--moments", str(args.minutes)]
        new_pictures.main([*given, "--out", str(folder), "--json", str(found)])
        results["pictures"] = json.loads(found.read_text())["summary"]
    if args.json:
        write_bytes_atomically(args.json, json.dumps(results, indent=1).encode() + b"\n")


def speed_of(mode: str, size: int, batch: int, args: argparse.Namespace) -> dict[str, Any]:
    """Real pictures a second, or why there are none."""
    found: dict[str, Any] = {"mode": mode, "size": size, "batch": batch}
    started = time.monotonic()
    try:
        step = prepare(size, batch, MODES[mode], args.set)
        for _ in range(2):  # compiling, and recording
            step()
        found["images_per_second"] = round(images_per_second(step, args.seconds)[0], 1)
    except (RuntimeError, torch._dynamo.exc.TorchDynamoException) as error:  # also: out of memory
        found["failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    finally:
        torch._dynamo.reset()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return found | {"seconds": round(time.monotonic() - started, 1)}


def prepare(size: int, batch: int, mode: str | None, settings: Sequence[str]) -> Step:
    """The step of `default`, its networks compiled in a mode of `torch.compile`."""
    config = load_config("default", [f"image.size={size}", f"train.batch_size={batch}", *settings])
    noise = np.random.default_rng(0).integers(0, 256, (PICTURES, size, size, 3), np.uint8)

    def batches(count: int) -> Batches:
        return Batches(Pixels(noise, size, 3), np.arange(PICTURES), count, 0)

    step = make_step(config, batches)
    if mode is not None:
        G, D = modulated_step.players(step.state)
        for module in (G, D, D.pyramid):
            module.compile(mode=mode)
    return step


def device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each speed")
    parser.add_argument("--speed-minutes", type=float, default=4.0, help="for all speeds")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training; 0 leaves it out")
    parser.add_argument("--set", action="append", default=[], help="key=value of the speeds' config")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
