"""Pages, drawings and cards from templates/. All text is escaped there: names are other people's.

Drawings are SVG: they need no script, follow light and dark, and are sharp at any size.
"""

import base64
import math
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

BLUE, ORANGE = "#2563eb", "#d97706"
COLOURS = (BLUE, ORANGE, "#059669", "#db2777", "#8b5cf6", "#78716c")  # readable on white and on black
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 220, 54, 24, 10  # of a chart, in px
NAME = 17  # height of a line's name, in px
NAMES = 2 * NAME  # room for two names, kept for one: charts beside each other have equal frames
_MOST_POINTS = 400

Line = Sequence[tuple[float, float]]


def render(template: str, **given: Any) -> Markup:
    """A file of templates/ with what is given. Only a `Markup` is put in as it is."""
    return Markup(_TEMPLATES.get_template(template).render(given))


def data_url(data: bytes, kind: str = "png") -> str:
    """An encoded picture as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def chart(
    caption: str,
    lines: Sequence[Line],
    *,
    names: Sequence[str] = (),
    unit: str = "",
    from_zero: bool = False,
    highest: float | None = None,
    level: float | None = None,
    width: int = WIDTH,
) -> Markup:
    """Lines over a common horizontal axis, as a figure with an SVG drawing.

    Each line has a colour of its own. Where there are more lines than `COLOURS`, the colours come again with
    dashes, longer ones each time.

    Args:
        caption: What stands below the drawing, and what people who cannot see it are told.
        lines: The points (x, y) of each line. What is not finite is left out.
        names: A name for each line. They stand above the lines with their last values, in place of the
            caption below. Empty: there are none. Lines beyond the last name are drawn without one.
        unit: The unit of the horizontal axis.
        from_zero: Whether both axes reach to 0. Else they reach from the least value to the greatest.
        highest: The upper end of the vertical axis. None: the greatest value.
        level: Where on the vertical axis a dashed line lies. None: there is no such line.
        width: The width of the drawing in px.

    Returns:
        The figure. It is empty where no line has two points, or one point with a name.
    """
    kept = [_thin([point for point in line if all(map(math.isfinite, point))]) for line in lines]
    if max(map(len, kept), default=0) < (1 if names else 2):
        return Markup()
    (x0, x1), (y0, y1) = (_range([point[i] for line in kept for point in line], from_zero) for i in (0, 1))
    y1 = y1 if highest is None else highest
    shown = min(len(names), len(kept))
    more = max(0, NAME * shown - NAMES)  # every name beyond the second makes the drawing higher
    height = HEIGHT + more
    top, base, right = TOP + (NAMES + more) * bool(names), height - BOTTOM, width - 8

    def across(x: float) -> str:
        return f"{LEFT + (x - x0) / (x1 - x0) * (right - LEFT):.1f}"

    def up(y: float) -> str:
        return f"{base - (y - y0) / (y1 - y0) * (base - top):.1f}"

    drawn = [
        (
            COLOURS[i % len(COLOURS)],
            _dash(i // len(COLOURS)),
            " ".join(f"{across(x)},{up(y)}" for x, y in line),
            f"{names[i]}: {line[-1][1]:.2f} at last" if i < shown and line else "",
        )
        for i, line in enumerate(kept)
    ]
    return render(
        "chart.html", caption=caption, lines=drawn, named=bool(names), width=width, height=height,
        left=LEFT, right=right, top=top, base=base, level=None if level is None else up(level),
        name_height=NAME, x=(_number(x0), f"{_number(x1)} {unit}".strip()), y=(_number(y0), _number(y1)),
    )  # fmt: skip


def _dash(times: int) -> str:
    """The dashes of a line whose colour was there so many times before; the first is whole."""
    return f"{8 * times} 4" if times else ""


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Not more points than can be seen, the last among them."""
    step = max(1, math.ceil(len(points) / _MOST_POINTS))
    return points[::-1][::step][::-1]


def _range(values: list[float], from_zero: bool) -> tuple[float, float]:
    values = [0.0, *values] if from_zero else values  # a kernel distance may lie below 0
    low, high = min(values), max(values)
    if high > low:
        return low, high
    return (0.0, 1.0) if from_zero else (low - 0.5, high + 0.5)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _in_markdown(text: object) -> Markup:
    """Text without what HTML, Markdown's links, code and tables would make of it."""
    return Markup("".join(f"&#{ord(c)};" if c in "&<>`|[]\\\r\n" else c for c in str(text)))


_TEMPLATES = Environment(
    loader=PackageLoader("impasto"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["in_markdown"] = _in_markdown
