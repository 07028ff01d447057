"""How true an enlarged picture is to the sharp one: PSNR and SSIM by the protocol of the field's papers.

Both look at the luma Y of BT.601 of 8-bit pictures, after as many pixels as the scale were cut off at each
edge. Bicubic x4 then has 28.43 dB on Set5 (with Pillow's bicubic; MATLAB's has 28.42).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.models.features import FeatureMaps

_LUMA = (65.481, 128.553, 24.966)
_WINDOW_PX, _DEVIATION_PX = 11, 1.5


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


def feature_distance(net: FeatureMaps, made: Tensor, meant: Tensor) -> Tensor:
    """How differently a frozen network sees each pair of pictures (B, 3, H, W) in [-1, 1]: (B,), 0 for equal.

    At each place of each map the vectors of all channels are brought to unit length; the mean over the maps
    of their mean squared distances (LPIPS before its learned weights, Zhang et al. 2018, eq. 1).
    """
    distances = []
    for a, b in zip(net(made), net(meant), strict=True):
        apart = (nn.functional.normalize(a, dim=1) - nn.functional.normalize(b, dim=1)).square().sum(1)
        distances.append(apart.mean((1, 2)))
    return torch.stack(distances).mean(0)
