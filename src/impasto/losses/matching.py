"""Losses that compare generated pictures with real ones directly, beside the adversarial game."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# Temperatures of `drift`, in units of the mean distance between real pictures: from the nearest few
# to half of them.
TEMPERATURES = (0.05, 0.2, 1.0)


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances (B, N) between rows (B, d) and (N, d); the gradient at zero is zero, not NaN."""
    squares = x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T
    return squares.clamp_min(1e-6).sqrt()


def drift(x: Tensor, real: Tensor, temperatures: Sequence[float] = TEMPERATURES) -> Tensor:
    """|V|^2, its gradient -2 V: each row is sent along V, towards near real rows and away from near others.

    V is the drifting field of Deng et al. 2026 ("Generative Modeling via Drifting"), held constant. The field
    of each temperature is scaled to unit mean square: its direction teaches, and the value is no measure of
    how far off the rows are. Rows that coincide go the same way; a row alone in its batch goes nowhere.
    (B, d) and (N, d) in units of the mean distance between real rows -> (B,).
    """  # fmt: skip
    with torch.no_grad():
        count = len(x)
        to_real = distances(x, real)
        to_fake = distances(x, x) + torch.eye(count, device=x.device) * 1e6
        field = torch.zeros_like(x)
        for temperature in temperatures:
            affinity = torch.cat(
                (
                    -to_real / temperature - math.log(len(real)),
                    -to_fake / temperature - math.log(max(1, count - 1)),
                ),
                1,
            )
            weights = (affinity.softmax(1) * affinity.softmax(0)).sqrt()
            pull, push = weights[:, : len(real)], weights[:, len(real) :]
            step = (pull * push.sum(1, keepdim=True)) @ real - (push * pull.sum(1, keepdim=True)) @ x
            field += step / (step.square().sum(1).mean().sqrt() + 1e-8)
        goal = x + field / len(temperatures)
    return (x - goal).square().sum(1)


def map_difference(maps: Sequence[Tensor], real: Sequence[Tensor], scales: Sequence[float]) -> Tensor:
    """Mean absolute difference of feature maps, each times its scale: a perceptual distance
    (Johnson et al. 2016, eq. 2, with absolute values). Lists of (B, C, H, W) -> (B,)."""  # fmt: skip
    parts = [
        (m.float() - r.float()).abs().flatten(1).mean(1) * s
        for m, r, s in zip(maps, real, scales, strict=True)
    ]
    return torch.stack(parts).mean(0)
