"""Drawings as SVG, made here: they need no script, follow light and dark, and are sharp at any size."""

import base64
import html
import io
import math
from collections.abc import Sequence

from PIL import Image

BLUE, ORANGE = "#2563eb", "#d97706"  # both readable on white and on black
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 220, 54, 24, 10
PLANE = 400
_RAMP = ((15, 23, 42), (226, 232, 240))  # D's surface, from generated to real
_MOST_POINTS = 400

Line = Sequence[tuple[float, float]]


def lines(caption: str, series: Sequence[Line], colours: Sequence[str] = (BLUE, ORANGE)) -> str:
    """Lines over a common horizontal axis, with the ranges of both axes; nothing where none has two points.

    What is not finite is left out.
    """
    kept = [_thin([(x, y) for x, y in line if math.isfinite(x) and math.isfinite(y)]) for line in series]
    points = [point for line in kept for point in line]
    if all(len(line) < 2 for line in kept):
        return ""
    (x0, x1), (y0, y1) = (_range([point[i] for point in points]) for i in (0, 1))

    def place(point: tuple[float, float]) -> str:
        x = LEFT + (point[0] - x0) / (x1 - x0) * (WIDTH - LEFT - 8)
        return f"{x:.1f},{TOP + (y1 - point[1]) / (y1 - y0) * (HEIGHT - TOP - BOTTOM):.1f}"

    drawn = "".join(
        f'<polyline points="{" ".join(map(place, line))}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for line, colour in zip(kept, colours, strict=False)
    )
    base = HEIGHT - BOTTOM
    frame = f'<path d="M{LEFT} {TOP}V{base}H{WIDTH - 8}" fill="none" stroke="currentColor" opacity=".4"/>'
    label = '<text x="{}" y="{}" text-anchor="{}" font-size="13" fill="currentColor">{}</text>'
    marks = (
        (LEFT - 6, TOP + 10, "end", y1), (LEFT - 6, base, "end", y0),
        (LEFT, HEIGHT - 6, "start", x0), (WIDTH - 8, HEIGHT - 6, "end", x1),
    )  # fmt: skip
    texts = "".join(label.format(x, y, anchor, _number(value)) for x, y, anchor, value in marks)
    return figure(f"{_open(caption, WIDTH, HEIGHT)}{frame}{drawn}{texts}</svg>", caption)


def plane(
    caption: str, surface: Sequence[Sequence[float]], real: Sequence[Sequence[float]],
    generated: Sequence[Sequence[float]], side: float,
) -> str:  # fmt: skip
    """Points of a plane from -side to side on a surface in [0, 1], its top row first."""
    shades = [
        tuple(round(a + (b - a) * min(1.0, max(0.0, value))) for a, b in zip(*_RAMP, strict=True))
        for row in surface
        for value in (row if all(map(math.isfinite, row)) else [0.5] * len(row))
    ]
    image = Image.new("RGB", (len(surface[0]), len(surface)))
    image.putdata(shades)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    ground = base64.b64encode(buffer.getvalue()).decode()
    scale = PLANE / (2 * side)
    dots = "".join(
        f'<circle cx="{(x + side) * scale:.1f}" cy="{(side - y) * scale:.1f}" r="3" fill="{colour}"'
        ' stroke="white" stroke-width=".6"/>'
        for points, colour in ((real, BLUE), (generated, ORANGE))
        for x, y in points
        if abs(x) <= side and abs(y) <= side
    )
    picture = f'<image href="data:image/png;base64,{ground}" width="{PLANE}" height="{PLANE}"/>'
    return figure(f"{_open(caption, PLANE, PLANE)}{picture}{dots}</svg>", caption)


def figure(drawing: str, caption: str) -> str:
    """A drawing with words below it."""
    return f'<figure class="impasto-figure">{drawing}<figcaption>{html.escape(caption)}</figcaption></figure>'


def _open(caption: str, width: int, height: int) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(caption, quote=True)}">'


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Not more points than can be seen, the last among them."""
    step = max(1, math.ceil(len(points) / _MOST_POINTS))
    return points[::-1][::step][::-1]


def _range(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
