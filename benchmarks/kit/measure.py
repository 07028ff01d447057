"""The one measure that every arm goes through: `impasto evaluate`, on pictures that no arm trained on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from impasto.data.folder import Dataset
from impasto.metrics.report import Seen, report, see
from impasto.nn.features import Lite0, load_lite0
from impasto.tasks.generation.evaluation import FIRST_SEED, LEAST_SAMPLES, MOST_SAMPLES, above_nearest
from impasto.tasks.generation.nearest import MOST_REAL, Sources
from kit.arms import Snapshot

JITTER_PX = 2


@dataclass(frozen=True)
class Reals:
    """The folder's pictures as the judge sees them, computed once: those that train, those held out."""

    net: Lite0
    train: Seen
    sources: Sources  # those that train and their mirror images: an arm may train on these, and redraw them
    holdout: Seen


def look_at(dataset: Dataset) -> Reals:
    """At most 10,000 pictures of either kind, at random."""
    net = load_lite0(torch.device("cpu"))
    pixels = dataset.train_pixels(MOST_REAL, seed=0)
    train = see(net, pixels)
    sources = Sources(pixels, train.views).with_mirror_images(net)
    return Reals(net, train, sources, see(net, dataset.holdout_pixels(MOST_REAL)))


def measure(
    snapshot: Snapshot, reals: Reals, samples: int | None = None
) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Every figure of a snapshot, and a sheet of its first pictures above those that they are nearest to.

    `samples` defaults to as many as there are held-out pictures, from 256 to 5,000.
    """
    count = samples or min(MOST_SAMPLES, max(LEAST_SAMPLES, len(reals.holdout)))
    fake = snapshot.render(range(FIRST_SEED, FIRST_SEED + count))
    seen = see(reals.net, fake)
    figures = {
        "moment": snapshot.moment,
        "seconds": round(snapshot.seconds, 2),
        "images_seen": snapshot.images_seen,
        "images_per_second": round(snapshot.images_seen / snapshot.seconds, 3),
        **figures_of(seen, reals),
    }
    return figures, above_nearest(fake, seen.views, reals.sources)


def copies(reals: Reals) -> dict[str, dict[str, Any]]:
    """What copiers would get: training pictures themselves, and the same moved by up to 2 px, by name."""
    rng = np.random.default_rng(0)
    pixels = reals.sources.pixels[: len(reals.train)]
    chosen = rng.permutation(len(pixels))[: len(reals.holdout)]
    shifts = rng.integers(-JITTER_PX, JITTER_PX + 1, (len(chosen), 2))
    pairs = zip(pixels[chosen], shifts, strict=True)
    moved = np.stack([np.roll(picture, shift, (0, 1)) for picture, shift in pairs])
    sets = {"copies": pixels[chosen], "copies moved": moved}
    return {name: figures_of(see(reals.net, copied), reals) for name, copied in sets.items()}


def figures_of(seen: Seen, reals: Reals) -> dict[str, Any]:
    return report(
        reals.holdout, seen, torch.Generator().manual_seed(0), reals.train, reals.sources.views
    ).to_dict()
