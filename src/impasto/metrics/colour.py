"""How differently two samples are distributed, by distances between their rows: colours, points.

A generator that makes everything in one tint can be near in other measures while every picture is orange.
"""

import torch
from torch import Tensor

from impasto.metrics.distances import CHUNK, check_features


def energy_distance(x: Tensor, y: Tensor) -> float:
    """`2 E|X - Y| - E|X - X'| - E|Y - Y'|` of x (N, D) and y (M, D) (Székely & Rizzo 2013, eq. 2.1).

    Unbiased: for samples of the same distribution about 0, of either sign; else above.
    Raises `InputError` for fewer than two rows, another shape or values that are not finite.
    """
    x, y = check_features(x, y, at_least=2)
    return 2 * _mean_between(x, y) - _mean_within(x) - _mean_within(y)


def relative_energy_distance(x: Tensor, y: Tensor) -> float:
    """`energy_distance` over `2 E|X - Y|`: at most 1, about 0 for samples of the same distribution.

    The coefficient of inhomogeneity of Székely & Rizzo 2013, section 2, without a bias. 0 where all rows of
    both are one. Raises `InputError` as `energy_distance` does.
    """
    x, y = check_features(x, y, at_least=2)
    between = 2 * _mean_between(x, y)
    return (between - _mean_within(x) - _mean_within(y)) / between if between else 0.0


def _mean_between(x: Tensor, y: Tensor) -> float:
    return _sum_of_distances(x, y) / (len(x) * len(y))


def _mean_within(x: Tensor) -> float:
    return _sum_of_distances(x, x) / (len(x) * (len(x) - 1))


def _sum_of_distances(x: Tensor, y: Tensor) -> float:
    # Not by matrix products: colours lie close together, and differences of squares would lose them.
    mode = "donot_use_mm_for_euclid_dist"
    rows = (x[start : start + CHUNK] for start in range(0, len(x), CHUNK))
    return float(sum(torch.cdist(part, y, compute_mode=mode).sum() for part in rows))
