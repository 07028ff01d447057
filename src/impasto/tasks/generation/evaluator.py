"""Measuring a generator while it trains: the distance to pictures that never train, and signs of health."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.adaptive_threads import AdaptiveThreads
from impasto.image.codec import to_tensor
from impasto.metrics.distances import frechet_distance, kernel_distance
from impasto.metrics.diversity import density_coverage
from impasto.metrics.novelty import Novelty, novelty, source_ratios
from impasto.metrics.variety import (
    ThemeCentres,
    colour_distance,
    colour_number,
    evenly,
    looks_of,
    relative,
    shape_number,
    theme_centres,
    theme_shares,
)
from impasto.nn.discriminator import Discriminator
from impasto.nn.features import extract, load_lite0, thumbnails
from impasto.tasks.generation.generator import Generator
from impasto.tasks.generation.rendering import render
from impasto.training.health.signs import Signs
from impasto.training.logging.events import Evaluated

# D is asked about this many pictures of each kind: three passes of 64 for thousands that train.
ASKED = 64
# This many training pictures serve what needs some of them: D's opinion, and their variety.
MOST_TRAINING = 512
# Sources of samples are sought among this many training pictures, as thumbnails: 60 MB.
MOST_SOURCES = 20_000
# Two pictures are twins when their features are nearer than this share of the usual distance of two real
# pictures: the judge's features of two crops of one painting, one pixel apart, are about that near.
TWINS = 0.1
# Among fewer held-out pictures than this, a ball to the fifth neighbour holds nearly everything.
FEW = 12
# Shapes and colours of this many samples are compared at most: their similarities are a square matrix.
MOST_COMPARED = 512
# A generator's average picture is remembered in this many random directions of the features: enough to tell
# there from back, and little enough to keep for every evaluation.
DIRECTIONS = 16


@dataclass(frozen=True)
class Measurement:
    """One evaluation."""

    distance: float  # KID-lite0 to the hold-out
    frechet_distance: float  # FD-lite0 to the hold-out
    signs: Signs
    samples: int
    holdout_pictures: int

    def record(self) -> dict[str, Any]:
        """For the training state."""
        figures = {
            "KID-lite0 to the hold-out": round(self.distance, 6),
            "FD-lite0 to the hold-out": round(self.frechet_distance, 4),
            "colour distance to the hold-out": round(self.signs.colour_distance or 0.0, 4),
            **({} if self.signs.coverage is None else {"coverage of the hold-out": self.signs.coverage}),
            "samples": self.samples,
            "hold-out pictures": self.holdout_pictures,
        }
        distances = {"distance": self.distance, "frechet_distance": self.frechet_distance}
        return {**distances, "signs": self.signs.to_dict(), "figures": figures}

    def event(self, images_seen: int, best: bool) -> Evaluated:
        """For whoever watches: those of the signs that the event has a field for."""
        told = Evaluated.__dataclass_fields__
        return Evaluated(
            images_seen,
            self.distance,
            self.frechet_distance,
            self.samples,
            self.holdout_pictures,
            best,
            **{name: value for name, value in self.signs.to_dict().items() if name in told},
        )


class GeneratorEvaluator:
    """Holds the hold-out's features and compares samples with them. It never trains, nor helps to.

    The same seeds every time, so that the distance moves because the generator does.

    Args:
        holdout: The held-out pictures, (K, H, W, C) uint8.
        train: Some of the pictures that do train, (N, H, W, C) uint8. D's opinion is asked of them.
        sources: Thumbnails (M, d) of all the training pictures, or of many. No sample should be one of them
            drawn again.
        samples: How many pictures the generator makes for a measurement.
        device: Computes the features.
        themes: Names of the themes (T,), and themes of the held-out pictures, (K, T) of zeros and ones. None:
            there are none to measure.
        threads: Threads that compute the features on a CPU. None: as many as pay at the moment.
    """

    def __init__(
        self,
        holdout: NDArray[np.uint8],
        train: NDArray[np.uint8],
        sources: Tensor,
        samples: int,
        device: torch.device,
        themes: tuple[tuple[str, ...], Tensor] | None = None,
        threads: AdaptiveThreads | None = None,
    ) -> None:
        self._net = load_lite0(device, threads)
        self._holdout, self._train = holdout, train
        self._real = extract(self._net, holdout)
        self._seeds = range(samples)
        self.holdout_pictures = len(holdout)
        self._usual = pair_distance(self._real)
        self._directions = torch.randn(
            self._real.shape[1], DIRECTIONS, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
        self._variety = Variety(holdout, train, samples)
        self._sources, self._layouts = sources, thumbnails(to_tensor(holdout))
        self._of_holdout = source_ratios(self._layouts, sources)
        self._themes: ThemeCentres | None = None
        if themes is not None:
            self._themes = theme_centres(self._real, themes[1], themes[0])

    def measure(self, generator: Generator, discriminator: Discriminator) -> Measurement:
        """KID-lite0 and FD-lite0 between the generator's pictures and the hold-out, and the signs of health.

        KID is the one to decide by: a hold-out may be 16 pictures, where FD is mostly the bias of so few.
        """
        pixels = render(generator, self._seeds)
        fake = extract(self._net, pixels)
        return Measurement(
            kernel_distance(self._real, fake),
            frechet_distance(self._real, fake),
            self._signs(fake, pixels, discriminator),
            len(pixels),
            self.holdout_pictures,
        )

    def _novelty(self, pixels: NDArray[np.uint8]) -> Novelty:
        layouts, rng = thumbnails(to_tensor(pixels)), torch.Generator().manual_seed(0)
        return novelty(layouts, self._sources, self._layouts, rng, self._of_holdout)

    def _signs(self, fake: Tensor, pixels: NDArray[np.uint8], discriminator: Discriminator) -> Signs:
        r_v, error = overfitting_of(
            *(opinions(discriminator, p[:ASKED]) for p in (self._train, self._holdout, pixels))
        )
        new = self._novelty(pixels)
        shape, colour, apart = self._variety.of(pixels)
        shares = theme_shares(fake, self._themes) if self._themes else None
        deviation = self._usual / 2**0.5  # of two pictures' distance, a root of two belongs to each
        place = fake.double().mean(0) @ self._directions / DIRECTIONS**0.5 / max(deviation, 1e-9)
        return Signs(
            diversity=pair_distance(fake) / max(self._usual, 1e-9),
            twins=float((other_distance(fake) < TWINS * self._usual).double().mean()),
            coverage=density_coverage(self._real, fake).coverage if len(self._real) >= FEW else None,
            overfitting=r_v,
            overfitting_error=error,
            holdout=len(self._real),
            place=tuple(round(float(x), 4) for x in place),
            colour=tuple(round(float(c) / 255, 4) for c in pixels.mean((0, 1, 2), dtype=np.float64)),
            shape_variety=shape,
            colour_variety=colour,
            theme_variety=shares.variety if shares else None,
            top_theme=shares.most if shares else "",
            top_theme_share=shares.share if shares else 0.0,
            colour_distance=apart,
            source_auc=new.source_auc,
            source_auc_error=new.source_auc_error,
            sourced=new.sourced_share,
            sourced_chance=new.sourced_chance,
            train_pull=new.train_pull,
        )


class Variety:
    """Holds what samples' shapes and colours are compared with: as many real pictures."""

    def __init__(self, holdout: NDArray[np.uint8], train: NDArray[np.uint8], samples: int) -> None:
        self._holdout = looks_of(holdout)
        both = looks_of(np.concatenate((holdout, train)))
        self._count = min(samples, len(both), MOST_COMPARED)
        some = both.take(evenly(self._count, len(both)))
        self._shapes, self._colours = shape_number(some), colour_number(some)

    def of(self, pixels: NDArray[np.uint8]) -> tuple[float | None, float | None, float]:
        """Variety of shapes, variety of colours (None where real pictures have none), distance of colours."""
        fake = looks_of(pixels)
        some = fake.take(torch.arange(self._count))
        return (
            relative(shape_number(some), self._shapes),
            relative(colour_number(some), self._colours),
            colour_distance(self._holdout, fake),
        )


def pair_distance(features: Tensor) -> float:
    """The root mean squared distance of two different rows of (N, D): sqrt(2 x the summed variances)."""
    return float((2 * features.double().var(0).sum()).sqrt())


def other_distance(features: Tensor) -> Tensor:
    """The distance of each row of (N, D) to the nearest other row: (N,). A duplicate is at 0."""
    rows = features.double()
    distances = torch.cdist(rows, rows)
    distances.fill_diagonal_(torch.inf)
    return distances.amin(1)


@torch.no_grad()
def opinions(discriminator: Discriminator, pixels: NDArray[np.uint8]) -> Tensor:
    """D's logit of each picture, averaged over its heads if it has several: (N,) float64 on the CPU."""
    device = next(discriminator.parameters()).device
    training = discriminator.training
    discriminator.eval()
    logits: Tensor = discriminator(to_tensor(pixels, device))
    discriminator.train(training)
    return logits.double().cpu().reshape(len(pixels), -1).mean(1)


def overfitting_of(train: Tensor, holdout: Tensor, fake: Tensor) -> tuple[float | None, float]:
    """r_v of D's logits (N,), (K,), (M,), and its standard error (Karras et al. 2020, eq. 1).

    `(mean train - mean holdout) / (mean train - mean fake)`: 0 when D takes new pictures for real as it does
    those it trains on, 1 when it takes them for generated. None where D does not tell training pictures from
    generated ones, by less than three standard errors: the ratio would be chance over chance.
    """
    gap = float(train.mean() - fake.mean())
    variance = {n: float(t.var()) / len(t) for n, t in (("train", train), ("hold", holdout), ("fake", fake))}
    if gap <= 3 * (variance["train"] + variance["fake"]) ** 0.5:
        return None, 0.0
    return float(train.mean() - holdout.mean()) / gap, (variance["train"] + variance["hold"]) ** 0.5 / gap
