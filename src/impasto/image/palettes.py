"""The palette of a picture: its few dominant colours and how much of the picture each covers.

What counts as the picture: everything but the page it lies on. The page is what is transparent, and what has
the colour of the background (white, unless the config says otherwise) and can be reached from the edge of
the picture without crossing anything else. White that is enclosed, as the white of an eye, is a colour like
any other; a flat ground of another colour is one too: somebody chose it. Of a blank picture the page is the
colour.

Pixels in which an edge blends two colours are counted little: nobody painted with those.
"""

import torch
from torch import Tensor

from impasto.image.oklab import oklab_from_srgb, oklab_of

COLOURS = 5
PAGE_REACH = 0.05  # OKLab: what is this near to the background's colour may be page
_SEEDS = 12  # clusters to begin with: a small accent gets one of its own before they are merged
_ROUNDS = 8
_SAME = 0.06  # OKLab: clusters nearer than this are one colour, in two lights or blurred by a file format
_LEAST = 0.01  # a colour on a smaller share of the picture is a speck
_EDGE = 0.08  # OKLab: a pixel this far from its neighbours on both sides counts half
_BLENDED, _BESIDE = 0.5, 0.05  # see `_without_blends`
_BINS = 16  # steps of each channel: pixels of one bin are taken together


def page_of(images: Tensor, background: str = "#ffffff") -> Tensor:
    """(B, 1, 3 or 4, H, W) in [-1, 1] -> (B, H, W) bool: where the page shows, as the module says."""
    batch, channels, height, width = images.shape
    clear = images[:, 3] < 0 if channels == 4 else images.new_zeros(batch, height, width).bool()
    paper = (oklab_of(images[:, :3]) - hex_to_oklab(background).to(images.device)).norm(dim=-1) < PAGE_REACH
    return _reached_from_edge(paper.view(batch, height, width) | clear)


def _reached_from_edge(open_: Tensor) -> Tensor:
    """(B, H, W) bool -> the same where one can walk to the edge of the picture without leaving True."""
    reached = open_.clone()
    reached[:, 1:-1, 1:-1] = False
    count = -1
    while count != (count := int(reached.sum())):
        for _ in range(2):
            reached = _swept(open_, reached)
            reached = _swept(open_.transpose(1, 2), reached.transpose(1, 2)).transpose(1, 2)
    return reached


def _swept(open_: Tensor, reached: Tensor) -> Tensor:
    """What is reached spreads along each row, both ways, until something closed is in the way."""
    places = torch.arange(1, open_.shape[2] + 1, device=open_.device, dtype=torch.int16)
    for _ in range(2):
        wall = (places * ~open_).cummax(2).values
        reached = open_ & ((places * reached).cummax(2).values > wall)
        open_, reached = open_.flip(2), reached.flip(2)
    return reached


def shares_of(images: Tensor, background: str = "#ffffff") -> Tensor:
    """(B, C, H, W) in [-1, 1] -> (B, H W): what part of the picture each pixel is. Of the page, none."""
    page = page_of(images, background).flatten(1)
    counted = (~page | page.all(1, keepdim=True)).float()
    return counted / counted.sum(1, keepdim=True)


def ask_for_some(palettes: Tensor, generator: torch.Generator) -> Tensor:
    """Requests as people make them, out of the palettes of pictures: (B, K, 4) -> (B, K, 4).

    Of each palette none to all of its colours, every number as likely; a colour that covers much is rather
    chosen. What is asked for stands first, in random order, with ones for shares. `generator` is on the CPU.
    """
    batch, size, _ = palettes.shape
    there = palettes[..., 3] > 0
    dice = torch.rand(batch, size + 1, generator=generator).to(palettes.device)
    number = (dice[:, -1] * (there.sum(1) + 1)).long()
    # The lowest of exponential times, each at the rate of its share: drawn without putting back by share.
    times = torch.where(there, -dice[:, :-1].clamp(min=1e-12).log() / palettes[..., 3], torch.inf)
    order = times.sort(dim=1, stable=True).indices
    asked = palettes.gather(1, order[..., None].expand(-1, -1, 4)).clone()
    asked[torch.arange(size, device=palettes.device) >= number[:, None]] = 0
    asked[..., 3] = (asked[..., 3] > 0).to(asked.dtype)
    return asked


def hex_to_oklab(colour: str) -> Tensor:
    """'#rrggbb' -> (3,) OKLab."""
    return oklab_from_srgb(torch.tensor(list(bytes.fromhex(colour.removeprefix("#")))) / 255)


@torch.no_grad()
def palettes_of(images: Tensor, count: int = COLOURS, background: str = "#ffffff") -> Tensor:
    """(B, 1, 3 or 4, H, W) in [-1, 1] -> (B, count, 4): OKLab and share, the largest share first.

    Shares add up to 1; where a picture has fewer colours the last rows are 0. Nothing is drawn at random, and
    a picture's palette is the same in any batch. A picture of 64 px takes 2 ms; large ones should be reduced
    first. Raises `ValueError` for another shape.
    """
    if images.shape[1] not in (1, 3, 4) or min(images.shape[2:]) < 3:
        raise ValueError(
            f"pictures must be (B, 1 or 3 or 4, H, W) of 3 px or more, not {tuple(images.shape)}"
        )
    colours = oklab_of(images[:, :3])
    area = (shares_of(images, background) > 0).float()
    counted = _flatness(colours.view(len(images), *images.shape[2:], 3)) * area
    clusters = _clustered(_cells(colours, counted, area))
    ground = hex_to_oklab(background).to(images.device)
    return _largest(_merged(_without_blends(clusters, ground), count), count)


def common_palette(palettes: Tensor, count: int) -> Tensor:
    """The palette of many pictures, each weighing the same, from their palettes: (B, K, 4) -> (count, 4)."""
    cells = torch.cat((palettes, palettes[..., 3:]), 2).flatten(0, 1)[None]
    # From as many seeds as colours: of palettes none is a blend, and merged ones would be colours of nothing.
    return _largest(_merged(_clustered(cells, count), count), count)[0]


def _largest(clusters: Tensor, count: int) -> Tensor:
    """(B, S, 5) clusters -> (B, count, 4): the largest, without specks, with shares that add up to 1."""
    clusters[..., 3] /= clusters[..., 3].sum(1, keepdim=True)
    order = clusters[..., 3].sort(dim=1, descending=True, stable=True).indices[:, :count]
    found = clusters[..., :4].gather(1, order[..., None].expand(-1, -1, 4))
    found = found * (found[..., 3:] >= _LEAST)
    return torch.cat((found[..., :3], found[..., 3:] / found[..., 3:].sum(1, keepdim=True)), 2)


def _flatness(grid: Tensor) -> Tensor:
    """(B, H, W, 3) OKLab -> (B, H W) in (0, 1]: little where a pixel's colour lies between its neighbours'.

    A thin line lies between nothing: it is darker, or lighter, than both its sides.
    """
    edge = torch.maximum(_slope(grid, 1), _slope(grid, 2)) / _EDGE**2
    return (1 / (1 + edge)).flatten(1)


def _slope(grid: Tensor, dim: int) -> Tensor:
    """(B, H, W, 3) -> (B, H, W): how far a pixel is from one neighbour times how far it is from the other.

    Along `dim`; 0 where it does not lie between them.
    """
    steps = grid.diff(dim=dim)
    before, after = steps.narrow(dim, 0, steps.shape[dim] - 1), steps.narrow(dim, 1, steps.shape[dim] - 1)
    inner = (before * after).sum(-1).clamp(min=0)
    rim = torch.zeros_like(grid[..., 0]).narrow(dim, 0, 1)
    return torch.cat((rim, inner, rim), dim)


def _cells(colours: Tensor, counted: Tensor, pixels: Tensor) -> Tensor:
    """Pixels (B, N, 3) that are all but the same, taken together: (B, M, 5), mean colour, weight, area.

    Weights are sums of `counted`, areas of `pixels`, both (B, N).
    """
    low = colours.new_tensor((0.0, -0.5, -0.5))
    steps = ((colours - low) * _BINS).long().clamp(0, _BINS - 1)
    label = (steps[..., 0] * _BINS + steps[..., 1]) * _BINS + steps[..., 2]
    sums = colours.new_zeros(len(colours), _BINS**3, 5)
    weighted = torch.cat((colours * counted[..., None], counted[..., None], pixels[..., None]), 2)
    sums.scatter_add_(1, label[..., None].expand(-1, -1, 5), weighted)
    used = (sums[..., 3] > 0).int()
    most = int(used.sum(1).max())
    places = used.sort(dim=1, descending=True, stable=True).indices[:, :most]
    return _mean(sums.gather(1, places[..., None].expand(-1, -1, 5)))


def _mean(sums: Tensor) -> Tensor:
    """(B, M, 5): sums of colour times weight become mean colours; weights and areas stay."""
    return torch.cat((sums[..., :3] / sums[..., 3:4].clamp(min=1e-12), sums[..., 3:]), 2)


def _clustered(cells: Tensor, seeds: int = _SEEDS) -> Tensor:
    """k-means of (B, M, 5) from seeds that are far apart: (B, S, 5). Shares of 0 are clusters of nothing."""
    rows = torch.arange(len(cells), device=cells.device)
    colours, weight = cells[..., :3], cells[..., 3]
    centre = (colours * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)
    far = torch.full_like(weight, torch.inf)
    starts = []
    for _ in range(seeds):  # each as far as can be from those before it
        far = torch.minimum(far, (colours - centre[:, None]).square().sum(2))
        # The root: a colour must be there, but how much of it there is counts less than that it is another.
        centre = colours[rows, (far * weight.sqrt()).argmax(1)]
        starts.append(centre)
    centres = torch.stack(starts, 1)
    weighted = torch.cat((colours * weight[..., None], cells[..., 3:]), 2)
    for _ in range(_ROUNDS):
        label = (colours[:, :, None] - centres[:, None]).square().sum(3).argmin(2)
        sums = cells.new_zeros(len(cells), seeds, 5)
        sums.scatter_add_(1, label[..., None].expand(-1, -1, 5), weighted)
        clusters = _mean(sums)
        centres = torch.where(clusters[..., 3:4] > 0, clusters[..., :3], centres)
    return clusters


def _without_blends(clusters: Tensor, ground: Tensor) -> Tensor:
    """The same where clusters that are nothing but blended edges have a share of 0.

    Such a one lies between two others, or another and the page (`ground`), and where its pixels are the
    picture is so steep that they count for less than `_BLENDED` of their area.
    """
    batch = len(clusters)
    alive = clusters[..., 3] > 0
    ends = torch.cat((clusters[..., :3], ground.expand(batch, 1, 3)), 1)
    there = torch.cat((alive, alive.new_ones(batch, 1)), 1)
    line = ends[:, None] - ends[:, :, None]  # (B, from, to, 3)
    point = clusters[:, :, None, None, :3] - ends[:, None, :, None]  # (B, S, from, 1, 3)
    along = (point * line[:, None]).sum(4) / line.square().sum(3).clamp(min=1e-12)[:, None]
    beside = (point - along[..., None] * line[:, None]).norm(dim=4)
    between = (along > 0.1) & (along < 0.9) & (beside < _BESIDE)
    between &= (line.norm(dim=3) > 4 * _BESIDE)[:, None]
    between &= there[:, None, :, None] & there[:, None, None, :]
    blended = between.flatten(2).any(2) & (clusters[..., 3] < _BLENDED * clusters[..., 4])
    kept: Tensor = clusters * (~blended | (blended | ~alive).all(1, keepdim=True))[..., None]
    return kept


def _merged(clusters: Tensor, count: int) -> Tensor:
    """Join the two most alike clusters while there are more than `count`, or two are the same."""
    rows = torch.arange(len(clusters), device=clusters.device)
    size = clusters.shape[1]
    pairs = torch.ones(size, size, device=clusters.device).triu(1).bool()
    for _ in range(size - 1):
        colours, share = clusters[..., :3], clusters[..., 3]
        alive = share > 0
        gap = (colours[:, :, None] - colours[:, None]).norm(dim=-1)
        both = alive[:, :, None] & alive[:, None] & pairs
        small = share[:, :, None] * share[:, None] / (share[:, :, None] + share[:, None]).clamp(min=1e-12)
        # Between Ward's rule, which gives up small accents, and plain distance, which keeps every speck.
        cost = torch.where(both, gap * small**0.5, torch.inf).flatten(1)
        gap = torch.where(both, gap, torch.inf).flatten(1)
        same = gap.amin(1) < _SAME
        pick = torch.where(same, gap.argmin(1), cost.argmin(1))
        join = same | (alive.sum(1) > count)
        r, one, other = rows[join], (pick // size)[join], (pick % size)[join]
        a, b = clusters[r, one], clusters[r, other]
        total = a + b
        total[:, :3] = (a[:, :3] * a[:, 3:4] + b[:, :3] * b[:, 3:4]) / total[:, 3:4]
        clusters = clusters.clone()
        clusters[r, one], clusters[r, other] = total, 0
    return clusters
