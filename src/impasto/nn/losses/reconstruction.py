"""How far enlarged pictures are from the sharp ones they stand for: pure functions, one value per sample."""

import torch
from torch import Tensor
from torch.nn import functional as F

LATTICE_CELLS = 4
_LUMA = (0.299, 0.587, 0.114)  # of BT.601, which JPEG and the published figures of upscalers use


def absolute_difference(made: Tensor, meant: Tensor) -> Tensor:
    """Mean |made - meant| of (B, C, H, W): (B,). L1 leaves sharper edges than L2 (Zhao et al. 2017)."""
    return (made.float() - meant.float()).abs().mean((1, 2, 3))


def luma_difference(made: Tensor, meant: Tensor) -> Tensor:
    """Mean |difference of luma| of (B, 3, H, W): (B,). What the eye sees sharply; colour it sees blurred."""
    weights = torch.tensor(_LUMA, device=made.device)[:, None, None]
    return ((made.float() - meant.float()) * weights).sum(1).abs().mean((1, 2))


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


def lattice_difference(made: Tensor, meant: Tensor, factor: int) -> Tensor:
    """Mean |difference| of (B, C, H, W), each of the `factor`^2 places in a cell for itself and averaged over
    neighbourhoods of `LATTICE_CELLS`^2 cells: (B,).

    Detail that is invented differs from cell to cell, and averages out. A pattern that comes back in every
    cell does not: the lattice that networks with pixel shuffle draw when only a discriminator looks.
    """
    apart = F.pixel_unshuffle(made.float() - meant.float(), factor)
    side = min(LATTICE_CELLS, *apart.shape[2:])
    return F.avg_pool2d(apart, side, stride=(side + 1) // 2).abs().mean((1, 2, 3))
