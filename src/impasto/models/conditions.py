"""What is asked of a picture beside noise: colours and themes, as the last numbers of its latent.

A latent is `noise` numbers, a palette of (K, 4) numbers (OKLab and share, as in oklab.py), and one number for
each theme, 1 where the picture has it. All zeros for themes means that none is asked for. Whatever can be
done to latents can so be done to conditions: they are kept, mixed and walked between like the rest.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.oklab import A_TOUCH, colour_distance, oklab_from_srgb, srgb_from_oklab

ANCHORS = 4  # steps of each channel
HISTOGRAM = ANCHORS**3  # places of the histogram of a palette
ANCHOR_REACH = 0.1  # OKLab
REACH = 0.3  # of colours in [-1, 1]: what is nearer than that to a palette's colour belongs to it
SIZE_COUNTS = 0.5  # OKLab: a colour on all of a picture is so much nearer to a request than one on nothing
EMPTY_COSTS = 1.0  # OKLab: a colour is put where there is none only if there is no other place
_MIDDLE = (0.65, 0.0, 0.0)  # of the colours that pictures have,
_SPREAD = (0.25, 0.1, 0.1)  # ... in OKLab


@dataclass(frozen=True)
class Layout:
    """Where in a latent what is said: how many numbers are noise, how many colours and themes follow."""

    noise: int
    colours: int = 0
    themes: int = 0

    @property
    def dims(self) -> int:
        """How long a latent is."""
        return self.noise + 4 * self.colours + self.themes

    @property
    def seen_dims(self) -> int:
        """How long what `see` gives is."""
        return self.dims + bool(self.themes)

    def palettes(self, latents: Tensor) -> Tensor:
        """(..., dims) -> (..., K, 4), a view."""
        return latents[..., self.noise : self.noise + 4 * self.colours].unflatten(-1, (self.colours, 4))

    def themes_of(self, latents: Tensor) -> Tensor:
        """(..., dims) -> (..., T), a view."""
        return latents[..., self.noise + 4 * self.colours :]

    def see(self, latents: Tensor) -> Tensor:
        """(B, dims) -> (B, seen_dims): as a network likes its inputs, and with a 1 where no theme is said."""
        parts = [latents[:, : self.noise]]
        if self.colours:
            palettes = self.palettes(latents)
            middle, spread = palettes.new_tensor(_MIDDLE), palettes.new_tensor(_SPREAD)
            colours = (palettes[..., :3] - middle) / spread
            parts += [colours.flatten(1), 2 * palettes[..., 3].sqrt()]
        if self.themes:
            themes = self.themes_of(latents)
            parts += [themes, 1 - themes.amax(1, keepdim=True).clamp(0, 1)]
        return torch.cat(parts, 1)


def filled(palettes: Tensor) -> Tensor:
    """(..., K, 4) with the first colour also where there is none, its share still 0: on the way to a palette
    with more colours nothing then comes out of black."""  # fmt: skip
    colours = torch.where(palettes[..., 3:] > 0, palettes[..., :3], palettes[..., :1, :3])
    return torch.cat((colours, palettes[..., 3:]), -1)


def histogram(palettes: Tensor) -> Tensor:
    """(B, K, 4) -> (B, 64), of unit length: how much there is of the colours about each of 64 places.

    The order of the colours does not matter. Roots of shares: a small accent is seen as well.
    """
    anchors = oklab_from_srgb(_cube().to(palettes.device))
    apart = colour_distance(palettes[:, :, None, :3], anchors)
    near = torch.softmax(-((apart / ANCHOR_REACH) ** 2) / 2, 2)
    shares = palettes[..., 3:].clamp(min=0)
    return F.normalize((near * shares).sum(1).clamp(min=1e-8).sqrt(), dim=1)


def _cube() -> Tensor:
    steps = torch.linspace(0, 1, ANCHORS)
    return torch.cartesian_prod(steps, steps, steps)


def complete(own: Tensor, asked: Tensor) -> Tensor:
    """The palettes (B, K, 4) that pictures shall have, whose `own` are (B, K, 4), when `asked` is requested.

    Requests are as in oklab.py: colours with ones for shares replace the colours of their own that are near
    them or cover much, and the others stay; with shares below 1 they are the whole palette, and what they
    leave takes the nearest of them. No colour of a picture is lost or added otherwise, so that what is drawn
    stays what it is. In which order colours are asked for does not matter. Nothing asked for changes nothing.
    """
    own, size = filled(own), own.shape[1]
    wanted = asked[..., 3] > 0
    whole = wanted.any(1) & ~((asked[..., 3] >= 1) & wanted).any(1)
    apart = colour_distance(asked[:, :, None, :3], own[:, None, :, :3])
    shares = own[:, None, :, 3]
    # Whole palettes go by how much there is of a colour first: the ground takes the ground's.
    cost = torch.where(whole[:, None, None], (asked[..., 3:] - shares).abs() + 0.25 * apart, apart - SIZE_COUNTS * shares)
    cost = (cost + EMPTY_COSTS * (shares <= 0)) * wanted[..., None]
    orders = torch.tensor(list(itertools.permutations(range(size))), device=own.device)  # (K!, K)
    rows = torch.arange(size, device=own.device)
    place = orders[cost[:, rows, orders].sum(2).argmin(1)]  # (B, K): where each colour asked for goes
    from_where = torch.full_like(place, -1).scatter(1, place, torch.where(wanted, rows, -1))  # (B, K) by slot
    # Of whole palettes, what is left of its own takes the nearest that is asked for.
    nearest = torch.where(wanted[..., None], apart, torch.inf).argmin(1)
    there = own[..., 3] > 0
    from_where = torch.where(whole[:, None] & there & (from_where < 0), nearest, from_where)
    replaced = from_where >= 0
    new = asked.gather(1, from_where.clamp(min=0)[..., None].expand(-1, -1, 4))
    colours = torch.where(replaced[..., None], new[..., :3], own[..., :3])
    # Several places of one colour divide its share as theirs were; a colour asked for is at least a touch.
    taken = F.one_hot(from_where.clamp(min=0), size) * replaced[..., None] * own[..., 3:].clamp(min=1e-3)
    part = taken / taken.sum(1, keepdim=True).clamp(min=1e-12)
    whole_shares = (part * asked[:, None, :, 3]).sum(2)
    some_shares = torch.where(replaced, own[..., 3].clamp(min=A_TOUCH), own[..., 3])
    share = torch.where(whole[:, None], whole_shares, some_shares)
    share = share / share.sum(1, keepdim=True).clamp(min=1e-12)
    changed = torch.cat((colours, share[..., None]), 2)
    return torch.where(wanted.any(1)[:, None, None], changed, own)


def painted(palettes: Tensor, channels: int) -> Tensor:
    """The colours of (..., K, 4) as a picture has them, (..., K, channels) in [-1, 1]; alpha is opaque."""
    colours = srgb_from_oklab(palettes[..., :3]).clamp(0, 1) * 2 - 1
    return F.pad(colours, (0, channels - 3), value=1.0)


def transfer(images: Tensor, own: Tensor, new: Tensor, page: Tensor, page_share: Tensor) -> Tensor:
    """Pictures (B, C, H, W) of palettes `own` in the palettes `new`, both (B, K, 4).

    Each pixel moves as the colours do that it is made of (after Chang et al. 2015): by how likely it belongs
    to each of its palette, or to the `page` (C,), of which pictures have `page_share` () on average and which
    stays.
    """
    channels = images.shape[1]
    before, after = painted(own, channels), painted(new, channels)
    pixels = images.flatten(2).transpose(1, 2)  # (B, HW, C)
    anchors = torch.cat((before, page.expand(len(images), 1, -1)), 1)
    prior = torch.cat((own[..., 3] * (1 - page_share), page_share.expand(len(images), 1)), 1)
    apart = torch.cdist(pixels, anchors)
    belongs = torch.softmax(prior.log()[:, None] - (apart / REACH) ** 2 / 2, 2)
    moved = pixels + belongs[..., :-1] @ (after - before)
    return moved.transpose(1, 2).view_as(images)
