"""How true an enlarged picture is to the sharp one: PSNR and SSIM by the protocol of the field's papers.

Both look at the luma Y of BT.601 of 8-bit pictures, after as many pixels as the scale were cut off at each
edge. Bicubic x4 then has 28.43 dB on Set5 (with Pillow's bicubic; MATLAB's has 28.42).
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from impasto.nn.features import FeatureMaps

_LUMA = (65.481, 128.553, 24.966)
_WINDOW_PX, _DEVIATION_PX = 11, 1.5
_SMALL = 1e-6
_CHUNK = 65_536  # numbers in float64 that stay in a processor's cache


def luma(images: Tensor) -> Tensor:
    """(B, 1 or 3, H, W) in [-1, 1] -> (B, 1, H, W) float64: Y in 16..235 of the pictures in 8 bits."""
    unit = images.to(torch.float64, copy=True)
    unit.add_(1).mul_(127.5).round_().clamp_(0, 255).div_(255)
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
    """Peak signal-to-noise ratio in dB of each pair of (B, 1, H, W) in 0..255: (B,). Infinite where equal.

    `meant` may be one picture for all.
    """
    error = (made - meant).square().mean((1, 2, 3))
    return 10 * torch.log10(255.0**2 / error)


def ssim(made: Tensor, meant: Tensor) -> Tensor:
    """Structural similarity of pairs of (B, 1, H, W) in 0..255: (B,), 1 for equal (Wang et al. 2004, eq. 13).

    An 11 x 11 Gaussian window of deviation 1.5, where it lies wholly within the picture. `meant` may be one
    picture for all.
    """
    small, smaller = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    meant = meant.double()
    mean_meant = _window_means(meant)
    var_meant = _window_means(meant * meant) - mean_meant.square()
    sharp = _for_all(len(made), meant, mean_meant, var_meant)
    found = []
    for picture, y, mean_y, var_y in zip(made.double(), *sharp, strict=True):
        x = picture[None]
        mean_x = _window_means(x)
        var_x = _window_means(x * x) - mean_x.square()
        covariance = _window_means(x * y) - mean_x * mean_y
        likeness = ((2 * mean_x * mean_y + small) * (2 * covariance + smaller)) / (
            (mean_x.square() + mean_y.square() + small) * (var_x + var_y + smaller)
        )
        found.append(likeness.mean())
    return torch.stack(found)


def _window_means(x: Tensor) -> Tensor:
    """(B, 1, H, W) float64 -> (B, 1, H - 10, W - 10), means weighted by SSIM's window.

    Shifted copies are added up: PyTorch's convolution in float64 takes several times as long.
    """
    weights = [math.exp(-0.5 * ((i - _WINDOW_PX // 2) / _DEVIATION_PX) ** 2) for i in range(_WINDOW_PX)]
    for axis in (2, 3):
        length = x.shape[axis] - _WINDOW_PX + 1
        sums = torch.zeros_like(x.narrow(axis, 0, length))
        for start, weight in enumerate(weights):
            sums.add_(x.narrow(axis, start, length), alpha=weight / sum(weights))
        x = sums
    return x


def texture_and_structure(net: FeatureMaps, made: Tensor, meant: Tensor) -> tuple[Tensor, Tensor]:
    """How a frozen network sees pairs of pictures (B, 3, H, W) in [-1, 1]: texture and structure, (B,) each.

    Both are distances, 0 for equal pictures. Texture compares the means of each map, wherever in the picture
    something lies: detail that is natural but not the same counts little. Structure compares what lies where
    (Ding et al. 2020, eq. 6 and 7, without their learned weights, on other features). `meant` may be one
    picture for all.
    """
    meant_maps = net(meant)
    meant_means = [_channel_means(b) for b in meant_maps]
    found = []
    for i in range(len(made)):
        at = i if len(meant) > 1 else 0
        of_maps = [
            _map_distances(a[0], b[at], means[at])
            for a, b, means in zip(net(made[i : i + 1]), meant_maps, meant_means, strict=True)
        ]
        found.append(torch.stack(of_maps).mean(0))
    texture, structure = torch.stack(found).unbind(1)
    return texture, structure


def _map_distances(a: Tensor, b: Tensor, means_b: Tensor) -> Tensor:
    """Texture and structure, (2,), of maps (C, H, W); beside b the means of it and its square, (2, C)."""
    (mean_b, square_b), (mean_a, square_a, product) = means_b, _channel_means(a[None], b[None])[0]
    var_a, var_b = square_a - mean_a.square(), square_b - mean_b.square()
    means = (2 * mean_a * mean_b + _SMALL) / (mean_a.square() + mean_b.square() + _SMALL)
    places = (2 * (product - mean_a * mean_b) + _SMALL) / (var_a + var_b + _SMALL)
    return torch.stack(((1 - means).mean(), (1 - places).mean()))


def _channel_means(x: Tensor, other: Tensor | None = None) -> Tensor:
    """The means over all places of x, x * x and perhaps x * other, (B, C, H, W): (B, 2 or 3, C) float64.

    A few rows at a time: a whole map in float64 leaves the processor's cache, which takes twice as long.
    """
    rows = max(1, _CHUNK // (x.shape[0] * x.shape[1] * x.shape[3]))
    sums: list[Tensor] = []
    for start in range(0, x.shape[2], rows):
        part = x[:, :, start : start + rows].double()
        parts = [part.sum((2, 3)), (part * part).sum((2, 3))]
        if other is not None:
            parts.append(part.mul_(other[:, :, start : start + rows]).sum((2, 3)))
        sums.append(torch.stack(parts, 1))
    return torch.stack(sums).sum(0) / (x.shape[2] * x.shape[3])


def _for_all(count: int, *tensors: Tensor) -> Iterator[Sequence[Tensor]]:
    """For each tensor (1 or `count`, ...) its `count` parts (1, ...)."""
    for tensor in tensors:
        yield [tensor[i : i + 1] for i in range(count)] if len(tensor) > 1 else [tensor] * count


def feature_distance(net: FeatureMaps, made: Tensor, meant: Tensor) -> Tensor:
    """Texture and structure in equal parts (DISTS, Ding et al. 2020): (B,), 0 for equal pictures."""
    texture, structure = texture_and_structure(net, made, meant)
    return (texture + structure) / 2
