"""How often a picture is told right, photograph or drawing; and the plane that tells it.

    python benchmarks/kinds.py --photos CID22 --drawings sheets --drawings clip-art/png \
        --test-photos kodak24 --test-photos vangogh --test-drawings held-out --json benchmarks/kinds.json

A plane between the features of photographs and of drawings is fitted by logistic regression with a ridge,
each picture as it is, at half its size on white, and at a quarter as JPEG 70. What is tested had no part.
`--write` puts the plane into the package (tasks/upscaling/inference/kinds.json).
"""

import argparse
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from impasto.errors import ImageError
from impasto.files import write_bytes_atomically
from impasto.image.codec import read
from impasto.tasks.upscaling.inference.kinds import PLANE, features
from kit import machine

MOST = 300  # pictures of a folder
MOST_PIXELS = 4_000_000
RIDGE = 1e-2
MARGIN = 1.0  # what is between both counts as a photograph, which loses more when it is taken for a drawing
# Diagrams, logos and clip art among the photographs of CID22.
NO_PHOTOS = {
    "1454613116", "1536017106", "3DPieChart", "Abstract-Art-1", "Beam-Space-Processing", "Boxplot",
    "Lungs-Cross-Section-Illustration", "Performance-Graph", "StockQuoteGraph-20120521",
    "Temperament-pie-chart-according-to-Eysenck", "akfcrc022", "nicubunu_Game_baddie_Policeman",
    "ularapi_Semarang_City_Logo",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    photos = torch.cat([seen(path) for path in args.photos])
    drawings = torch.cat([seen(path) for path in args.drawings])
    weights, bias = fit(photos, drawings)
    rows = {}
    for kind, folders, sign in (("photo", args.test_photos, -1), ("drawing", args.test_drawings, 1)):
        for path in folders:
            values = seen(path) @ weights + bias
            rows[path.name] = {
                "kind": kind,
                "pictures": len(values),
                "right": round(float((values * sign > 0).float().mean()), 4),
            }
            print(path.name, rows[path.name])
    fitted = {"photos": len(photos), "drawings": len(drawings)}
    tree = {"fitted_to": fitted, "sets": rows, "machine": machine.describe()}
    if args.json:
        write_bytes_atomically(args.json, (json.dumps(tree, indent=1) + "\n").encode())
    if args.write:
        plane = {"weights": [round(value, 4) for value in weights.tolist()], "bias": round(bias, 4)}
        write_bytes_atomically(PLANE, (json.dumps(plane) + "\n").encode())


def seen(folder: Path) -> Tensor:
    """The features of a folder's pictures, three of each, (N, 112)."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    paths = [path for path in paths if path.stem not in NO_PHOTOS]
    if len(paths) > MOST:
        paths = random.Random(0).sample(paths, MOST)
    found = []
    for path in paths:
        try:
            found += [features(data) for data in variants(path)]
        except ImageError:  # some clip art is damaged, or huge
            continue
    return torch.stack(found)


def variants(path: Path) -> list[bytes]:
    """A picture as it is, at half its size, and at a quarter as JPEG 70; of the small ones fewer."""
    rgba = Image.fromarray(read(path, channels=4, max_pixels=MOST_PIXELS))
    rgb = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    files = []
    for reduced, form in ((1, "PNG"), (2, "PNG"), (4, "JPEG")):
        if min(rgb.size) // reduced >= 32 or reduced == 1:
            buffer = io.BytesIO()
            shown = rgb.reduce(reduced)
            if reduced == 2:
                margin = min(shown.size) // 6
                shown = ImageOps.expand(shown, margin, "white")
            shown.save(buffer, form, quality=70)
            files.append(buffer.getvalue())
    return files


def fit(photos: Tensor, drawings: Tensor) -> tuple[Tensor, float]:
    """Weights and bias of the plane; what lies above it is a drawing. Both kinds weigh the same.

    The plane is moved by `MARGIN` towards the drawings.
    """
    x = torch.cat((photos, drawings))
    mean, std = x.mean(0), x.std(0) + 1e-6
    y = torch.cat((torch.zeros(len(photos)), torch.ones(len(drawings))))
    share = torch.where(y == 1, 0.5 / len(drawings), 0.5 / len(photos))
    weights = torch.zeros(x.shape[1] + 1, requires_grad=True)
    descent = torch.optim.LBFGS([weights], max_iter=200)

    def loss() -> Tensor:
        descent.zero_grad()
        values = (x - mean) / std @ weights[:-1] + weights[-1]
        total = (share * binary_cross_entropy_with_logits(values, y, reduction="none")).sum()
        total = total + RIDGE * weights[:-1].square().sum()
        total.backward()
        return total

    descent.step(loss)
    scaled = weights.detach()[:-1] / std
    return scaled, float(weights.detach()[-1] - mean @ scaled) - MARGIN


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("--photos", "--drawings", "--test-photos", "--test-drawings"):
        parser.add_argument(name, type=Path, action="append", required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", action="store_true", help="put the plane into the package")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
