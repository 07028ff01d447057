"""How far enlarged pictures are from the sharp ones they stand for: pure functions, one value per sample."""

import torch
from torch import Tensor
from torch.nn import functional as F


def absolute_difference(made: Tensor, meant: Tensor) -> Tensor:
    """Mean |made - meant| of (B, C, H, W): (B,). L1 leaves sharper edges than L2 (Zhao et al. 2017)."""
    return (made.float() - meant.float()).abs().mean((1, 2, 3))


def frequency_difference(made: Tensor, meant: Tensor) -> Tensor:
    """Mean |FFT(made) - FFT(meant)| of (B, C, H, W), orthonormal, over all frequencies: (B,).

    Fine detail is a small part of the energy of pixels and a large part of the frequencies (Cho et al. 2021,
    eq. 5).
    """
    spectra = (torch.fft.rfft2(images.float(), norm="ortho") for images in (made, meant))
    first, second = spectra
    apart: Tensor = (first - second).abs()
    return apart.mean((1, 2, 3))


def reduced_difference(made: Tensor, meant: Tensor, factor: int) -> Tensor:
    """Mean |difference| of (B, C, H, W) after both were made `factor` times smaller by means: (B,).

    What a discriminator may invent lies in the detail; this holds on to the colours below it.
    """
    return absolute_difference(*(F.avg_pool2d(images.float(), factor) for images in (made, meant)))
