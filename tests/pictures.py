"""Ten kinds of made-up pictures, and ways in which samples of them collapse: for tests of variety.

Each kind is a function of (count, seed) to (count, 32, 32, 3) uint8; two seeds are two samples of one folder.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 32


def _drawn(count, seed, draw, background=None):
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        colour = background or tuple(rng.integers(0, 256, 3).tolist())
        image = Image.new("RGB", (4 * SIDE, 4 * SIDE), colour)
        draw(ImageDraw.Draw(image), rng)
        out.append(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX)))
    return np.stack(out)


def _colour(rng):
    return tuple(rng.integers(0, 256, 3).tolist())


def _box(rng, least=20):
    x, y = rng.integers(0, 4 * SIDE - least, 2)
    w, h = rng.integers(least, 4 * SIDE - least // 2, 2)
    return [int(x), int(y), int(x + w), int(y + h)]


def _disc(pen, rng):
    pen.ellipse(_box(rng), fill=_colour(rng))


def _boxes(pen, rng):
    for _ in range(3):
        pen.rectangle(_box(rng), fill=_colour(rng))


def _strokes(pen, rng):
    for _ in range(5):
        pen.line(rng.integers(0, 4 * SIDE, 4).tolist(), fill=_colour(rng), width=6)


def _letter(pen, rng):
    letter = chr(ord("A") + int(rng.integers(26)))
    place = tuple(rng.integers(0, 40, 2).tolist())
    pen.text(place, letter, fill=_colour(rng), font=ImageFont.load_default(size=90))


def _face(pen, rng):
    """A head, always in the middle: pictures that are much alike."""
    pen.ellipse([20, 20, 108, 108], fill=(230, 190 + int(rng.integers(-30, 30)), 80))
    for x in (48, 80):
        r = int(rng.integers(4, 14))
        pen.ellipse([x - r, 52 - r, x + r, 52 + r], fill=_colour(rng))
    pen.chord([40, 60, 88, 80 + int(rng.integers(0, 26))], 0, 180, fill=_colour(rng))


def _waves(count, seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    out = []
    for _ in range(count):
        f, g, p = rng.uniform(-4, 4), rng.uniform(-4, 4), rng.uniform(0, 6)
        wave = np.sin(2 * np.pi * (f * x + g * y) + p)[..., None] / 2 + 0.5
        one, other = rng.uniform(0, 255, (2, 3))
        out.append(wave * one + (1 - wave) * other)
    return np.stack(out).astype(np.uint8)


def _clouds(count, seed, octaves=(4, 8), tint=(1.0, 1.0, 1.0)):
    rng = np.random.default_rng(seed)
    out = np.zeros((count, SIDE, SIDE, 3))
    for i in range(count):
        for octave in octaves:
            noise = rng.integers(0, 256, (octave, octave, 3)).astype(np.uint8)
            big = Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            out[i] += np.asarray(big) / len(octaves)
        out[i] *= rng.uniform(0.6, 1, 3) * tint
    return out.astype(np.uint8)


FOLDERS = {
    "discs": lambda n, s: _drawn(n, s, _disc),
    "boxes on white": lambda n, s: _drawn(n, s, _boxes, (255, 255, 255)),
    "strokes": lambda n, s: _drawn(n, s, _strokes),
    "strokes on black": lambda n, s: _drawn(n, s, _strokes, (0, 0, 0)),
    "letters": lambda n, s: _drawn(n, s, _letter, (250, 250, 250)),
    "faces": lambda n, s: _drawn(n, s, _face, (255, 255, 255)),
    "waves": _waves,
    "clouds": _clouds,
    "fine clouds": lambda n, s: _clouds(n, s, (8, 16)),
    "warm clouds": lambda n, s: _clouds(n, s, (3, 6), (1.0, 0.8, 0.5)),
}


def one_shape(picture, count, seed=0):
    """(count, H, W, 3): one picture (H, W, 3) in random colours for each of its five levels of lightness."""
    rng = np.random.default_rng(seed)
    level = np.digitize(picture.mean(2), np.quantile(picture.mean(2), (0.2, 0.4, 0.6, 0.8)))
    return (rng.random((count, 5, 3))[:, level] * 255).astype(np.uint8)


def all_cyan(pictures):
    """The same pictures, lightness kept, in one hue."""
    return (pictures.mean(3, keepdims=True) * (0.5, 1.0, 1.0)).astype(np.uint8)


def smoothed(pictures, side):
    """The same pictures, reduced to `side` and enlarged again."""
    return np.stack(
        [
            np.asarray(
                Image.fromarray(p)
                .resize((side, side), Image.Resampling.BOX)
                .resize(p.shape[1::-1], Image.Resampling.BICUBIC)
            )
            for p in pictures
        ]
    )


def some_of(pictures, kinds, count, seed=0):
    """`count` samples that are all of the first `kinds` pictures, with a little noise."""
    rng = np.random.default_rng(seed)
    chosen = pictures[rng.integers(0, kinds, count)].astype(float)
    return np.clip(chosen + rng.normal(0, 0.5, chosen.shape), 0, 255).astype(np.uint8)


def painting(height: int = 40, width: int = 56, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8: smooth colours with an edge and a little grain."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / 5 + i) + np.cos(columns / (4 + i)) for i in range(3)]
    pixels = 128 + 40 * np.stack(waves, 2) + 30 * (rows > columns)[:, :, None]
    return (pixels + rng.normal(0, 3, pixels.shape)).clip(0, 255).astype(np.uint8)
