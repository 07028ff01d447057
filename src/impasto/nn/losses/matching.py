"""Losses that compare generated pictures with real ones directly, beside the adversarial game.

`map_difference` compares each picture with one real picture, the others only how all are distributed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

SMOOTHING = 0.01  # in each dimension: nearer rows than this hardly push each other


def map_difference(maps: Sequence[Tensor], real: Sequence[Tensor], scales: Sequence[float]) -> Tensor:
    """Mean absolute difference of feature maps, each times its scale: a perceptual distance
    (Johnson et al. 2016, eq. 2, with absolute values). Lists of (B, C, H, W) -> (B,)."""  # fmt: skip
    parts = [
        (m.float() - r.float()).abs().flatten(1).mean(1) * s
        for m, r, s in zip(maps, real, scales, strict=True)
    ]
    return torch.stack(parts).mean(0)


class Distances(NamedTuple):
    """All distances that an energy distance needs, of N generated rows and of M real ones, M >= N."""

    between: Tensor  # (..., N, M): each generated row to each real one
    within: Tensor  # (..., N, N): of the generated rows to each other
    real: Tensor  # (..., N, M): of the first N real rows to each real one; without a gradient


def distances(fake: Tensor, real: Tensor, exponent: float = 1.0) -> Distances:
    """Euclidean distances between rows, raised to `exponent`, for `energy_distance`: (..., N, D) and
    (..., M, D), M >= N, for each of the leading dimensions.

    The first N real rows are this batch's, further ones those of the batches before: with more real rows the
    gradient is less noisy. Earlier generated rows are not used: they are another generator's, and with them
    training diverges.
    """
    with torch.no_grad():
        of_real = _powers(real[..., : fake.shape[-2], :], real, exponent)
    return Distances(_powers(fake, real, exponent), _powers(fake, fake, exponent), of_real)


def energy_distance(pairs: Distances, alike: Tensor | None = None, exponent: float = 1.0) -> Tensor:
    """How differently generated and real rows are distributed: (), 0 for the same.

    `(2 E d(X, Y) - E d(X, X') - E d(Y, Y')) / E d(Y, Y')` (Szekely & Rizzo 2013, eq. 2.1 and section 4 for
    distances to an `exponent` below 2), over different rows, so that the gradient is unbiased however small
    the batches are (Bellemare et al. 2017, Cramer GAN). Samples are drawn to where real ones are and pushed
    from each other, and never to a single one: a real row is no row's target. The smaller the exponent, the
    more near rows push each other compared with far ones: samples that resemble each other within every group
    are near by 1, where distances between groups decide, and far by 0.5. Divided by the exponent, so that the
    pull between rows as far apart as real ones are is the same for all. Over leading dimensions, such
    as the places of a map, numerator and denominator are summed: a place where real rows hardly differ
    counts little.

    `alike` (N, M) in [0, 1] restricts it to rows that are alike in something else, such as their themes: how
    much real row i, and so generated row i, is like each real row, 1 for the same themes and 0 for other
    ones. For each i the mean distances to rows like it are compared. Where nothing is like a row but itself
    it is left out. A generator that makes one picture of each theme is far by this, and near without it.
    """
    count, known = pairs.between.shape[-2:]
    weights = pairs.between.new_ones(count, known) if alike is None else alike
    others = weights * (1 - torch.eye(count, known, dtype=weights.dtype, device=weights.device))
    some = (others[:, :count].sum(1) > 0).to(others) if alike is not None else others.new_ones(count)

    def mean_of_alike(them: Tensor, by: Tensor) -> Tensor:
        return (some * (them * by).sum(-1) / by.sum(1).clamp_min(1e-6)).sum(-1)

    between = mean_of_alike(pairs.between, weights)
    within = mean_of_alike(pairs.within, others[:, :count])
    real = mean_of_alike(pairs.real, others)
    distance: Tensor = (2 * between - within - real).sum() / (exponent * real.sum().clamp_min(1e-6))
    return distance


def _powers(x: Tensor, y: Tensor, exponent: float) -> Tensor:
    """Euclidean distances (..., N, M) to the exponent, with a gradient at 0, where the root has none."""
    # In one product: (x, |x|^2, 1) (-2 y, 1, |y|^2).
    of_x, of_y = (rows.square().sum(-1, keepdim=True) for rows in (x, y))
    left = torch.cat((x, of_x, torch.ones_like(of_x)), -1)
    right = torch.cat((-2 * y, torch.ones_like(of_y), of_y), -1)
    squared = left @ right.mT
    if x is y:  # rounding leaves a little of a row's distance to itself
        squared = squared * (1 - torch.eye(x.shape[-2], dtype=x.dtype, device=x.device))
    smooth = SMOOTHING * x.shape[-1] ** 0.5
    powers: Tensor = _power(squared.clamp_min(0) + smooth**2, exponent / 2) - smooth**exponent
    return powers


def _power(x: Tensor, exponent: float) -> Tensor:
    """x to the exponent; of the usual ones by roots, several times as fast."""
    if exponent == 0.5:
        return x.sqrt()
    return x.sqrt().sqrt() if exponent == 0.25 else x**exponent
