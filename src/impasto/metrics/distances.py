"""How far two sets of pictures are apart, by their features: the Fréchet and the kernel distance.

Rows are pictures. Everything is computed in float64 on the CPU. The Fréchet distance is biased: two samples
of the same pictures are apart, the more so the fewer they are (shown by Bińkowski et al. 2018). Compare
only figures with the same counts, beside what real pictures get. The kernel distance is unbiased, so the
same pictures give about 0, which may be a little below.
"""

import torch
from torch import Tensor

from impasto.errors import InputError

CHUNK = 1024  # rows at a time: a block of pairs is then 40 MB for 5,000 pictures
FULL_ESTIMATE = 5_000  # pictures; above, pairs are sampled if a generator is given
SUBSETS, SUBSET_PICTURES = 100, 1_000  # as the KID's own code does


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """Fréchet distance of the Gaussians fitted to x (N, D) and y (M, D) (Heusel et al. 2017, eq. 6): >= 0.

    `|mx - my|^2 + Tr(Cx) + Tr(Cy) - 2 Tr sqrt(Cx Cy)`. With A and B the centred rows over sqrt(N - 1) and
    sqrt(M - 1), `Cx Cy = A'A B'B` has the non-zero eigenvalues of `AB' (AB')'`: the roots that the last term
    sums are the singular values of AB'. No D x D root is taken, and few pictures cost little.
    Raises `InputError` for fewer than two rows, another shape or values that are not finite.
    """
    x, y = check_features(x, y, at_least=2)
    mean_x, mean_y = x.mean(0), y.mean(0)
    a, b = _factor(x - mean_x), _factor(y - mean_y)
    cross = float(torch.linalg.svdvals(a @ b.T).sum())
    means = float((mean_x - mean_y).square().sum())
    return max(0.0, means + float(a.square().sum()) + float(b.square().sum()) - 2 * cross)


def kernel_distance(x: Tensor, y: Tensor, *, generator: torch.Generator | None = None) -> float:
    """Unbiased squared MMD of x (N, D) and y (M, D), kernel `(x.y / D + 1)^3` (Bińkowski et al. 2018, eq. 4).

    Over all pairs, without chance; but with a `generator` and more than 5,000 pictures on a side, the mean
    over 100 random subsets of 1,000. About 0 for the same distribution, of either sign.
    Raises `InputError` as `frechet_distance` does.
    """
    x, y = check_features(x, y, at_least=2)
    if generator is None or max(len(x), len(y)) <= FULL_ESTIMATE:
        return _squared_mmd(x, y)
    estimates = [
        _squared_mmd(_subset(x, SUBSET_PICTURES, generator), _subset(y, SUBSET_PICTURES, generator))
        for _ in range(SUBSETS)
    ]
    return sum(estimates) / SUBSETS


def check_features(*sets: Tensor, at_least: int) -> tuple[Tensor, ...]:
    """The same in float64 on the CPU.

    Raises `InputError` unless all are (N, D) of one D, finite and with `at_least` rows.
    """
    for features in sets:
        if features.ndim != 2 or features.shape[1] != sets[0].shape[1] or features.shape[1] == 0:
            shapes = " and ".join(str(tuple(s.shape)) for s in sets)
            raise InputError(f"features must be (pictures, D) with the same D, not {shapes}")
        if len(features) < at_least:
            raise InputError(
                f"{len(features)} pictures are too few to measure", f"this measure needs {at_least} or more"
            )
        if not bool(torch.isfinite(features).all()):
            raise InputError("features hold values that are not finite", "look at the pictures they are of")
    # The CPU first: not every accelerator has float64.
    return tuple(features.detach().cpu().double() for features in sets)


def _factor(centred: Tensor) -> Tensor:
    """A (min(N, D), D) whose `A'A` is the covariance of N centred rows: by QR where N > D."""
    scaled = centred / (len(centred) - 1) ** 0.5
    triangle: Tensor = torch.linalg.qr(scaled, mode="r").R if len(scaled) > scaled.shape[1] else scaled
    return triangle


def _squared_mmd(x: Tensor, y: Tensor) -> float:
    n, m = len(x), len(y)
    within_x = (_kernel_sum(x, x) - _self_kernel(x)) / (n * (n - 1))
    within_y = (_kernel_sum(y, y) - _self_kernel(y)) / (m * (m - 1))
    return within_x + within_y - 2 * _kernel_sum(x, y) / (n * m)


def _kernel_sum(x: Tensor, y: Tensor) -> float:
    columns = y.T / y.shape[1]
    blocks = (x[start : start + CHUNK] for start in range(0, len(x), CHUNK))
    return float(sum((rows @ columns).add_(1).pow_(3).sum() for rows in blocks))


def _self_kernel(x: Tensor) -> float:
    return float((x.square().sum(1) / x.shape[1] + 1).pow(3).sum())


def _subset(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return x[torch.randperm(len(x), generator=generator)[:count]]
