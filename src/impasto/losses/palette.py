"""Whether a picture has the colours that were asked for."""

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.oklab import A_TOUCH, oklab_of, palette_distance
from impasto.palettes import shares_of

SIDE = 32  # px: which colours there are, and how much of them, is seen at this size


def palette_consistency(
    images: Tensor, asked: Tensor, share: float | None = A_TOUCH, background: str = "#ffffff"
) -> Tensor:
    """`oklab.palette_distance` from requests (B, K, 4) to the pixels of pictures (B, 1, 3 or 4, H, W): (B,).

    Pictures in [-1, 1]. Each colour pulls at those pixels that are nearest to it already, as many as it
    should cover, and at no others. The page counts as in palettes.py; which pixels are page has no gradient.
    """
    if images.shape[2] > SIDE:
        images = F.interpolate(images, (SIDE, SIDE), mode="area")
    shares = shares_of(images.detach(), background)
    pixels = torch.cat((oklab_of(images[:, :3]), shares[..., None]), 2)
    return palette_distance(asked, pixels, share)
