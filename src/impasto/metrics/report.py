"""Everything that is measured of a generator at once: quality, newness, and what real pictures would get."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.errors import InputError
from impasto.metrics.distances import frechet_distance, kernel_distance
from impasto.metrics.diversity import density_coverage, precision_recall
from impasto.metrics.novelty import (
    Novelty,
    auc_error,
    feature_likelihood_divergence,
    is_redrawn,
    novelty,
)
from impasto.metrics.variety import Looks, colour_distance, looks_of
from impasto.nn.features import Lite0, Views, look

# What each figure is called wherever it is printed. The features are part of the name: a distance of other
# features is another measure, and the published names (FID, KID) mean Inception's.
NAMES = {
    "fd": "FD-lite0",
    "kd": "KID-lite0",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "colour_distance": "distance of colours",
    "fld": "FLD-lite0",
    "samples": "samples",
    "real_pictures": "real pictures",
}
SPACES = {"layout": "layout", "how": "how it is drawn", "what": "what it shows"}
NOVELTY = ("source_auc", "sourced_share", "sourced_chance", "train_pull")
# Held-out pictures that samples come near, over those that as many real ones do: less is little variety.
LITTLE_COVERAGE = 0.25
FAR_COLOURS = 0.05  # of `colour_distance`; good generators have .02, and new pictures in other hues .07
JITTER = (0.02, 0.05, 0.1, 0.2)  # of the deviation of each feature, added to copies


@dataclass(frozen=True)
class Seen:
    """A set of pictures as all measures see it."""

    views: Views
    looks: Looks

    def __len__(self) -> int:
        return len(self.looks)

    def take(self, rows: Tensor) -> "Seen":
        """Some of the pictures."""
        return Seen(self.views.take(rows), self.looks.take(rows))


def see(net: Lite0, pixels: NDArray[np.uint8]) -> Seen:
    """What is measured of pictures (N, H, W, C) uint8. Raises `InputError` for another shape."""
    return Seen(look(net, pixels), looks_of(pixels))


@dataclass(frozen=True, slots=True)
class Quality:
    """One set of pictures against real ones, as many on both sides.

    Args:
        fd: The Frechet distance of features.
        kd: The kernel distance of features.
        precision: `precision_recall`'s.
        recall: `precision_recall`'s.
        density: `density_coverage`'s.
        coverage: `density_coverage`'s.
        colour_distance: `colour_distance`'s: 0 is the same colours, 1 is none in common.
        fld: `feature_likelihood_divergence`. None where it is not known which pictures were trained on.
    """

    fd: float
    kd: float
    precision: float
    recall: float
    density: float
    coverage: float
    colour_distance: float
    fld: float | None  # None where it is not known which pictures were trained on


@dataclass(frozen=True, slots=True)
class Report:
    """Samples against real pictures. `quality.fd` depends on the counts: compare only reports with the same.

    Args:
        quality: Of the samples.
        samples: How many there were.
        real_pictures: How many real pictures there were.
        floor: What real pictures get: as many that were trained on, or half of the real pictures against the
            other half.
        floor_pictures: How many pictures the floor has on each side.
        novelty: How new the samples are, by the name of each of the three spaces. None where it is not known
            which pictures were trained on.
        jittered_copies_fld: The FLD of copies with the noise that serves them best. None like `novelty`.
    """

    quality: Quality
    samples: int
    real_pictures: int
    floor: Quality
    floor_pictures: int
    novelty: dict[str, Novelty] | None
    jittered_copies_fld: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; of the floor and of each space with its name before it."""
        tree: dict[str, Any] = asdict(self.quality)
        tree |= {"samples": self.samples, "real_pictures": self.real_pictures}
        tree |= {f"floor_{name}": value for name, value in asdict(self.floor).items()}
        tree |= {"floor_pictures": self.floor_pictures, "jittered_copies_fld": self.jittered_copies_fld}
        for space in SPACES:
            found = asdict(self.novelty[space]) if self.novelty else dict.fromkeys(NOVELTY)
            tree |= {f"{space}_{name}": found[name] for name in NOVELTY}
        return tree


def rows(tree: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(name, the samples', what real pictures get or None) of a `to_dict`, to print."""
    for key, name in NAMES.items():
        yield name, tree[key], tree.get("floor_pictures" if key == "samples" else f"floor_{key}")
    if tree["layout_source_auc"] is not None:
        yield "FLD-lite0 of copies with noise", tree["jittered_copies_fld"], None
        for space, where in SPACES.items():
            yield f"{where}: source AUC", tree[f"{space}_source_auc"], 0.5
            yield f"{where}: sourced share", tree[f"{space}_sourced_share"], tree[f"{space}_sourced_chance"]
            yield f"{where}: train pull", tree[f"{space}_train_pull"], 0.0


def findings(tree: dict[str, Any]) -> list[str]:
    """What a `to_dict` amounts to, in sentences for people: how new the samples are, and what is wrong.

    A set of samples is new where none of what is wrong is said.
    """
    said = []
    share, chance = tree["layout_sourced_share"], tree["layout_sourced_chance"]
    if share is None:
        said.append("How new they are is unknown: the model was not trained on these pictures.")
    else:
        said.append(
            f"Of 100 pictures {100 * share:.0f} {'is' if round(100 * share) == 1 else 'are'} one of yours "
            f"drawn again; {100 * chance:.0f} would be by chance."
        )
        places = [where for space, where in SPACES.items() if _redrawn(tree, space)]
        if places:
            said.append(f"REDRAWN: too many are like one training picture each, by {', '.join(places)}.")
    covered, could = tree["coverage"], tree["floor_coverage"]
    if covered < LITTLE_COVERAGE * could:
        said.append(
            f"LITTLE VARIETY: they come near {covered:.0%} of the real pictures; as many real ones come near "
            f"{could:.0%}."
        )
    if tree["colour_distance"] > tree["floor_colour_distance"] + FAR_COLOURS:
        said.append(
            f"OTHER COLOURS: their distance is {tree['colour_distance']:.2f}; 0 is the same, 1 is nothing in "
            "common."
        )
    return said


def _redrawn(tree: dict[str, Any], space: str) -> bool:
    auc, share, chance = (
        tree[f"{space}_{name}"] for name in ("source_auc", "sourced_share", "sourced_chance")
    )
    holdout = tree["real_pictures"]
    return is_redrawn(auc, auc_error(tree["samples"], holdout), share, chance, holdout)


def report(
    real: Seen,
    fake: Seen,
    generator: torch.Generator,
    train: Seen | None = None,
    sources: Views | None = None,
) -> Report:
    """Compare samples with real pictures.

    Distances are between as many pictures on both sides; how new samples are rests on all of them.

    Args:
        real: Pictures that were held out, or any where it is not known what was trained on.
        fake: The samples.
        generator: Draws what is compared for the floor.
        train: The pictures that were trained on. None where it is not known which they are.
        sources: What samples may have been drawn after, where that is more: mirror images, too. None means
            `train`.

    Raises:
        InputError: There are fewer than eight real pictures or four samples.
    """
    if len(real) < 8:
        raise InputError(f"{len(real)} pictures are too few to measure", "this measure needs 8 or more")
    order = torch.randperm(len(real if train is None else train), generator=generator)
    if train is None:
        half = len(real) // 2
        floor = quality(real.take(order[:half]), real.take(order[half : 2 * half]))
        return Report(quality(real, fake), len(fake), len(real), floor, half, None, None)
    # To the other training pictures, by which the FLD is fitted, these are new ones.
    count = min(len(real), len(train) // 2)
    some, others = order[:count], order[count:]
    what = train.views.what
    views = train.views if sources is None else sources
    pairs = zip(views.items(), fake.views.items(), real.views.items(), strict=True)
    return Report(
        quality(real, fake, what),
        len(fake),
        len(real),
        quality(real, train.take(some), what[others]),
        count,
        {name: novelty(of_fake, x, held, generator) for (name, x), (_, of_fake), (_, held) in pairs},
        best_of_copies(what[some], what, real.views.what, generator),
    )


def quality(real: Seen, fake: Seen, train: Tensor | None = None) -> Quality:
    """Samples against real pictures, the first ones of either, as many of both."""
    count = min(len(real), len(fake))
    real, fake = (seen.take(torch.arange(count)) for seen in (real, fake))
    x, y = real.views.what, fake.views.what
    likeness, variety = precision_recall(x, y), density_coverage(x, y)
    return Quality(
        fd=frechet_distance(x, y),
        kd=kernel_distance(x, y),
        precision=likeness.precision,
        recall=likeness.recall,
        density=variety.density,
        coverage=variety.coverage,
        colour_distance=colour_distance(real.looks, fake.looks),
        fld=None if train is None else feature_likelihood_divergence(y, train, x),
    )


def best_of_copies(copies: Tensor, train: Tensor, holdout: Tensor, generator: torch.Generator) -> float:
    """The least FLD of training pictures with noise added to their features: what copying well gets.

    Args:
        copies: Features of the pictures that are copied, (N, D), on the CPU.
        train: Features of the pictures that were trained on, (M, D).
        holdout: Features of held-out pictures, (K, D). Their deviation is the unit of the noise.
        generator: Draws the noise; on the CPU.

    Raises:
        InputError: One of the three sets has fewer than two pictures, or they are not of one D.
    """
    deviation = holdout.std(0)
    noise = torch.randn(copies.shape, generator=generator)
    return min(
        feature_likelihood_divergence(copies + share * deviation * noise, train, holdout) for share in JITTER
    )
