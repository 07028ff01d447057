"""Losses that compare generated pictures with real ones directly, beside the adversarial game.

`map_difference` compares each picture with one real picture, the others only how all are distributed.
"""

from collections.abc import Sequence

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


def energy_distance(fake: Tensor, real: Tensor, earlier: Tensor | None = None) -> Tensor:
    """How differently two batches are distributed: (N, D), (M, D) -> (), 0 for the same and at most 2.

    `(2 E|X - Y| - E|X - X'| - E|Y - Y'|) / E|Y - Y'|` (Szekely & Rizzo 2013, eq. 2.1), over different rows,
    so that the gradient is unbiased however small the batches are (Bellemare et al. 2017, Cramer GAN).
    Samples are drawn to where real ones are and pushed from each other, and never to a single one: a real row
    is no row's target. For one row there is no other: E|X - X'| is 0 then.

    `earlier` (K, D) are real rows of the batches before; they are compared with beside the present ones, as
    with more real rows the gradient is less noisy. Earlier generated rows are not used: they are another
    generator's, and with them training diverges.
    """
    known = real if earlier is None else torch.cat((real, earlier))
    between = _distances(fake, known).mean()
    within = _distances(fake, fake).sum() / max(1, len(fake) * (len(fake) - 1))
    with torch.no_grad():
        itself = _distances(real, real).sum() + (0 if earlier is None else _distances(real, earlier).sum())
        real_within = itself / max(1, len(real) * (len(known) - 1))
    distance: Tensor = (2 * between - within - real_within) / real_within.clamp_min(1e-6)
    return distance


def energy_within(fake: Tensor, real: Tensor, alike: Tensor) -> Tensor:
    """`energy_distance` among rows that are alike in something else, such as their themes.

    `fake` (N, D) and `real` (M, D), M >= N: generated row i goes with real row i. `alike` (N, M) in [0, 1]
    says how much real row i, and so generated row i, is like each real row: 1 for the same themes, 0 for
    other ones. For each i the mean distances to rows like it are compared: `(2 E|X - Y| - E|X - X'| -
    E|Y - Y'|) / E|Y - Y'|` -> (). Where nothing is like a row but itself it is left out.

    A generator that makes one picture of each theme is far by this, and near by all pictures together.
    """
    count = len(fake)
    others = alike * (1 - torch.eye(count, len(real), dtype=fake.dtype, device=fake.device))
    some = (others[:, :count].sum(1) > 0).to(fake)

    def mean_of_alike(distances: Tensor, weights: Tensor) -> Tensor:
        return (some * (distances * weights).sum(1) / weights.sum(1).clamp_min(1e-6)).sum()

    between = mean_of_alike(_distances(fake, real), alike)
    within = mean_of_alike(_distances(fake, fake), others[:, :count])
    real_within = mean_of_alike(_distances(real[:count], real), others).detach()
    distance: Tensor = (2 * between - within - real_within) / real_within.clamp_min(1e-6)
    return distance


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances (N, M) with a gradient at 0, where that of the root has none."""
    squared = x.square().sum(1)[:, None] + y.square().sum(1)[None] - 2 * x @ y.T
    if x is y:  # rounding leaves a little of a row's distance to itself
        squared = squared * (1 - torch.eye(len(x), dtype=x.dtype, device=x.device))
    smooth = SMOOTHING * x.shape[1] ** 0.5
    distances: Tensor = (squared.clamp_min(0) + smooth**2).sqrt() - smooth
    return distances
