"""How varied and how believable generated pictures are, by the distances between their features.

Rows are pictures. A ball around a picture reaches to its k-th nearest other picture of the same set; it is
closed, and a duplicate counts as a neighbour (at distance 0). Blocks of pairs are computed at a time, never
(N, M, D). All counts matter: compare only figures with the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.metrics.distances import CHUNK, check_features

# Squared distances come out of |x|^2 + |y|^2 - 2 x.y, which float64 rounds at 1e-16 of the norms, and the
# features are only good to 1e-6 of themselves. Anything nearer is the same picture and must be at exactly 0,
# or a ball of radius 0 (duplicates) would miss its own centre.
SAME = 1e-12


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """`precision`: share of fakes within the real set. `recall`: share of reals within the fake set."""

    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class DensityCoverage:
    """`density`: how many real balls hold a fake, over k; can be above 1. `coverage`: share of balls hit."""

    density: float
    coverage: float


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall (Kynkäänniemi et al. 2019, eq. 1-2). real (N, D), fake (M, D).

    Raises `InputError` unless both have more than k rows.
    """
    real, fake = check_features(real, fake, at_least=k + 1)
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    believable, reached = 0, torch.zeros(len(real), dtype=torch.bool)
    for _, distances in _blocks(fake, real):
        believable += int((distances <= real_radii).any(1).sum())
    for start, distances in _blocks(real, fake):
        reached[start : start + len(distances)] = (distances <= fake_radii).any(1)
    return PrecisionRecall(believable / len(fake), float(reached.double().mean()))


def density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> DensityCoverage:
    """Density and coverage (Naeem et al. 2020, section 3.2). real (N, D), fake (M, D).

    For the same distribution and as many fakes as reals, about 1 and 1 - 2^-k (their lemma 2).
    Raises `InputError` unless there are more than k reals and at least one fake.
    """
    real, fake = check_features(real, fake, at_least=1)
    (real,) = check_features(real, at_least=k + 1)
    radii = _radii(real, k)
    inside, hit = 0, torch.zeros(len(real), dtype=torch.bool)
    for _, distances in _blocks(fake, real):
        within = distances <= radii
        inside += int(within.sum())
        hit |= within.any(0)
    return DensityCoverage(inside / (k * len(fake)), float(hit.double().mean()))


def nearest_distances(queries: Tensor, references: Tensor, count: int) -> Tensor:
    """Euclidean distances of each query (N, D) to its nearest references (M, D), nearest first: (N, count).

    Raises `InputError` for no queries or fewer than `count` references.
    """
    queries, references = check_features(queries, references, at_least=1)
    (references,) = check_features(references, at_least=count)
    nearest = (
        distances.topk(count, largest=False).values.sort().values
        for _, distances in _blocks(queries, references)
    )
    return torch.cat(list(nearest))


def _radii(x: Tensor, k: int) -> Tensor:
    """Distance of each row to its k-th nearest other row: (N,). Needs N > k."""
    radii = torch.empty(len(x), dtype=x.dtype)
    for start, distances in _blocks(x, x):
        rows = torch.arange(len(distances))
        distances[rows, start + rows] = torch.inf  # itself by its place, so that duplicates stay
        radii[start : start + len(distances)] = distances.kthvalue(k, dim=1).values
    return radii


def _blocks(rows: Tensor, columns: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Blocks of the distances of all rows to all columns: (first row, (at most 1024, M))."""
    columns_squared = columns.square().sum(1)
    for start in range(0, len(rows), CHUNK):
        block = rows[start : start + CHUNK]
        norms = block.square().sum(1, keepdim=True) + columns_squared
        squared = torch.addmm(norms, block, columns.T, alpha=-2)
        yield start, squared.masked_fill_(squared <= SAME * norms, 0).sqrt_()
