"""Colours as the eye compares them: OKLab (Björn Ottosson 2020), and back.

L is lightness, 0 for black and 1 for white; a goes from green to red, b from blue to yellow, both about -0.4
to 0.4. The distance of two colours is the length of their difference; about 0.02 is just seen. Everything is
a pure, differentiable function of tensors whose last dimension holds the three values of a colour.

A palette is (K, 4): colours and the share of the picture that each covers; rows with a share of 0 are no
colours. A request is the same, with shares or, where nobody said how much of a colour there should be, ones.
"""

import torch
from torch import Tensor

# https://bottosson.github.io/posts/oklab/: linear sRGB to cones, the cones' cube roots to Lab; the ways back.
_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
_FROM_LAB = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_FROM_CONES = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)
# A cube root is vertical at 0, and one black pixel would have a gradient without end. This much is added to
# the square of what is under the root: it takes 3 % off the lightness of
# #010101, and nothing that counts from #080808 on.
_SOFTENING = 1e-8

A_TOUCH = 0.05  # the share of a picture that a colour must cover to be there, if nobody said how much


def oklab_from_srgb(colours: Tensor) -> Tensor:
    """(..., 3) sRGB in [0, 1] -> (..., 3) OKLab. Values beyond [0, 1] go on smoothly."""
    return oklab_from_linear(linear_from_srgb(colours))


def srgb_from_oklab(colours: Tensor) -> Tensor:
    """(..., 3) OKLab -> (..., 3) sRGB; in [0, 1] where a screen can show the colour, else beyond."""
    return srgb_from_linear(linear_from_oklab(colours))


def oklab_of(images: Tensor) -> Tensor:
    """(B, 1 or 3, H, W) in [-1, 1] -> (B, H W, 3) OKLab of every pixel; grey has a = b = 0."""
    pixels = images.flatten(2).transpose(1, 2).float().add(1).mul(0.5)
    return oklab_from_srgb(pixels.expand(-1, -1, 3))


def linear_from_srgb(colours: Tensor) -> Tensor:
    """sRGB -> light (IEC 61966-2-1), by element."""
    curved = ((colours.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(colours <= 0.04045, colours / 12.92, curved)


def srgb_from_linear(light: Tensor) -> Tensor:
    """Light -> sRGB, by element."""
    curved = 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, light * 12.92, curved)


def oklab_from_linear(light: Tensor) -> Tensor:
    """(..., 3) linear sRGB -> (..., 3) OKLab."""
    cones = _times(_TO_CONES, light)
    return _times(_TO_LAB, cones * (cones.square() + _SOFTENING) ** (-1 / 3))


def linear_from_oklab(colours: Tensor) -> Tensor:
    """(..., 3) OKLab -> (..., 3) linear sRGB."""
    return _times(_FROM_CONES, _times(_FROM_LAB, colours) ** 3)


def colour_distance(one: Tensor, other: Tensor) -> Tensor:
    """(..., 3) and (..., 3) OKLab -> (...): the length of the difference."""
    length: Tensor = torch.linalg.vector_norm(one - other, dim=-1)
    return length


def palette_distance(asked: Tensor, found: Tensor, share: float | None = A_TOUCH) -> Tensor:
    """How far the colours that were asked for, (B, K, 4), are from those of pictures, (B, M, 4): (B,), >= 0.

    For each colour asked for: the mean distance to the nearest colours that together cover `share` of the
    picture. It is 0 where that much of the picture has the colour itself, and falls as more of it comes
    nearer. Colours that were not asked for cost nothing. All that were count alike; with `share` of None each
    must cover its own share and counts by it. The order of colours on either side does not matter. Where
    nothing was asked for it is 0. `found` may be a palette, or the pixels of a picture with shares of 1 / M.
    """
    there = asked[..., 3] > 0
    wanted = asked[..., 3] if share is None else there * share
    apart = _nearest(colour_distance(asked[:, :, None, :3], found[:, None, :, :3]), wanted, found[..., 3])
    weight = wanted / wanted.sum(1, keepdim=True).clamp(min=1e-12)
    return (apart * weight).sum(1)


def palette_difference(one: Tensor, other: Tensor) -> Tensor:
    """How unlike two whole palettes are, (B, K, 4) and (B, M, 4): (B,), the same both ways, 0 for equal ones.

    The mean of `palette_distance` there and back, by shares: what is missing costs, and so does what is too
    much.
    """
    return (palette_distance(one, other, None) + palette_distance(other, one, None)) / 2


def _nearest(apart: Tensor, wanted: Tensor, shares: Tensor) -> Tensor:
    """Mean distance (B, K) of the nearest `wanted` (B, K) among those `apart` (B, K, M), `shares` (B, M)."""
    near = apart.sort(dim=2)
    share = shares[:, None].expand_as(apart).gather(2, near.indices)
    until = share.cumsum(2)
    wanted = wanted[..., None]
    used = torch.minimum(until, wanted) - torch.minimum(until - share, wanted)
    return (near.values * used).sum(2) / used.sum(2).clamp(min=1e-12)


def _times(matrix: tuple[tuple[float, float, float], ...], colours: Tensor) -> Tensor:
    # By element and not by a matrix product: a colour is then the same in whatever batch it comes.
    x, y, z = colours.unbind(-1)
    return torch.stack([a * x + b * y + c * z for a, b, c in matrix], -1)
