"""How true an enlarged picture is to the sharp one: PSNR and SSIM by the protocol of the field's papers.

Both look at the luma Y of BT.601 of 8-bit pictures, after as many pixels as the scale were cut off at each
edge. Bicubic x4 then has 28.43 dB on Set5 (with Pillow's bicubic; MATLAB's has 28.42).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.models.features import FeatureMaps

_LUMA = (65.481, 128.553, 24.966)
_WINDOW_PX, _DEVIATION_PX = 11, 1.5
_SMALL = 1e-6


def luma(images: Tensor) -> Tensor:
    """(B, 1 or 3, H, W) in [-1, 1] -> (B, 1, H, W) float64: Y in 16..235 of the pictures in 8 bits."""
    unit = images.double().add(1).mul(127.5).round().clamp(0, 255).div(255)
    if unit.shape[1] == 1:
        unit = unit.expand(-1, 3, -1, -1)
    weights = torch.tensor(_LUMA, dtype=torch.float64, device=images.device)
    return (unit * weights[:, None, None]).sum(1, keepdim=True) + 16


def shaved(images: Tensor, px: int) -> Tensor:
    """(B, C, H, W) without `px` at each edge. Raises `ValueError` where nothing would be left."""
    if min(images.shape[2:]) <= 2 * px:
        raise ValueError(
            f"pictures of {images.shape[3]} x {images.shape[2]} px lose all to {px} px at each edge"
        )
    return images[:, :, px : images.shape[2] - px, px : images.shape[3] - px]


def psnr(made: Tensor, meant: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of each pair of (B, 1, H, W) in 0..255: (B,). Infinite where equal."""
    error = (made - meant).square().mean((1, 2, 3))
    return 10 * torch.log10(255.0**2 / error)


def ssim(made: Tensor, meant: Tensor) -> Tensor:
    """Structural similarity of pairs of (B, 1, H, W) in 0..255: (B,), 1 for equal (Wang et al. 2004, eq. 13).

    An 11 x 11 Gaussian window of deviation 1.5, where it lies wholly within the picture.
    """
    offsets = torch.arange(_WINDOW_PX, dtype=torch.float64, device=made.device) - _WINDOW_PX // 2
    line = torch.exp(-0.5 * (offsets / _DEVIATION_PX) ** 2)
    line = line / line.sum()

    def mean(x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))

    made, meant = made.double(), meant.double()
    mean_made, mean_meant = mean(made), mean(meant)
    var_made = mean(made * made) - mean_made.square()
    var_meant = mean(meant * meant) - mean_meant.square()
    covariance = mean(made * meant) - mean_made * mean_meant
    small, smaller = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = ((2 * mean_made * mean_meant + small) * (2 * covariance + smaller)) / (
        (mean_made.square() + mean_meant.square() + small) * (var_made + var_meant + smaller)
    )
    return likeness.mean((1, 2, 3))


def texture_and_structure(net: FeatureMaps, made: Tensor, meant: Tensor) -> tuple[Tensor, Tensor]:
    """How a frozen network sees pairs of pictures (B, 3, H, W) in [-1, 1]: texture and structure, (B,) each.

    Both are distances, 0 for equal pictures. Texture compares the means of each map, wherever in the picture
    something lies: detail that is natural but not the same counts little. Structure compares what lies where
    (Ding et al. 2020, eq. 6 and 7, without their learned weights, on other features).
    """
    textures, structures = [], []
    for a, b in zip(net(made), net(meant), strict=True):
        a, b = a.double().flatten(2), b.double().flatten(2)
        mean_a, mean_b = a.mean(2), b.mean(2)
        var_a, var_b = a.var(2, correction=0), b.var(2, correction=0)
        covariance = (a * b).mean(2) - mean_a * mean_b
        means = (2 * mean_a * mean_b + _SMALL) / (mean_a.square() + mean_b.square() + _SMALL)
        places = (2 * covariance + _SMALL) / (var_a + var_b + _SMALL)
        textures.append(1 - means.mean(1))
        structures.append(1 - places.mean(1))
    return torch.stack(textures).mean(0), torch.stack(structures).mean(0)


def feature_distance(net: FeatureMaps, made: Tensor, meant: Tensor) -> Tensor:
    """Texture and structure in equal parts (DISTS, Ding et al. 2020): (B,), 0 for equal pictures."""
    texture, structure = texture_and_structure(net, made, meant)
    return (texture + structure) / 2
