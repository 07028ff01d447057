"""How varied pictures are in shape, in colour and by theme, each by itself: effective numbers.

A network's features mix the three. Samples of one shape in many colours look varied to it, and it hardly sees
that everything is cyan. So each is measured with the other taken away: shapes by where edges are, whatever
their colours and contrast; colours by how much there is of each hue, wherever it is.

The effective number of N rows is the exponential of the entropy of the eigenvalues of their similarity
matrix (the Vendi score; Friedman & Dieng 2023, eq. 2): 1 where all are alike, N where no two are. It depends
on N, so samples are compared with as many real pictures. Pictures are reduced first, so all of it is cheap.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from impasto.errors import InputError
from impasto.image.oklab import oklab_from_srgb
from impasto.metrics.colour import relative_energy_distance
from impasto.metrics.distances import check_features

REDUCED_PX = 32  # the side to which pictures are reduced before anything is measured
LAYOUT_PX = 16  # the side of a map of edges
HUES = 12  # bins of the hue circle; a hue between two counts for both
PICTURES_AT_A_TIME = 64
# OKLab. A picture whose edges or colours are fainter than this counts as having none: the noise of a blank
# picture is no shape, and that of a grey one no colour.
FAINT_EDGE, FAINT_COLOUR = 0.002, 0.01
# Real pictures of so small an effective number are all alike themselves: nothing can be lost.
LEAST_NUMBER = 1.2


@dataclass(frozen=True, slots=True)
class Looks:
    """What shape and colour are measured by, for N pictures.

    `shapes` (N, 257) and `hues` (N, 13) have rows of length 1. `colours` (N, 48) are the mean OKLab colours
    of 4 x 4 places, `means` (N, 3) those of whole pictures. All float64.
    """

    shapes: Tensor
    hues: Tensor
    colours: Tensor
    means: Tensor

    def __len__(self) -> int:
        return len(self.shapes)

    def take(self, rows: Tensor) -> "Looks":
        """Those of some pictures."""
        return Looks(self.shapes[rows], self.hues[rows], self.colours[rows], self.means[rows])


def looks_of(pixels: NDArray[np.uint8]) -> Looks:
    """(N, H, W, C) uint8, C of 1, 3 or 4 -> the looks of N pictures; alpha is composited on white.

    Raises `InputError` for another shape, or no picture.
    """
    if pixels.ndim != 4 or pixels.dtype != np.uint8 or pixels.shape[3] not in (1, 3, 4) or not len(pixels):
        raise InputError(f"pictures must be (N, H, W, 1 or 3 or 4) uint8, not {pixels.shape} {pixels.dtype}")
    starts = range(0, len(pixels), PICTURES_AT_A_TIME)
    parts = [_reduced(pixels[start : start + PICTURES_AT_A_TIME]) for start in starts]
    lab = torch.cat(parts)
    return Looks(
        shape_rows(lab),
        hue_rows(lab),
        F.adaptive_avg_pool2d(lab, 4).flatten(1),
        lab.mean((2, 3)),
    )


def colour_distance(real: Looks, fake: Looks) -> float:
    """How far the colours of two sets of pictures are apart: about 0 for the same, 1 for nothing in common.

    The mean of the relative energy distances of mean colours, of colours by place, and of hues. The judge's
    features hardly see colours: it calls cyan pictures near.
    """
    pairs = ((real.means, fake.means), (real.colours, fake.colours), (real.hues, fake.hues))
    return sum(relative_energy_distance(x, y) for x, y in pairs) / len(pairs)


def shape_rows(lab: Tensor) -> Tensor:
    """(N, 3, H, W) OKLab -> (N, 257), rows of length 1: where edges are, without their colours and contrast.

    The lengths of the gradient on a 16 x 16 grid, less their mean. A last number stands for "no edges",
    so that all flat pictures are alike. Noise of one level in 255 counts as edges.
    """
    across, down = lab.diff(dim=3), lab.diff(dim=2)
    steps = F.pad(across, (0, 1)).square() + F.pad(down, (0, 0, 0, 1)).square()
    edges = F.adaptive_avg_pool2d(steps.sum(1, keepdim=True).sqrt(), LAYOUT_PX).flatten(1)
    edges = (edges - edges.mean(1, keepdim=True)) / LAYOUT_PX  # its length is now the deviation of the map
    return F.normalize(F.pad(edges, (0, 1), value=FAINT_EDGE), dim=1)


def hue_rows(lab: Tensor) -> Tensor:
    """(N, 3, H, W) OKLab -> (N, 13), rows of length 1: roots of how much there is of each hue, and of none.

    A pixel counts by its chroma, so that neither white paper nor the size of a thing matters. The product of
    two rows is the Bhattacharyya coefficient of the two distributions.
    """
    a, b = lab[:, 1].flatten(1), lab[:, 2].flatten(1)
    chroma = (a.square() + b.square()).sqrt()
    place = torch.atan2(b, a).div(2 * torch.pi).mul(HUES).remainder(HUES)
    low = place.floor()
    upper = (place - low) * chroma
    found = lab.new_zeros(len(lab), HUES)
    found.scatter_add_(1, low.long() % HUES, chroma - upper)
    found.scatter_add_(1, (low.long() + 1) % HUES, upper)
    found = F.pad(found / chroma.shape[1], (0, 1), value=FAINT_COLOUR)
    return (found / found.sum(1, keepdim=True)).sqrt()


def effective_number(similarity: Tensor) -> float:
    """The Vendi score of an (N, N) positive semi-definite matrix with ones on its diagonal: in [1, N]."""
    values = torch.linalg.eigvalsh(similarity.double() / len(similarity)).clamp(min=0)
    return float(torch.special.entr(values / values.sum()).sum().exp())


def shape_number(looks: Looks) -> float:
    """The effective number of shapes. Squared correlations: a shape and its negative are one."""
    return effective_number((looks.shapes @ looks.shapes.T).square())


def colour_number(looks: Looks) -> float:
    """The effective number of colourings."""
    return effective_number(looks.hues @ looks.hues.T)


def relative(number: float, real: float) -> float | None:
    """An effective number as a share of that of as many real pictures: 0 is all alike, 1 as varied.

    Both less one, the number of pictures that are all alike. None where real pictures are too.
    """
    return (number - 1) / (real - 1) if real >= LEAST_NUMBER else None


def evenly(count: int, total: int) -> Tensor:
    """`count` of `total` rows, spread evenly over them: (count,)."""
    return torch.arange(count) * total // count


# --- themes


@dataclass(frozen=True, slots=True)
class ThemeCentres:
    """What the pictures of each theme have in common: `centres` (T, D) float64, T >= 2.

    `real` is the effective number of themes among real pictures, each named without its own help.
    """

    names: tuple[str, ...]
    centres: Tensor
    real: float


@dataclass(frozen=True, slots=True)
class ThemeShares:
    """Which themes samples look like: `variety` as in `relative`, the commonest theme and its share."""

    variety: float | None
    most: str
    share: float


LEAST_OF_A_THEME = 3  # real pictures, for a mean to say something of a theme


def theme_centres(features: Tensor, themes: Tensor, names: tuple[str, ...]) -> ThemeCentres | None:
    """The mean features of each theme, from real pictures (N, D) with themes (N, T) of zeros and ones.

    None where fewer than two themes have three pictures or more.
    """
    (features,) = check_features(features, at_least=1)
    has = themes.double().cpu()
    known = has.sum(0) >= LEAST_OF_A_THEME
    if int(known.sum()) < 2:
        return None
    has = has[:, known]
    counts = has.sum(0)
    centres = has.T @ features / counts[:, None]
    # Each picture against the others of its theme, or few pictures would name themselves: without its own
    # part in the mean of n, it is n / (n - 1) times as far from it.
    apart = torch.cdist(features, centres) * torch.where(has > 0, counts / (counts - 1), 1)
    nearest = apart.argmin(1)
    kept = tuple(name for name, there in zip(names, known.tolist(), strict=True) if there)
    return ThemeCentres(kept, centres, _number_of(nearest, len(kept)))


def theme_shares(features: Tensor, themes: ThemeCentres) -> ThemeShares:
    """The nearest theme of each sample, by features (N, D), and how evenly they are spread."""
    (features,) = check_features(features, at_least=1)
    nearest = torch.cdist(features, themes.centres).argmin(1)
    counts = torch.bincount(nearest, minlength=len(themes.names))
    number = _number_of(nearest, len(themes.names))
    most = int(counts.argmax())
    return ThemeShares(relative(number, themes.real), themes.names[most], float(counts[most]) / len(features))


def _number_of(labels: Tensor, kinds: int) -> float:
    shares = torch.bincount(labels, minlength=kinds).double() / len(labels)
    return float(torch.special.entr(shares).sum().exp())


def _reduced(pixels: NDArray[np.uint8]) -> Tensor:
    """(B, H, W, C) uint8 -> (B, 3, h, w) float64 OKLab, sides of at most `REDUCED_PX`."""
    unit = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div(255)
    if unit.shape[1] == 4:
        unit = unit[:, :3] * unit[:, 3:] + (1 - unit[:, 3:])
    side = (min(REDUCED_PX, unit.shape[2]), min(REDUCED_PX, unit.shape[3]))
    unit = F.adaptive_avg_pool2d(unit, side).expand(-1, 3, -1, -1)
    return oklab_from_srgb(unit.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).double()
