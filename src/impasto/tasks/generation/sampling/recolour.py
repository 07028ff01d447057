"""The colours of one picture on the shapes of another."""

import torch
from torch import Tensor

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
STEPS = 64  # of lightness in a table of colours
BLUR = 0.05  # of lightness, where black to white is 2


def recolour(images: Tensor, like: Tensor) -> Tensor:
    """`images` with the hues that `like` has where it is as light: both (B, C, H, W), about [-1, 1].

    To each pixel is added by how much the mean colour of pixels of its lightness differs between the two:
    lightness and shapes stay, white paper stays white where that of `like` is white, and a picture recoloured
    by itself is itself, exactly. Grey pictures (C of 1) have no colours and stay; alpha (C of 4) is kept.
    """  # fmt: skip
    if images.shape[1] == 1:
        return images
    colours, others = images[:, :3].clamp(-1, 1), like[:, :3].clamp(-1, 1)
    place = (lightness(colours) + 1) / 2 * (STEPS - 1)
    difference = _look_up(colour_table(others), place) - _look_up(colour_table(colours), place)
    return torch.cat((images[:, :3] + difference.view_as(colours), images[:, 3:]), 1)


def lightness(images: Tensor) -> Tensor:
    """(B, 3, H, W) in [-1, 1] -> (B, H W) in [-1, 1]."""
    weights = images.new_tensor(GREY)[None, :, None]
    return (images.flatten(2) * weights).sum(1)


def colour_table(images: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 3, STEPS): the mean difference from grey of pixels about as light as each step."""
    light = lightness(images)
    colour = images.flatten(2) - light[:, None]
    steps = torch.linspace(-1, 1, STEPS, device=images.device)
    weights = torch.softmax(-(((steps[None, :, None] - light[:, None]) / BLUR) ** 2) / 2, 2)
    return torch.einsum("bsp,bcp->bcs", weights, colour)


def _look_up(table: Tensor, place: Tensor) -> Tensor:
    """(B, 3, STEPS) at (B, P), from 0 to STEPS - 1, between steps -> (B, 3, P)."""
    low = place.long().clamp(0, STEPS - 2)
    part = (place - low)[:, None]
    index = low[:, None].expand(-1, table.shape[1], -1)
    return table.gather(2, index) * (1 - part) + table.gather(2, index + 1) * part
