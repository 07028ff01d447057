"""A picture in the colours that were asked for, its shapes, shades and page kept.

The palette of a picture is found (palettes.py), each of its colours is given one of those asked for, and
every pixel moves as the colours do that it is made of (after Chang et al. 2015, "Palette-based Photo
Recoloring"). What a pixel on the edge of the page is made of is the page and one colour.

A generator that was told palettes while it learned obeyed half as well as this, and its pictures were worse
(docs/research.md). This is a function of the picture alone: it works on every model's, and where nothing is
asked for nothing happens.
"""

import itertools

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.data.colours import request_of
from impasto.image.oklab import colour_distance, oklab_of, palette_difference, srgb_from_oklab
from impasto.image.palettes import hex_to_oklab, page_of, palettes_of
from impasto.tasks.generation.sampling.latents import Colouring

REACH = 0.03  # OKLab: how far from a colour of the palette pixels belong to it rather than to the next
PASSES = 5  # of whole palettes: what is found after one is put right by the next
SIZE_COUNTS = 0.5  # OKLab: a colour on all of a picture is so much nearer to a request than one on nothing
INK, LIFT = 0.35, 0.35  # OKLab's lightness: of outlines; how much lighter these may become
BENDS, TEARS, MOVES = 0.02, 0.1, 0.02  # weights in `assign`
TORN = 2.0  # times as far apart as they were: two shades of one thing become two things
BLEND = 0.04  # sRGB: how near a pixel must be to a blend of the page and a colour to be one


def coloured(image: Tensor, colouring: Colouring, background: str) -> Tensor:
    """A picture (1, C, H, W) in its colours; a blend of several is one of the picture in each."""
    if colouring == ((1.0, None),):
        return image
    parts = []
    for weight, asked in colouring:
        part = image
        if asked is not None:
            request = request_of(asked.colours)[None].to(image.device)
            part = repaint(image.clamp(-1, 1), request, background)
        parts.append(weight * part)
    return torch.stack(parts).sum(0)


def repaint(images: Tensor, asked: Tensor, background: str = "#ffffff") -> Tensor:
    """Pictures (B, 3 or 4, H, W) in [-1, 1] in the colours asked for, (B, K, 4): a request as in oklab.py.

    Colours with ones for shares replace the colours of the picture that are near them or cover much, and the
    others stay; with shares below 1 they are the whole palette. The order of colours does not matter. Alpha
    and the page, of the colour `background`, stay. Each picture is what it is alone.
    """
    made = [
        _repaint(image[None], request[None], background) for image, request in zip(images, asked, strict=True)
    ]
    return torch.cat(made)


def _repaint(image: Tensor, asked: Tensor, background: str) -> Tensor:
    asked = _in_order(asked)
    wanted = asked[0, asked[0, :, 3] > 0]
    if not len(wanted):
        return image
    whole = not bool((wanted[:, 3] >= 1).any())
    for _ in range(PASSES if whole else 1):
        own = palettes_of(image, asked.shape[1], background)[0]
        own = own[own[:, 3] > 0]
        given = wanted[assign(own, wanted)] if whole else replaced(own, wanted)
        image = shifted(image, own, given[:, :3], background)
    return image


def _in_order(asked: Tensor) -> Tensor:
    """The rows of (1, K, 4) sorted: sums and ties are then the same in whatever order they were given."""
    keys = asked[0].tolist()
    return asked[:, sorted(range(len(keys)), key=lambda row: keys[row])]


def replaced(own: Tensor, asked: Tensor) -> Tensor:
    """What becomes of the colours `own` (S, 4) where some colours (n, 3 or 4) are asked for: (S, 3).

    Each of those takes the place of one, the nearest if that is not small, so that all of them together move
    least; where the picture has fewer colours than are asked for, those that fit best are taken. Outlines
    become light only where nothing else is there.
    """
    apart = colour_distance(asked[:, None, :3], own[None, :, :3]) - SIZE_COUNTS * own[:, 3]  # (n, S)
    fits = (own[None, :, 0] >= INK) | (asked[:, None, 0] - own[None, :, 0] <= LIFT)
    if fits.any():
        apart = torch.where(fits, apart, torch.inf)
    best, places = torch.inf, None
    for count in range(min(len(asked), len(own)), 0, -1):
        for rows in itertools.combinations(range(len(asked)), count):
            for slots in itertools.permutations(range(len(own)), count):
                cost = float(apart[list(rows), list(slots)].sum())
                if cost < best:
                    best, places = cost, (rows, slots)
        if places is not None:
            break
    assert places is not None  # one at least fits
    given = own[:, :3].clone()
    given[list(places[1])] = asked[list(places[0]), :3]
    return given


def assign(own: Tensor, asked: Tensor) -> Tensor:
    """Which of the colours asked for (n, 4) each of a picture's (S, 4) becomes, so that shares are met: (S,).

    The smallest of: how unlike the palettes are (`oklab.palette_difference`), how far colours move, how much
    their distances change, and how much shades of one thing are torn apart, which would break its outline.
    By exchanges from three starts.
    """
    size, count = len(own), len(asked)
    shares = own[:, 3]
    together = (shares[:, None] * shares).sqrt()
    before = colour_distance(own[:, None, :3], own[None, :, :3])
    moves = colour_distance(own[:, None, :3], asked[None, :, :3]) * shares[:, None]

    def cost(maps: Tensor) -> Tensor:
        """(M, S) -> (M,)."""
        met = own.new_zeros(len(maps), count).scatter_add_(1, maps, shares.expand(len(maps), -1))
        palettes = torch.cat((asked[:, :3].expand(len(maps), -1, -1), met[..., None]), 2)
        unlike = palette_difference(asked.expand(len(maps), -1, -1), palettes)
        colours = asked[:, :3][maps]
        after = colour_distance(colours[:, :, None], colours[:, None])
        bent = ((before - after).abs() * together).sum((1, 2)) / 2
        torn = ((after - TORN * before).clamp(min=0) * together).sum((1, 2)) / 2
        moved = moves.gather(1, maps.T).sum(0)
        return unlike + BENDS * bent + TEARS * torn + MOVES * moved

    best, least = torch.zeros(size, dtype=torch.int64), torch.inf
    for start in (moves.argmin(1), _by_share(shares, asked[:, 3]), torch.arange(size) % count):
        at, reached = start, float(cost(start[None]))
        while True:
            near = _exchanges(at, count)
            costs = cost(near)
            if float(costs.min()) >= reached - 1e-6:
                break
            at, reached = near[costs.argmin()], float(costs.min())
        if reached < least:
            best, least = at, reached
    return best


def _by_share(shares: Tensor, wanted: Tensor) -> Tensor:
    """The largest goes where most is left."""
    left, places = wanted.clone(), torch.zeros(len(shares), dtype=torch.int64)
    for slot in shares.argsort(descending=True, stable=True).tolist():
        places[slot] = left.argmax()
        left[places[slot]] -= shares[slot]
    return places


def _exchanges(at: Tensor, count: int) -> Tensor:
    """All maps (M, S) that differ from (S,) in one place, or by exchanging two."""
    size = len(at)
    changed = at.repeat(size * count, 1)
    changed[torch.arange(size * count), torch.arange(size).repeat_interleave(count)] = torch.arange(
        count
    ).repeat(size)
    pairs = torch.tensor(list(itertools.combinations(range(size), 2)), dtype=torch.int64).view(-1, 2)
    swapped, rows = at.repeat(len(pairs), 1), torch.arange(len(pairs))
    swapped[rows, pairs[:, 0]], swapped[rows, pairs[:, 1]] = at[pairs[:, 1]], at[pairs[:, 0]]
    return torch.cat((changed, swapped))


def shifted(image: Tensor, own: Tensor, given: Tensor, background: str) -> Tensor:
    """A picture in other colours, (1, C, H, W) in [-1, 1]; what is page keeps its colour.

    Args:
        image: The picture, (1, 3 or 4, H, W) in [-1, 1]. Alpha stays.
        own: Its palette, (S, 4): colours in OKLab and the share of each, above 0.
        given: What each of these colours becomes, (S, 3), in OKLab.
        background: Colour of the page, "#rrggbb".
    """
    _, _, height, width = image.shape
    pixels = oklab_of(image[:, :3])[0]
    apart = (pixels[:, None] - own[:, :3]).square().sum(2)
    belongs = torch.softmax(own[:, 3].log() / 2 - apart / (2 * REACH**2), 1)
    made = srgb_from_oklab(pixels + belongs @ (given - own[:, :3])).clamp(0, 1)

    page = page_of(image, background)
    old, paper = (image[0, :3].flatten(1).T + 1) / 2, srgb_from_oklab(hex_to_oklab(background).to(image))
    share, colour = _blends(old, srgb_from_oklab(own[:, :3]), paper)
    beside = F.max_pool2d(page[:, None].float(), 3, stride=1, padding=1)[0, 0].flatten().bool()
    blended = beside & (share > 0)
    mixed = share[:, None] * paper + (1 - share[:, None]) * srgb_from_oklab(given).clamp(0, 1)[colour]
    made = torch.where(blended[:, None], mixed, made)
    made = torch.where(page.flatten()[:, None], old, made)
    colours = (made * 2 - 1).T.view(1, 3, height, width)
    return torch.cat((colours, image[:, 3:]), 1)


def _blends(pixels: Tensor, colours: Tensor, paper: Tensor) -> tuple[Tensor, Tensor]:
    """Of pixels (N, 3): how much of each is paper, (N,), 0 for what is no blend, and what colour the rest is.

    Where several colours explain a pixel it is the one that is farthest from the paper: an outline.
    """
    way = paper - colours  # (S, 3)
    along = ((pixels[:, None] - colours) * way).sum(2) / way.square().sum(1).clamp(min=1e-6)
    share = along.clamp(0, 1)
    missed = (pixels[:, None] - colours - share[..., None] * way).norm(dim=2)
    share = torch.where(missed < BLEND, share, -1.0)
    most = share.max(1)
    return most.values.clamp(min=0), most.indices
