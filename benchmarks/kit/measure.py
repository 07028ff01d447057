"""The one measure that every arm goes through."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.data.folder import Dataset
from impasto.inference.evaluate import FIRST_SEED, MOST_REAL, MOST_SAMPLES
from impasto.metrics.colour import colour_variety, mean_colours
from impasto.metrics.report import report
from impasto.models.features import Lite0, extract, load_lite0
from kit.arms import Snapshot

SHEET_PICTURES = 64


@dataclass(frozen=True)
class Reals:
    """The folder's pictures as the judge sees them, computed once. `indices` (N,) are their places."""

    net: Lite0
    indices: NDArray[np.int64]
    features: Tensor
    colours: Tensor
    sheet: NDArray[np.uint8]  # some of them, to look at


def look_at(dataset: Dataset) -> Reals:
    """All pictures of a folder, those held out too, as `impasto evaluate` does; at most 10,000, at random."""
    indices = np.random.default_rng(0).permutation(len(dataset.pixels))[:MOST_REAL]
    pixels = dataset.pixels.take(indices)
    net = load_lite0(torch.device("cpu"))
    return Reals(net, indices, extract(net, pixels), mean_colours(pixels), pixels[:SHEET_PICTURES])


def measure(
    snapshot: Snapshot, reals: Reals, dataset: Dataset, samples: int | None = None
) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Every figure of a snapshot, and its first pictures. `dataset` says which pictures it was trained on.

    `samples` defaults to as many as there are real pictures, at most 5,000.
    """
    count = samples or min(MOST_SAMPLES, len(reals.indices))
    fake = snapshot.render(range(FIRST_SEED, FIRST_SEED + count))
    found = report(
        real=reals.features,
        fake=extract(reals.net, fake),
        train=_among(reals, dataset.train_indices),
        holdout=_among(reals, dataset.holdout_indices),
        generator=torch.Generator().manual_seed(0),
    )
    colour = colour_variety(reals.colours, mean_colours(fake), torch.Generator().manual_seed(0))
    figures = {
        "minutes": snapshot.moment,
        "seconds": round(snapshot.seconds, 2),
        "images_seen": snapshot.images_seen,
        "images_per_second": round(snapshot.images_seen / snapshot.seconds, 3),
        **found.to_dict(),
        "colour_distance": colour.distance,
        "colour_floor": colour.floor,
        "colour_spread": colour.spread,
    }
    return figures, fake[:SHEET_PICTURES]


def _among(reals: Reals, chosen: Sequence[int] | NDArray[np.int64]) -> Tensor:
    return reals.features[torch.from_numpy(np.isin(reals.indices, chosen))]
