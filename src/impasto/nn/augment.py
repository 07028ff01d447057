"""Differentiable augmentation of what the discriminator sees (DiffAugment, Zhao et al. 2020).

Real and generated pictures pass through the same distribution of changes, and the generator's gradient
passes through them too, so that it never learns to produce the changes. All randomness comes from `rng`,
drawn on the CPU; pictures are `(B, C, H, W)` in [-1, 1] and may leave that range.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.config.shared import AugmentConfig
from impasto.nn import draws


def augment(images: Tensor, cfg: AugmentConfig, rng: torch.Generator) -> Tensor:
    """Apply each change to each picture with its own probability. (B, C, H, W) -> (B, C, H, W)."""
    if cfg.colour > 0:
        images = change_colour(images, cfg.colour, rng)
    if cfg.translation > 0:
        images = translate(images, cfg.translation, rng)
    if cfg.cutout > 0:
        images = cut_out(images, cfg.cutout, rng)
    return images


def change_colour(images: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    """Brightness +-0.5, saturation x 0 to 2, contrast x 0.5 to 1.5. An alpha channel is left as it is."""
    count, channels = images.shape[:2]
    chosen = _chosen(count, probability, rng)
    brightness, saturation, contrast = (
        draws.mine(torch.rand(3, draws.whole(count, rng), 1, 1, 1, generator=rng), rng, 1) - 0.5
    ) * chosen
    brightness, saturation, contrast = (t.to(images) for t in (brightness, saturation, contrast))
    colours, alpha = images[:, :3], images[:, 3:]
    colours = colours + brightness
    if channels >= 3:
        grey = colours.mean(1, keepdim=True)
        colours = grey + (colours - grey) * (1 + 2 * saturation)
    mean = colours.mean((1, 2, 3), keepdim=True)
    colours = mean + (colours - mean) * (1 + contrast)
    return torch.cat((colours, alpha), 1) if channels == 4 else colours


def translate(images: Tensor, probability: float, rng: torch.Generator, reach: float = 0.125) -> Tensor:
    """Shift pictures by whole pixels; what comes in repeats the border.

    The paper pads with zeros, which is mid-grey here; on white pages that teaches D to look for frames.

    Args:
        images: Pictures, (B, C, H, W).
        probability: How likely each picture is shifted, in [0, 1].
        rng: Draws which pictures are shifted, and how far; on the CPU.
        reach: How far at most, as a share of the side.

    Returns:
        (B, C, H, W), differentiable.
    """  # fmt: skip
    count, _, height, width = images.shape
    chosen = _chosen(count, probability, rng).view(-1)
    shifts = []
    for side in (height, width):
        most = int(side * reach + 0.5)
        shift = draws.randint(-most, most + 1, count, rng=rng)
        shifts.append((shift * chosen).long())
    # Shifts as a fraction of half the side: grid_sample's coordinates run from -1 to 1.
    offset = torch.stack((shifts[1] * 2 / width, shifts[0] * 2 / height), dim=1)
    identity = torch.eye(2).expand(count, 2, 2)
    affine = torch.cat((identity, offset[:, :, None]), dim=2).to(images)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    # Not fancy indexing: its backward adds atomically, in no fixed order, and a resumed run would differ.
    return F.grid_sample(images, grid, mode="nearest", padding_mode="border", align_corners=False)


def cut_out(images: Tensor, probability: float, rng: torch.Generator, share: float = 0.5) -> Tensor:
    """Replace a square by mid-grey. Its centre is anywhere, so it may be cut off by the border.

    Args:
        images: Pictures, (B, C, H, W) in [-1, 1].
        probability: How likely a square is cut out of each picture, in [0, 1].
        rng: Draws which pictures lose a square, and where; on the CPU.
        share: The side of the square, as a share of the picture's.

    Returns:
        (B, C, H, W), differentiable.
    """
    count, _, height, width = images.shape
    chosen = _chosen(count, probability, rng).view(-1, 1).bool()
    masks = []
    for side in (height, width):
        extent = int(side * share + 0.5)
        start = draws.randint(0, side + 1, count, 1, rng=rng) - extent // 2
        position = torch.arange(side)
        masks.append((position >= start) & (position < start + extent) & chosen)
    hole = masks[0][:, :, None] & masks[1][:, None, :]
    return images * (~hole[:, None]).to(images)


def _chosen(count: int, probability: float, rng: torch.Generator) -> Tensor:
    """(count, 1, 1, 1) of 0. and 1."""
    return (draws.rand(count, 1, 1, 1, rng=rng) < probability).float()
