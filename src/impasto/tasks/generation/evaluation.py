"""How good and how new a model's pictures are, beside what real pictures get."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from impasto.data.cache import Bytes
from impasto.data.opening import open_to_compare
from impasto.errors import InputError, MissingDependencyError
from impasto.image.files import grid, save
from impasto.metrics.inception import find_inception_weights, published_fid
from impasto.metrics.report import report, see
from impasto.nn.features import Views, load_lite0
from impasto.tasks.generation.nearest import MOST_REAL, Sources
from impasto.tasks.generation.rendering import render
from impasto.tasks.generation.sampling.model import Model

MOST_SAMPLES, LEAST_SAMPLES = 5_000, 256
FIRST_SEED = 1_000_000  # far from the seeds that training looks at
SHEET_COLUMNS, SHEET_ROWS, SHEET_GAP = 12, 3, 12


def evaluate(
    model: Model,
    against: str | Path,
    *,
    samples: int | None = None,
    sheet: str | Path | None = None,
    progress: Any = None,
    warn: Callable[[str], None] = lambda words: None,
) -> dict[str, Any]:
    """Compare a model's pictures with those of a folder, prepared as they were for training.

    With the folder that the model was trained on they are compared with the pictures that were held out, and
    it is measured how new they are; with another folder, with all of its pictures.

    Args:
        model: What makes the pictures.
        against: The folder.
        samples: How many pictures to make. None: as many as they are compared with, from 256 to 5,000.
        sheet: Where to write samples above the training pictures that are nearest to them. None: nowhere.
        progress: Is told how far the folder has been read; see `data.scan.Progress`. None: nobody is told.
        warn: Is told what was left out of the folder.

    Returns:
        `Report.to_dict()`, with "fid" where Inception's weights are on this machine.

    Raises:
        InputError: The folder cannot be used, the samples are fewer than 16, or a sheet is asked of a model
            that was not trained on the folder.
    """
    config = model.info.config
    if samples is not None and samples < 16:
        raise InputError(
            f"{samples} samples are too few to measure", "--samples 16 or more; 1,000 say something"
        )
    dataset = open_to_compare(against, config.data, config.image, seed=config.train.seed, progress=progress)
    for note in dataset.notes:
        warn(note)
    own = dataset.fingerprint == model.info.data.get("fingerprint")
    if sheet is not None and not own:
        raise InputError(f"the model was not trained on '{against}'", "give its own folder, or no --sheet")
    train, holdout = dataset.train_pixels(MOST_REAL, seed=0), dataset.holdout_pixels(MOST_REAL)
    real = holdout if own else np.concatenate((train, holdout))
    count = min(MOST_SAMPLES, max(LEAST_SAMPLES, len(real))) if samples is None else samples
    fake = render(model.generator, range(FIRST_SEED, FIRST_SEED + count))

    net, seed = load_lite0(torch.device("cpu")), torch.Generator().manual_seed(0)
    seen, known = see(net, fake), see(net, train) if own else None
    sources = None if known is None else Sources(train, known.views)
    if sources is not None and dataset.mirror:
        sources = sources.with_mirror_images(net)
    drawn_after = None if sources is None else sources.views
    tree = report(see(net, real), seen, seed, known, drawn_after).to_dict()
    if sheet is not None and sources is not None:
        save(above_nearest(fake, seen.views, sources), Path(sheet))
    if (weights := find_inception_weights()) is not None:
        with contextlib.suppress(
            MissingDependencyError
        ):  # the rest stands without it; doctor says what is missing
            tree["fid"] = published_fid([real], [fake], weights)
    return tree


def above_nearest(fake: Bytes, seen: Views, sources: Sources) -> Bytes:
    """A sheet: in each row samples, under each its nearest training picture by layout, then by content.

    (N, H, W, C) uint8, and what is compared of them -> (H', W', C).
    """
    rows = []
    for start in range(0, min(SHEET_ROWS * SHEET_COLUMNS, len(fake)), SHEET_COLUMNS):
        some = slice(start, start + SHEET_COLUMNS)
        shown = fake[some], *sources.nearest(seen.take(torch.arange(len(fake))[some]))
        rows.append(grid(np.concatenate(shown), len(fake[some])))
    width = max(row.shape[1] for row in rows)
    blank = ((0, SHEET_GAP), (0, 0), (0, 0))
    wide = [np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in rows]
    return np.concatenate([np.pad(row, blank, constant_values=255) for row in wide])
