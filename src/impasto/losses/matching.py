"""Losses that compare generated pictures with real ones directly, beside the adversarial game."""

from collections.abc import Sequence

import torch
from torch import Tensor


def map_difference(maps: Sequence[Tensor], real: Sequence[Tensor], scales: Sequence[float]) -> Tensor:
    """Mean absolute difference of feature maps, each times its scale: a perceptual distance
    (Johnson et al. 2016, eq. 2, with absolute values). Lists of (B, C, H, W) -> (B,)."""  # fmt: skip
    parts = [
        (m.float() - r.float()).abs().flatten(1).mean(1) * s
        for m, r, s in zip(maps, real, scales, strict=True)
    ]
    return torch.stack(parts).mean(0)
