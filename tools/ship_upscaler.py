"""Put the best upscaler of a run among those that come with the package.

    python tools/ship_upscaler.py RUN photo-x4-fidelity --credit CREDIT.md --test DIR --test DIR

Weights are kept in half precision. The card gets the figures on the test folders, and the text of `--credit`:
whose pictures it learnt from, under which licence it may be passed on, how it was trained, its faults.
"""

import argparse
import dataclasses
import hashlib
from pathlib import Path

from impasto.checkpoints import WEIGHTS, ZOO, find_model, load_model, save_model
from impasto.files import write_bytes_atomically
from impasto.inference.compare import compare
from impasto.inference.upscalers import load_upscaler


def main() -> None:
    """See above."""
    args = parse()
    weights, info = load_model(find_model(args.run))
    folder = ZOO / args.name
    metrics: dict[str, float | str] = {}
    licence = args.credit.read_text(encoding="utf-8").strip()
    save_model(folder, {k: t.half() for k, t in weights.items()}, dataclasses.replace(info, licence=licence))
    for test in args.test:
        upscaler = load_upscaler(folder, engine="torch")
        upscaler.engine.low = False  # in float32 on every machine: bfloat16 loses .05 dB
        for row in compare(upscaler, test):
            if row.method in ("bicubic", args.name):
                metrics[f"{test.name}, {row.method}: PSNR-Y, dB"] = round(row.psnr, 2)
                metrics[f"{test.name}, {row.method}: SSIM-Y"] = round(row.ssim, 4)
                metrics[f"{test.name}, {row.method}: consistency, dB"] = round(row.consistency, 1)
                metrics[f"{test.name}, {row.method}: distance in texture"] = round(row.texture, 4)
                metrics[f"{test.name}, {row.method}: distance in structure"] = round(row.structure, 4)
    shipped = dataclasses.replace(info, licence=licence, metrics=metrics or info.metrics)
    save_model(folder, {k: t.half() for k, t in weights.items()}, shipped)
    list_sums()


def list_sums() -> None:
    """Write the checksums of all weights in the zoo."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ZOO).as_posix()}"
        for path in sorted(ZOO.glob(f"*/{WEIGHTS}"))
    ]
    write_bytes_atomically(ZOO / "SHA256SUMS", ("\n".join(lines) + "\n").encode())


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--credit", type=Path, required=True)
    parser.add_argument("--test", type=Path, action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    main()
