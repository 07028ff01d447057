"""How new are the pictures of a model, and what does it cost to have them newer?

    python benchmarks/novelty.py RUN --against pictures --truncation 1 1.67 2.33 --sheet sheet.png

For each truncation: the usual distances to all pictures of the folder that it was trained on; how far
samples lie from the nearest training picture, over how far held-out pictures do (1: as new as new pictures);
and of models whose latents lie around real pictures (`model.exemplars`), the share of samples whose nearest
training picture is the one that their latent lies around. A sheet shows samples above those nearest pictures.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import impasto
from impasto.data.folder import Dataset, open_folder
from impasto.errors import ImpastoError, InputError
from impasto.files import write_bytes_atomically
from impasto.image_files import grid, save
from impasto.images import to_uint8
from impasto.inference.evaluate import FIRST_SEED, MOST_SAMPLES
from impasto.metrics.report import report
from impasto.models.features import extract, load_lite0
from impasto.models.generator import Generator, GrowingGenerator
from kit import machine

SHEET_COLUMNS = 8
BATCH = 32
NEARLY_NOTHING = 1e-6  # of the noise: what is left is the exemplar


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    try:
        results = run(args)
    except ImpastoError as error:
        sys.exit(f"{error.message}\n{error.hint}".strip())
    if args.json:
        write_bytes_atomically(args.json, json.dumps(results, indent=1).encode() + b"\n")


def run(args: argparse.Namespace) -> dict[str, Any]:
    if args.threads:
        torch.set_num_threads(args.threads)
    model = impasto.load(args.model)
    config = model.info.config
    dataset = open_folder(args.against, config.data, config.image, seed=config.train.seed)
    if dataset.fingerprint != model.info.data.get("fingerprint"):
        raise InputError(f"'{args.model}' was not trained on '{args.against}'", "give its own folder")
    net = load_lite0(torch.device("cpu"))
    train, holdout = extract(net, dataset.train_array()), extract(net, dataset.holdout_pixels())
    usual = float(nearest(holdout, train)[0].median())
    count = args.samples or min(MOST_SAMPLES, len(train) + len(holdout))
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    own = exemplars_of(model.generator, seeds, dataset, config.matching.bank_pictures, config.train.seed)
    rows = []
    print("truncation   FD-lite0  precision  recall  coverage  copies  distance  own exemplar nearest")
    for truncation in args.truncation:
        pixels = render(model.generator, seeds, truncation)
        fake = extract(net, pixels)
        found = report(
            real=torch.cat((train, holdout)),
            fake=fake,
            train=train,
            holdout=holdout,
            generator=torch.Generator().manual_seed(0),
        ).to_dict()
        distances, places = nearest(fake, train)
        row = {
            "truncation": truncation,
            **found,
            "distance_to_training": float(distances.median()) / usual,
            "own_exemplar_nearest": None if own is None else float((places == own).double().mean()),
        }
        rows.append(row)
        share = "" if own is None else f"{row['own_exemplar_nearest']:.2f}"
        print(
            f"{truncation:10.2f} {row['fd']:10.1f} {row['precision']:10.3f} {row['recall']:7.3f} "
            f"{row['coverage']:9.3f} {row['memorised_share']:7.3f} "
            f"{row['distance_to_training']:9.2f}  {share}",
            flush=True,
        )
        if args.sheet and truncation == args.truncation[0]:
            save(sheet(pixels, dataset.train_array(places.numpy())), args.sheet)
    return {
        "machine": machine.describe(),
        "images_seen": model.info.images_seen,
        "samples": count,
        "rows": rows,
    }


def nearest(features: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to the nearest row of `among`, and which it is: (N, d), (M, d) -> (N,), (N,)."""
    found = torch.cdist(features.double(), among.double()).min(1)
    return found.values, found.indices


@torch.inference_mode()
def render(generator: Generator, seeds: Sequence[int], truncation: float) -> NDArray[np.uint8]:
    """(len(seeds), size, size, channels), in batches."""
    latents = torch.cat([draw(generator, seed, truncation) for seed in seeds])
    return np.concatenate([to_uint8(generator(part)) for part in latents.split(BATCH)])


def draw(generator: Generator, seed: int, truncation: float) -> Tensor:
    return generator.sample_latents(1, torch.Generator().manual_seed(seed), truncation)


def exemplars_of(
    generator: Generator, seeds: Sequence[int], dataset: Dataset, surveyed: int, seed: int
) -> Tensor | None:
    """Which training picture each seed's latent lies around: (len(seeds),), or None where it is none."""
    if not isinstance(generator, GrowingGenerator) or not len(generator.exemplars):
        return None
    centres = torch.cat([draw(generator, s, NEARLY_NOTHING) for s in seeds])
    dims = generator.noise < 1
    _, rows = nearest(centres[:, dims], generator.exemplars[:, dims])
    # In the order in which training surveyed them, mirror images after all others (training/run.py).
    order = np.random.default_rng(seed).permutation(len(dataset.train_indices))
    order = order[: surveyed // 2 if dataset.mirror else surveyed]
    return torch.from_numpy(order)[rows % len(order)]


def sheet(samples: NDArray[np.uint8], nearest_ones: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows of samples, below each its nearest training picture."""
    parts = []
    for start in range(0, 2 * SHEET_COLUMNS, SHEET_COLUMNS):
        parts += [samples[start : start + SHEET_COLUMNS], nearest_ones[start : start + SHEET_COLUMNS]]
    return grid(np.concatenate(parts), columns=SHEET_COLUMNS)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a run, or a model folder")
    parser.add_argument("--against", type=Path, required=True, help="the folder that it was trained on")
    parser.add_argument("--truncation", type=float, nargs="+", default=[1.0])
    parser.add_argument("--samples", type=int, help="as many as there are pictures, when left out")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path, help="a PNG of samples above their nearest training pictures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
