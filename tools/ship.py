"""Put the best model of a run among those that come with the package.

    python tools/ship.py RUN photo-x4-fidelity --credit CREDIT.md --against DIR --against DIR
    python tools/ship.py RUN openmoji-64 --credit CREDIT.md --against PICTURES

Weights are kept in half precision, and measured as they are kept. The card gets the figures: of an upscaler
on each folder, of a generator against the pictures that were held out, quality and newness, beside what as
many training pictures get, with what `evaluate --control` says; and the text of `--credit`: whose pictures it
learnt from, under which licence it may be passed on, how it was trained, its faults. A generator gets a sheet
of samples, samples.webp, and one of samples above the training pictures nearest to them, nearest.webp.
"""

import argparse
import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from impasto.files import write_bytes_atomically
from impasto.image.files import grid, save
from impasto.metrics.report import findings, rows
from impasto.tasks import load_model
from impasto.tasks.generation.control import control
from impasto.tasks.generation.evaluation import evaluate
from impasto.tasks.generation.sampling.model import Model, load
from impasto.tasks.upscaling.evaluation import compare
from impasto.tasks.upscaling.inference.upscalers import is_upscaler, load_upscaler
from impasto.training.checkpoints import WEIGHTS, ZOO, find_model, save_model

ACROSS = 8  # of the sheet

Metrics = dict[str, float | str]


def main() -> None:
    """See above."""
    args = parse()
    weights, info = load_model(find_model(args.run))
    info = dataclasses.replace(info, licence=args.credit.read_text(encoding="utf-8").strip())
    weights = {name: tensor.half() for name, tensor in weights.items()}
    folder = ZOO / args.name
    save_model(folder, weights, info)
    if is_upscaler(str(folder)):
        metrics = of_upscaler(folder, args.against)
    else:
        model = load(folder)
        metrics, said = of_generator(model, args.against, folder / "nearest.webp")
        info = dataclasses.replace(info, licence="\n\n".join((*said, info.licence)))
        save(sheet(model), folder / "samples.webp")
    save_model(folder, weights, dataclasses.replace(info, metrics=metrics or info.metrics))
    list_sums()


def of_upscaler(folder: Path, tests: Sequence[Path]) -> Metrics:
    """Beside bicubic interpolation, on each folder of sharp pictures."""
    metrics: Metrics = {}
    for test in tests:
        upscaler = load_upscaler(folder, engine="torch")
        upscaler.engine.low = False  # in float32 on every machine: bfloat16 loses .05 dB
        for row in compare(upscaler, test):
            if row.method in ("bicubic", folder.name):
                metrics[f"{test.name}, {row.method}: PSNR-Y, dB"] = round(row.psnr, 2)
                metrics[f"{test.name}, {row.method}: SSIM-Y"] = round(row.ssim, 4)
                metrics[f"{test.name}, {row.method}: consistency, dB"] = round(row.consistency, 1)
                metrics[f"{test.name}, {row.method}: distance in texture"] = round(row.texture, 4)
                metrics[f"{test.name}, {row.method}: distance in structure"] = round(row.structure, 4)
    return metrics


def of_generator(model: Model, against: Sequence[Path], nearest: Path) -> tuple[Metrics, list[str]]:
    """Quality and newness, and obedience where it was asked for: `impasto evaluate`, and that with --control;
    and what the former amounts to, in words."""
    metrics: Metrics = {}
    said: list[str] = []
    for pictures in against:
        tree = evaluate(model, pictures, sheet=nearest)
        for name, value, real in rows(tree):
            metrics[name] = rounded(value)
            if real is not None:
                metrics[f"{name}, of as many training pictures"] = rounded(real)
        said.append(" ".join(findings(tree)).replace("one of yours", "a training picture"))
        for kind, figures in control(model, pictures).items():
            metrics |= {
                f"{kind.replace('_', ' ')}: {key.replace('_', ' ')}": round(value, 4)
                for key, value in figures.items()
                if isinstance(value, int | float)
            }
    return metrics, said


def rounded(value: float | None) -> float | str:
    """As it is printed on a card."""
    return "unknown" if value is None else round(value, 4)


def sheet(model: Model) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """The first seeds, not chosen: a row of each theme, or as many without."""
    rows = [model.generate(range(ACROSS), theme=theme) for theme in model.themes or ((),) * 6]
    pixels = [np.asarray(picture.convert("RGB")) for row in rows for picture in row]
    return grid(np.stack(pixels), columns=ACROSS)


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
    parser.add_argument("--against", type=Path, action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    main()
