"""How good a model's pictures are: distances, precision, recall, coverage, memorisation, with their floor."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from impasto.data.opening import open_to_compare
from impasto.errors import InputError, MissingDependencyError
from impasto.inference.sampler import Model
from impasto.metrics.inception import find_inception_weights, published_fid
from impasto.metrics.report import report
from impasto.models.features import extract, load_lite0
from impasto.models.rendering import render

MOST_SAMPLES = 5_000
MOST_REAL = 10_000  # of either kind; more take minutes and change little
FIRST_SEED = 1_000_000  # far from the seeds that training looks at


def evaluate(
    model: Model,
    against: str | Path,
    *,
    samples: int | None = None,
    progress: Any = None,
    warn: Callable[[str], None] = lambda words: None,
) -> dict[str, Any]:
    """Compare a model's pictures with those of a folder, prepared as they were for training.

    `samples` defaults to as many as there are real pictures, at most 5,000. Memorisation needs to know which
    pictures trained the model, so it is None unless `against` is the folder it was trained on. What was left
    out of the folder is told to `warn`.
    Raises `InputError` for a folder that cannot be used, or fewer than 16 samples.
    """
    config = model.info.config
    dataset = open_to_compare(against, config.data, config.image, seed=config.train.seed, progress=progress)
    for note in dataset.notes:
        warn(note)
    train, holdout = dataset.train_pixels(MOST_REAL, seed=0), dataset.holdout_pixels(MOST_REAL)
    count = min(MOST_SAMPLES, len(train) + len(holdout)) if samples is None else samples
    if count < 16:
        raise InputError(
            f"{count} samples are too few to measure", "--samples 16 or more; 1,000 say something"
        )
    fake = render(model.generator, range(FIRST_SEED, FIRST_SEED + count))

    net = load_lite0(torch.device("cpu"))
    train_features, holdout_features = extract(net, train), extract(net, holdout)
    own = dataset.fingerprint == model.info.data.get("fingerprint")
    result = report(
        real=torch.cat((train_features, holdout_features)),
        fake=extract(net, fake),
        train=train_features if own else None,
        holdout=holdout_features if own else None,
        generator=torch.Generator().manual_seed(0),
    )
    tree = result.to_dict()
    if (weights := find_inception_weights()) is not None:
        with contextlib.suppress(
            MissingDependencyError
        ):  # the rest stands without it; doctor says what is missing
            tree["fid"] = published_fid([np.concatenate((train, holdout))], [fake], weights)
    return tree
