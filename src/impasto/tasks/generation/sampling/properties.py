"""What can be measured of a picture in one number: what the named directions change."""

import torch
from torch import Tensor

from impasto.tasks.generation.sampling.recolour import lightness

PROPERTIES = ("brightness", "warmth", "saturation", "contrast", "symmetry")


def properties(images: Tensor) -> Tensor:
    """(B, C, H, W) in [-1, 1] -> (B, 5), in the order of `PROPERTIES`; alpha is composited on white.

    Brightness is the mean lightness, warmth the mean of red less blue, saturation the mean of the largest
    channel less the smallest, contrast the deviation of lightness, and symmetry minus the mean difference
    from the mirrored picture, over the mean difference from its mean: 0 is a picture that is its own mirror.
    """
    colours = images.float().clamp(-1, 1)
    if colours.shape[1] == 4:
        colours = (colours[:, :3] + 1) * (colours[:, 3:] + 1) / 2 - colours[:, 3:]
    colours = colours.expand(-1, 3, -1, -1)
    light = lightness(colours)
    rows = light.view(len(images), *images.shape[2:])
    apart = (light - light.mean(1, keepdim=True)).abs().mean(1)
    mirrored = (rows - rows.flip(2)).abs().mean((1, 2))
    return torch.stack(
        (
            light.mean(1),
            (colours[:, 0] - colours[:, 2]).mean((1, 2)),
            (colours.amax(1) - colours.amin(1)).mean((1, 2)),
            light.std(1),
            -mirrored / apart.clamp(min=1e-3),
        ),
        1,
    )
