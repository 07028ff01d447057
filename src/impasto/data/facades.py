"""Drawn facades: label maps of buildings, and plain pictures of them, to learn translation with.

The layout of a facade follows from its seed and fixes all that is where. Colours, textures and light follow
from another stream of numbers: one layout could have been drawn in many looks.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from impasto.data.samples import CREDIT_FILE, claim
from impasto.data.scan import Progress, in_threads
from impasto.errors import InputError
from impasto.files import write_bytes_atomically
from impasto.image import codec
from impasto.image.labels import from_hex, paint

LABELS = {
    "sky": "#66ccff", "ground": "#606060", "wall": "#0000b4", "roof": "#ffaa00", "cornice": "#ff5000",
    "window": "#0080ff", "shutter": "#ffee00", "sill": "#00ffc0", "balcony": "#c0ff40", "door": "#a05000",
    "shop": "#b00000",
}  # fmt: skip
NAMES = tuple(LABELS)
PALETTE = tuple(from_hex(colour) for colour in LABELS.values())
FOLDERS = "layouts", "pictures"
_TITLE = "Facades drawn by `impasto samples facades`"
_CREDIT = "{title}\n{count} pairs, {size} px, seed {seed}\n\nDrawn by Impasto, free of rights (CC0).\n"
_FINE = 2  # pictures are drawn so many times as large, and reduced

Floats = NDArray[np.float32]
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Part:
    """Something of a facade: a rectangle from (left, top) to (right, bottom) in px, or a shape in it."""

    label: str
    left: int
    top: int
    right: int
    bottom: int
    shape: Points = ()  # (x, y) from 0 to 1 in the rectangle; empty: all of it


def make_facades(
    out: Path, count: int = 400, size: int = 128, seed: int = 0, *, progress: Progress | None = None
) -> Path:
    """Draw `count` pairs as `out`/layouts/NNNN.png and `out`/pictures/NNNN.png, and return `out`.

    A second call with the same numbers finishes what a first one began.

    Args:
        out: A new folder, an empty one, or one of the same drawings.
        count: How many pairs.
        size: Their side in pixels, from 32 to 1024.
        seed: Decides all of them. The first ones are the same whatever the count.
        progress: Told how many are drawn; see `scan.Progress`. None tells nobody.

    Raises:
        InputError: `out` holds anything else, or a number is out of range.
    """
    if not 32 <= size <= 1024:
        raise InputError(f"{size} px is no size for a facade", "give a size from 32 to 1024, such as 128")
    credit = _CREDIT.format(title=_TITLE, count=count, size=size, seed=seed)
    if not claim(out, _TITLE, credit):
        if (out / CREDIT_FILE).exists():
            raise InputError(
                f"'{out}' holds other facades: of another number, size or seed", "give another folder"
            )
        write_bytes_atomically(out / CREDIT_FILE, credit.encode())
    todo = [i for i in range(count) if not all((out / name / f"{i:04}.png").exists() for name in FOLDERS)]
    for done, _ in enumerate(in_threads(functools.partial(_write, out, size, seed), todo), start=1):
        if progress:
            progress("drawing", done, len(todo))
    return out


def _write(out: Path, size: int, seed: int, index: int) -> None:
    labels, picture = draw_facade(size, (seed, index))
    for name, pixels in zip(FOLDERS, (paint(labels, PALETTE), picture), strict=True):
        path = out / name / f"{index:04}.png"
        write_bytes_atomically(path, codec.encode(pixels, path.name), durable=False)


def draw_facade(size: int, seed: tuple[int, ...], look: int = 0) -> tuple[NDArray[np.uint8], codec.Pixels]:
    """A facade of `size` px: its labels (S, S), numbers of `NAMES`, and a picture (S, S, 3) uint8 of it.

    The seed decides the layout. Of one layout there is a picture for each `look`.
    """
    parts = lay_out(size, np.random.default_rng([*seed, 0]))
    labels = np.zeros((size, size), np.uint8)
    for part in parts:
        labels[_mask(part, size, 1)] = NAMES.index(part.label)
    return labels, _Painter(size, np.random.default_rng([*seed, 1, look])).picture(parts)


def lay_out(size: int, rng: np.random.Generator) -> list[Part]:
    """The parts of a facade, those behind first: sky, building, roof, floors, openings."""

    def some(low: float, high: float) -> int:
        return round(size * rng.uniform(low, high))

    ground = size - some(0.02, 0.08)
    left, right = (some(-0.1, 0.14), size - some(-0.1, 0.14))
    left, right = max(0, left), min(size, right)
    top = some(0.05, 0.3)
    parts = [Part("sky", 0, 0, size, size), Part("ground", 0, ground, size, size)]
    if rng.random() < 0.3:  # a neighbour
        edge = (0, left) if rng.random() < 0.5 else (right, size)
        parts.append(Part("wall", edge[0], some(0.1, 0.5), edge[1], ground))
    parts.append(Part("wall", left, top, right, ground))
    parts += _roof(left, right, top, some, rng)
    floors = int(rng.integers(2, 6))
    columns = int(np.clip(round((right - left) / size * rng.uniform(2.5, 7)), 2, 7))
    height = (ground - top) / floors
    windows = _Openings(columns, left, right, size, rng)
    cornices = rng.random(3) < (0.7, 0.4, 0.5)  # below the roof, between floors, above the ground floor
    for floor in range(floors):
        upper, lower = round(top + floor * height), round(top + (floor + 1) * height)
        if cornices[0 if floor == 0 else 2 if floor == floors - 1 else 1]:
            parts.append(Part("cornice", left, upper, right, upper + max(1, round(size * 0.018))))
        if floor == floors - 1:
            parts += windows.of_ground_floor(upper, lower)
        else:
            parts += windows.of_floor(upper, lower)
    return [part for part in parts if part.right > part.left and part.bottom > part.top]


def _roof(
    left: int, right: int, top: int, some: Callable[[float, float], int], rng: np.random.Generator
) -> list[Part]:
    """A flat roof, a pitched one or a gable, perhaps with chimneys."""
    kind = rng.integers(0, 3)
    if kind == 0:
        return [Part("cornice", left, top - some(0.01, 0.03), right, top)]
    slant = float(rng.uniform(0.03, 0.2)) if kind == 1 else 0.5
    upper = max(0, top - some(0.08, 0.2))
    shape = ((0.0, 1.0), (slant, 0.0), (1 - slant, 0.0), (1.0, 1.0))
    chimneys = [
        Part("wall", x, upper - some(0.0, 0.04), x + some(0.03, 0.06), top)
        for x in rng.integers(left + (right - left) // 4, right - (right - left) // 4, rng.integers(0, 3))
    ]
    return [*chimneys, Part("roof", left, upper, right, top, shape)]


class _Openings:
    """Windows, doors and shops of one building, in columns, of one kind on all floors."""

    def __init__(self, columns: int, left: int, right: int, size: int, rng: np.random.Generator) -> None:
        self.rng, self.size = rng, size
        step = (right - left) / columns
        self.wide = max(2, round(step * rng.uniform(0.32, 0.62)))
        self.middles = [round(left + step * (i + 0.5)) for i in range(columns)]
        self.left, self.right = left, right
        self.high, self.low = rng.uniform(0.14, 0.3), rng.uniform(0.1, 0.28)
        self.shutters, self.sills = rng.random() < 0.35, rng.random() < 0.6
        self.balconies = rng.choice([0.0, 0.0, 0.25, 0.6, 1.0])

    def of_floor(self, upper: int, lower: int) -> list[Part]:
        """A row of windows, with what belongs to them."""
        height = lower - upper
        top, bottom = upper + round(height * self.high), lower - round(height * self.low)
        long = self.balconies > 0 and self.rng.random() < 0.2
        parts: list[Part] = []
        for middle in self.middles:
            if self.rng.random() < 0.04:  # a blind one
                continue
            left = middle - self.wide // 2
            right = left + self.wide
            parts.append(Part("window", left, top, right, bottom))
            if self.shutters:
                width = max(1, self.wide // 3)
                parts += [Part("shutter", x, top, x + width, bottom) for x in (left - width, right)]
            if self.rng.random() < self.balconies and not long:
                parts.append(self._balcony(left - self.wide // 4, right + self.wide // 4, bottom, height))
            elif self.sills:
                parts.append(Part("sill", left - 1, bottom, right + 1, bottom + max(1, self.size // 90)))
        if long:
            parts.append(
                self._balcony(self.middles[0] - self.wide, self.middles[-1] + self.wide, bottom, height)
            )
        return parts

    def of_ground_floor(self, upper: int, lower: int) -> list[Part]:
        """A door, and beside it shops or windows."""
        height, shops = lower - upper, self.rng.random() < 0.5
        door = int(self.rng.integers(0, len(self.middles)))
        parts: list[Part] = []
        for column, middle in enumerate(self.middles):
            half = max(2, round(self.wide * (0.5 if column == door or not shops else 0.75)))
            left, right = middle - half, middle + half
            if column == door:
                parts.append(Part("door", left, upper + round(height * 0.25), right, lower))
            elif shops:
                parts.append(
                    Part("shop", left, upper + round(height * 0.2), right, lower - round(height * 0.08))
                )
            else:
                top, bottom = upper + round(height * self.high), lower - round(height * max(0.2, self.low))
                parts.append(Part("window", left, top, right, bottom))
        return parts

    def _balcony(self, left: int, right: int, bottom: int, height: int) -> Part:
        rail = max(2, round(height * 0.22))
        return Part("balcony", max(self.left, left), bottom - rail, min(self.right, right), bottom + 1)


def _mask(part: Part, size: int, scale: int) -> NDArray[np.bool_]:
    """(S scale, S scale): where a part lies."""
    mask = Image.new("1", (size * scale, size * scale))
    left, top, right, bottom = (side * scale for side in (part.left, part.top, part.right, part.bottom))
    draw = ImageDraw.Draw(mask)
    if part.shape:
        across, down = right - left - 1, bottom - top - 1
        draw.polygon([(left + x * across, top + y * down) for x, y in part.shape], fill=1)
    else:
        draw.rectangle((left, top, right - 1, bottom - 1), fill=1)
    return np.asarray(mask)


class _Painter:
    """Draws the parts of one building in one look: its colours, textures and light, all in [0, 1]."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.rng, self.size, self.side = rng, size, size * _FINE
        hue, pale = rng.random(), rng.uniform(0.08, 0.5)
        self.wall = _colour(hue, pale, rng.uniform(0.45, 0.95))
        self.trim = _colour(hue + rng.uniform(-0.1, 0.1), pale * 0.4, rng.uniform(0.55, 1))
        self.roof = _colour(rng.choice([0.03, 0.06, 0.6]), rng.uniform(0.1, 0.6), rng.uniform(0.25, 0.6))
        self.wood = _colour(rng.random(), rng.uniform(0.2, 0.7), rng.uniform(0.2, 0.7))
        self.iron = np.full(3, rng.uniform(0.05, 0.3), np.float32)
        self.glass = _colour(rng.uniform(0.5, 0.65), rng.uniform(0.1, 0.4), rng.uniform(0.15, 0.45))
        self.awning = _colour(rng.random(), rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.9))
        self.sky = _colour(rng.uniform(0.53, 0.62), rng.uniform(0.05, 0.55), rng.uniform(0.6, 1))
        self.ground = _colour(rng.random(), 0.06, rng.uniform(0.25, 0.55))
        self.bricks, self.bars = rng.random() < 0.4, int(rng.integers(1, 4))
        self.sun = rng.choice([-1, 1]) * rng.uniform(0.0, 0.35)
        self.shade = rng.uniform(0.1, 0.5)

    def picture(self, parts: list[Part]) -> codec.Pixels:
        """(S, S, 3) uint8."""
        canvas = np.zeros((self.side, self.side, 3), np.float32)
        for part in parts:
            left, top, right, bottom = (
                max(0, side * _FINE) for side in (part.left, part.top, part.right, part.bottom)
            )
            box = np.s_[top : min(bottom, self.side), left : min(right, self.side)]
            if not canvas[box].size:
                continue
            drawn = getattr(self, f"_{part.label}")(*canvas[box].shape[:2])
            inside = _mask(part, self.size, _FINE)[box][..., None]
            canvas[box] = np.where(inside, drawn, canvas[box])
            if part.label in ("balcony", "cornice", "sill", "roof"):  # they throw a shadow on what is below
                below = np.s_[min(bottom, self.side) : bottom + self.side // 50, left:right]
                canvas[below] *= 1 - self.shade * 0.6
        across = np.linspace(-1, 1, self.side, dtype=np.float32)[None, :, None]
        canvas = canvas * (1 + self.sun * across * 0.5) + self._noise(self.side, self.side, 1) * 0.015
        fine = Image.fromarray((canvas.clip(0, 1) * 255).round().astype(np.uint8))
        return np.asarray(fine.resize((self.size, self.size), Image.Resampling.BOX))

    def _noise(self, height: int, width: int, coarse: int) -> Floats:
        """(H, W, 1) of deviation about 1, in cells of `coarse` px."""
        rows, columns = -(-height // coarse) + 1, -(-width // coarse) + 1
        cells = self.rng.standard_normal((rows, columns)).astype(np.float32)
        if coarse > 1:
            smooth = Image.fromarray(cells).resize(
                (columns * coarse, rows * coarse), Image.Resampling.BICUBIC
            )
            cells = np.asarray(smooth)
        return cells[:height, :width, None]

    def _flat(self, colour: Floats, height: int, width: int, grain: float = 0.0) -> Floats:
        plain = np.broadcast_to(colour, (height, width, 3)).astype(np.float32)
        return plain * (1 + grain * self._noise(height, width, 2)) if grain else plain.copy()

    def _sky(self, height: int, width: int) -> Floats:
        pale = np.linspace(0, 0.5, height, dtype=np.float32)[:, None, None]
        clouds = (self._noise(height, width, self.side // 5) * 0.25).clip(0, 0.5)
        drawn: Floats = self.sky + (1 - self.sky) * (pale + clouds)
        return drawn

    def _ground(self, height: int, width: int) -> Floats:
        return self._flat(self.ground, height, width, 0.06)

    def _wall(self, height: int, width: int) -> Floats:
        drawn = self._flat(self.wall, height, width, 0.03)
        drawn *= 1 + 0.05 * self._noise(height, width, max(2, self.side // 8))
        if self.bricks:
            high = max(3, self.side // 48)
            rows, columns = np.mgrid[:height, :width]
            shifted = columns + (rows // high % 2) * high
            joints = (rows % high == 0) | (shifted % (2 * high) == 0)
            drawn[joints] *= 0.82
        return drawn

    def _roof(self, height: int, width: int) -> Floats:
        drawn = self._flat(self.roof, height, width, 0.08)
        drawn[:: max(3, self.side // 50)] *= 0.75
        return drawn

    def _cornice(self, height: int, width: int) -> Floats:
        light = np.linspace(1.08, 0.8, height, dtype=np.float32)[:, None, None]
        return self._flat(self.trim, height, width, 0.02) * light

    _sill = _cornice

    def _window(self, height: int, width: int) -> Floats:
        frame = max(1, min(height, width) // 9)
        slope = np.add.outer(np.linspace(0, 1, height), np.linspace(0, 1, width)).astype(np.float32)
        drawn: Floats = (
            self.glass * (1.25 - 0.4 * slope[..., None]) + 0.12 * (np.abs(slope - 0.8) < 0.15)[..., None]
        )
        if self.rng.random() < 0.3:  # a curtain
            drawn[: int(height * self.rng.uniform(0.2, 0.9))] = self.trim * 0.9
        for column in np.linspace(0, width - frame, self.bars + 1).astype(int):
            drawn[:, column : column + frame] = self.trim
        for row in (0, int(height * 0.35), height - frame):
            drawn[row : row + frame] = self.trim
        drawn[:frame] *= 1 - self.shade
        return drawn

    def _shutter(self, height: int, width: int) -> Floats:
        drawn = self._flat(self.wood, height, width)
        drawn[:: max(2, self.side // 85)] *= 0.7
        return drawn

    def _balcony(self, height: int, width: int) -> Floats:
        drawn = self._flat(self.glass * 0.5 + self.wall * 0.3, height, width)
        step = max(3, self.side // 64)
        drawn[:, ::step] = self.iron
        drawn[: max(1, step // 2)] = self.iron
        drawn[-max(2, height // 5) :] = self.trim * 0.85
        return drawn

    def _door(self, height: int, width: int) -> Floats:
        drawn = self._flat(self.wood * 0.8, height, width, 0.03)
        edge = max(1, width // 10)
        drawn[: height // 5, edge:-edge] = self.glass
        drawn[:, width // 2 - edge // 2 : width // 2 + edge // 2 + 1] *= 0.6
        drawn[:edge] = drawn[:, :edge] = drawn[:, -edge:] = self.trim * 0.9
        return drawn

    def _shop(self, height: int, width: int) -> Floats:
        drawn = self._window(height, width)
        rows = max(1, height // 4)
        stripes = (np.arange(width) // max(2, self.side // 40) % 2)[:, None]
        drawn[:rows] = np.where(stripes, self.awning, 0.5 + self.awning / 2)[None]
        return drawn


def _colour(hue: float, saturation: float, value: float) -> Floats:
    """Red, green and blue of a hue in turns, each in [0, 1]."""
    turns = (np.array([5.0, 3.0, 1.0]) + hue % 1 * 6) % 6
    wheel = value - value * saturation * np.minimum(turns, 4 - turns).clip(0, 1)
    return np.array(wheel.tolist(), np.float32)
