"""Whether a set of pictures has the colours of another, by the mean colour of each picture.

A generator that makes everything in one tint can be near in other measures while every picture is orange. The
distance is in units of colour, where black to white is 1 in each channel.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.errors import InputError
from impasto.metrics.distances import CHUNK, check_features

PICTURES_AT_A_TIME = 256


@dataclass(frozen=True, slots=True)
class ColourVariety:
    """Mean colours of samples against those of real pictures; `floor` is real half against real half.

    `spread` is how far apart two samples' mean colours are on average, over that of two real pictures: 1 is
    as varied, 0 is one tint for all.
    """

    distance: float
    floor: float
    spread: float


def mean_colours(pixels: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, C) uint8, C of 1, 3 or 4 -> (N, 1 or 3) float64 in [0, 1]; alpha is composited on white.

    Raises `InputError` for another shape.
    """
    if pixels.ndim != 4 or pixels.dtype != np.uint8 or pixels.shape[3] not in (1, 3, 4):
        raise InputError(f"pictures must be (N, H, W, 1 or 3 or 4) uint8, not {pixels.shape} {pixels.dtype}")
    means = np.empty((len(pixels), min(3, pixels.shape[3])))
    for start in range(0, len(pixels), PICTURES_AT_A_TIME):
        unit = pixels[start : start + PICTURES_AT_A_TIME] / 255
        if unit.shape[3] == 4:
            unit = unit[..., :3] * unit[..., 3:] + (1 - unit[..., 3:])
        means[start : start + len(unit)] = unit.mean((1, 2))
    return torch.from_numpy(means)


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


def colour_variety(real: Tensor, fake: Tensor, generator: torch.Generator) -> ColourVariety:
    """Compare mean colours of samples, fake (N, C), with those of real pictures, real (M, C).

    `generator` splits the real ones into the floor's halves. Raises `InputError` for fewer than four real
    pictures or two samples.
    """
    (real,) = check_features(real, at_least=4)
    fake, real = check_features(fake, real, at_least=2)
    order = torch.randperm(len(real), generator=generator)
    half = len(real) // 2
    floor = energy_distance(real[order[:half]], real[order[half : 2 * half]])
    within_real = _mean_within(real)
    spread = _mean_within(fake) / within_real if within_real else float(_mean_within(fake) == 0)
    return ColourVariety(energy_distance(real, fake), floor, spread)


def _mean_between(x: Tensor, y: Tensor) -> float:
    return _sum_of_distances(x, y) / (len(x) * len(y))


def _mean_within(x: Tensor) -> float:
    return _sum_of_distances(x, x) / (len(x) * (len(x) - 1))


def _sum_of_distances(x: Tensor, y: Tensor) -> float:
    # Not by matrix products: colours lie close together, and differences of squares would lose them.
    mode = "donot_use_mm_for_euclid_dist"
    rows = (x[start : start + CHUNK] for start in range(0, len(x), CHUNK))
    return float(sum(torch.cdist(part, y, compute_mode=mode).sum() for part in rows))
