"""Label maps: pictures of few colours that say what is where, and the noise that JPEG leaves around them."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import InputError

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

MOST_LABELS = 32
EXACT_COLOURS = 64  # a set of so few colours has no noise: each is a label
# Measured on CMP's facades, JPEG files of 12 colours: in flat places noise stays within 12 levels of a
# colour, and the nearest two colours are 58 apart. Drawings at JPEG quality 75 are alike.
FLAT_LEVELS = 12  # a place is flat where its 3 x 3 neighbourhood varies by no more in any channel
RADIUS = 20.0  # flat places as near as this to a colour are that colour
# Ringing around edges makes a few flat places just beyond that: clusters as near and as small beside another.
RINGING, FEW = 45.0, 0.05
LEAST_SHARE = 2e-4  # of the flat places: less is a blend of two labels, or dirt
# A photograph has flat places too, sky and walls, but they are few, or of very many colours.
LEAST_FLAT, LEAST_COVERED, LEAST_NEAR = 0.3, 0.97, 0.7
NEAR = 32.0  # a flat place whose colour is farther from all labels has none of theirs
REACH = 3  # px: a blend is one of the labels that fill flat places so near, across and down


def find_palette(layouts: Iterable[Pixels]) -> list[Colour] | None:
    """The colours of some layouts (H, W, 3) where these are label maps, commonest first, else None.

    Labels are colours that fill flat places. Blends at edges and JPEG's noise are none.
    """
    flat: dict[int, int] = {}
    every: dict[int, int] = {}
    places = 0
    for pixels in layouts:
        codes = _codes(pixels)
        _count(codes, every)
        _count(codes[_flat_places(pixels)], flat)
        places += codes.size
    if not places:
        return None
    if len(every) <= EXACT_COLOURS:
        return [_colour(code) for code in sorted(every, key=lambda code: -every[code])] or None
    if sum(flat.values()) < LEAST_FLAT * places:
        return None
    palette = _cluster(flat)
    return palette if palette and _share_near(every, palette) >= LEAST_NEAR else None


def _cluster(flat: dict[int, int]) -> list[Colour] | None:
    """The centres of the colours of flat places; None where they are too many, or leave too much over."""
    colours, counts = _table(flat)
    total, covered = counts.sum(), 0
    palette: list[Colour] = []
    sizes: list[int] = []
    left = np.ones(len(counts), np.bool_)
    while left.any() and len(palette) <= MOST_LABELS:
        peak = colours[np.where(left, counts, 0).argmax()]
        near = left & (np.linalg.norm(colours - peak, axis=1) <= RADIUS)
        size = int(counts[near].sum())
        if size < LEAST_SHARE * total:
            break
        left &= ~near
        covered += size
        apart = np.linalg.norm(np.array(palette, np.float32).reshape(-1, 3) - peak, axis=1)
        if not ((apart <= RINGING) & (np.array(sizes) * FEW >= size)).any():
            palette.append(_middle(colours[near], counts[near]))
            sizes.append(size)
    return palette if len(palette) <= MOST_LABELS and covered >= LEAST_COVERED * total else None


def _share_near(counts: dict[int, int], palette: Sequence[Colour]) -> float:
    """The share of all pixels, blends too, that are near a label."""
    colours, numbers = _table(counts)
    return float(numbers[_nearest(colours, palette)[1] <= NEAR].sum() / numbers.sum())


def _nearest(
    colours: NDArray[np.float32], palette: Sequence[Colour]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The nearest label of each colour (n, 3), and how far that is."""
    best = np.zeros(len(colours), np.uint8)
    least = np.full(len(colours), np.inf, np.float32)
    for label, colour in enumerate(palette):
        apart = np.linalg.norm(colours - np.array(colour, np.float32), axis=1)
        best[apart < least] = label
        least = np.minimum(least, apart)
    return best, least


def _middle(colours: NDArray[np.float32], counts: NDArray[np.int64]) -> Colour:
    """The weighted median of each channel: JPEG's noise lies on both sides of the true colour."""
    middle = []
    for channel in colours.T:
        order = channel.argsort()
        reached = counts[order].cumsum()
        middle.append(int(channel[order][np.searchsorted(reached, reached[-1] / 2)]))
    return middle[0], middle[1], middle[2]


def index_map(pixels: Pixels, palette: Sequence[Colour]) -> tuple[NDArray[np.uint8], dict[str, int]]:
    """The label of each pixel of a layout (H, W, 3): (H, W) uint8.

    It is the nearest one. But the colour of a blend, at an edge, may be near to a third label: where it is
    not quite that, one of those that fill flat places around is taken.

    And colours that are no label, "#rrggbb" and how many pixels have each, commonest first: those in flat
    places that are farther than `NEAR` from all labels.
    """
    height, width = pixels.shape[:2]
    codes, back = np.unique(_codes(pixels), return_inverse=True)
    best, least = _nearest(_colours(codes), palette)
    labels, apart = best[back].reshape(height, width), least[back].reshape(height, width)
    flat = _flat_places(pixels)
    blends = ~flat & (apart > RADIUS)
    if blends.any():
        labels[blends] = _among_neighbours(pixels, palette, labels, flat & (apart <= NEAR), blends)
    found: dict[int, int] = {}
    _count(_codes(pixels)[flat & (apart > NEAR)], found)
    named = sorted(found.items(), key=lambda item: -item[1])
    return labels, {f"#{code:06x}": count for code, count in named}


def _among_neighbours(
    pixels: Pixels,
    palette: Sequence[Colour],
    labels: NDArray[np.uint8],
    sure: NDArray[np.bool_],
    asked: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """The nearest of those labels that a `sure` place within `REACH` has; where there is none, as it was.

    Args:
        pixels: The layout, (H, W, 3).
        palette: The colours of the labels.
        labels: The nearest label of each pixel, (H, W).
        sure: Which of these are certain, (H, W).
        asked: Of which pixels the label is looked for, (H, W), n of them.

    Returns:
        (n,) uint8.
    """
    colours, result = pixels[asked].astype(np.float32), labels[asked]
    least = np.full(len(result), np.inf, np.float32)
    for label, colour in enumerate(palette):
        mask = sure & (labels == label)
        if not mask.any():
            continue
        apart = np.where(
            _widened(mask)[asked], np.square(colours - np.array(colour, np.float32)).sum(1), np.inf
        )
        result[apart < least] = label
        least = np.minimum(least, apart)
    return result


def _widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W): the mask and all that is within `REACH` of it, across and down."""
    wide = np.pad(mask, REACH)
    for axis in (0, 1):
        length = wide.shape[axis] - 2 * REACH
        wide = np.logical_or.reduce([wide.take(range(i, i + length), axis) for i in range(2 * REACH + 1)])
    return wide


def paint(labels: NDArray[np.uint8], palette: Sequence[Colour]) -> Pixels:
    """The label map as a picture: (H, W) -> (H, W, 3)."""
    painted: Pixels = np.array(palette, np.uint8)[labels]
    return painted


def reduce_labels(labels: NDArray[np.uint8], height: int, width: int, count: int) -> NDArray[np.uint8]:
    """(H, W) label numbers at another size: each place gets the label that fills most of it."""
    if labels.shape == (height, width):
        return labels
    best = np.zeros((height, width), np.float32)
    result = np.zeros((height, width), np.uint8)
    for label in range(count):
        mask = labels == label
        if not mask.any():
            continue
        share = np.asarray(
            Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
        )
        result[share > best] = label
        best = np.maximum(best, share)
    return result


def to_hex(colour: Colour) -> str:
    """ "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def from_hex(text: str) -> Colour:
    """The numbers of "#rrggbb". Raises `InputError` for anything else."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise InputError(f"'{text}' is no colour", "write #rrggbb, such as #0000aa")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def colours_needed(layouts: Iterable[Pixels], share: float = 0.98) -> int:
    """How many colours, of 32 levels in each channel, fill this share of some pictures (H, W, 3)."""
    counts: dict[int, int] = {}
    for pixels in layouts:
        _count(_codes((pixels >> 3).astype(np.uint8)), counts)
    ordered = np.sort(np.fromiter(counts.values(), np.int64, len(counts)))[::-1].cumsum()
    return int(np.searchsorted(ordered, share * ordered[-1])) + 1


def _table(counts: dict[int, int]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Colours (n, 3) and how often each comes, (n,)."""
    codes = np.fromiter(counts, np.int64, len(counts))
    return _colours(codes), np.fromiter(counts.values(), np.int64, len(counts))


def _colours(codes: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.stack((codes >> 16, codes >> 8 & 255, codes & 255), 1).astype(np.float32)


def _codes(pixels: Pixels) -> NDArray[np.int64]:
    wide = pixels.astype(np.int64)
    codes: NDArray[np.int64] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return codes


def _colour(code: int) -> Colour:
    return code >> 16, code >> 8 & 255, code & 255


def _count(codes: NDArray[np.int64], counts: dict[int, int]) -> None:
    found, numbers = np.unique(codes, return_counts=True)
    for code, number in zip(found.tolist(), numbers.tolist(), strict=True):
        counts[code] = counts.get(code, 0) + number


def _flat_places(pixels: Pixels) -> NDArray[np.bool_]:
    """(H, W): where a pixel and its eight neighbours hardly differ. The edge of the picture repeats."""
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = [padded[i : i + pixels.shape[0]] for i in range(3)]
    low, high = np.minimum.reduce(rows), np.maximum.reduce(rows)
    columns = [slice(i, i + pixels.shape[1]) for i in range(3)]
    lowest = np.minimum.reduce([low[:, c] for c in columns])
    highest = np.maximum.reduce([high[:, c] for c in columns])
    flat: NDArray[np.bool_] = (highest - lowest <= FLAT_LEVELS).all(2)
    return flat
