"""CIEDE2000: the colour difference that the printing and paint industries measure by."""

import math

import torch
from torch import Tensor

from impasto.oklab import linear_from_oklab

# IEC 61966-2-1, and its white, D65.
_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_WHITE = (0.95047, 1.0, 1.08883)


def ciede2000(one: Tensor, other: Tensor) -> Tensor:
    """Difference of CIELAB colours (..., 3) and (..., 3), which broadcast: (...), about 1 is just seen.

    After Sharma, Wu and Dalal 2005, equations 2 to 22, with all parametric weights 1.
    """
    (l1, a1, b1), (l2, a2, b2) = one.unbind(-1), other.unbind(-1)
    chroma = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * _seventh(chroma)
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1, h2 = torch.atan2(b1, a1) % math.tau, torch.atan2(b2, a2) % math.tau
    coloured = c1 * c2 > 0

    turn = h2 - h1
    turn = torch.where(turn > math.pi, turn - math.tau, torch.where(turn < -math.pi, turn + math.tau, turn))
    turn = torch.where(coloured, turn, 0)
    d_lightness, d_chroma = l2 - l1, c2 - c1
    d_hue = 2 * (c1 * c2).sqrt() * torch.sin(turn / 2)

    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    apart = (h1 - h2).abs() > math.pi
    hue = (h1 + h2) / 2 + torch.where(apart, torch.where(h1 + h2 < math.tau, math.pi, -math.pi), 0)
    hue = torch.where(coloured, hue, h1 + h2)
    t = (
        1
        - 0.17 * torch.cos(hue - math.radians(30))
        + 0.24 * torch.cos(2 * hue)
        + 0.32 * torch.cos(3 * hue + math.radians(6))
        - 0.20 * torch.cos(4 * hue - math.radians(63))
    )
    middle = (lightness - 50).square()
    s_lightness = 1 + 0.015 * middle / (20 + middle).sqrt()
    s_chroma, s_hue = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    blue = torch.exp(-((torch.rad2deg(hue) - 275) / 25).square())
    rotation = -torch.sin(math.radians(60) * blue) * 2 * _seventh(chroma)
    x, y, z = d_lightness / s_lightness, d_chroma / s_chroma, d_hue / s_hue
    return (x * x + y * y + z * z + rotation * y * z).clamp(min=0).sqrt()


def ciede2000_of_oklab(one: Tensor, other: Tensor) -> Tensor:
    """The same of OKLab colours: an `oklab.Distance`."""
    return ciede2000(cielab_from_oklab(one), cielab_from_oklab(other))


def cielab_from_oklab(colours: Tensor) -> Tensor:
    """(..., 3) OKLab -> (..., 3) CIELAB under D65, L in 0..100; float64."""
    light = linear_from_oklab(colours.double())
    xyz = light @ light.new_tensor(_TO_XYZ).T / light.new_tensor(_WHITE)
    edge = 6 / 29
    bent = torch.where(xyz > edge**3, xyz.clamp(min=1e-9) ** (1 / 3), xyz / (3 * edge**2) + 4 / 29)
    x, y, z = bent.unbind(-1)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), -1)


def _seventh(chroma: Tensor) -> Tensor:
    return (chroma**7 / (chroma**7 + 25.0**7)).sqrt()
