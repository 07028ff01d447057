"""The demo's report: one HTML page that holds its pictures and fetches nothing. Light to import."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

WIDTH, HEIGHT = 420, 220  # of a chart, in px
LEFT, ABOVE, BELOW = 48, 44, 34  # room for words around the lines


@dataclass(frozen=True)
class Picture:
    """An encoded picture and what a person who cannot see it should be told."""

    data: bytes
    words: str
    kind: str = "png"

    @property
    def tag(self) -> str:
        """The picture as HTML, the data inside."""
        text = base64.b64encode(self.data).decode()
        return f'<img src="data:image/{self.kind};base64,{text}" alt="{html.escape(self.words, quote=True)}">'


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name, and points (x, y) in the order of x."""

    name: str
    points: Sequence[tuple[float, float]]


def page(title: str, lead: str, sections: Iterable[str], foot: str) -> str:
    """The whole page. `lead` and `foot` are text; sections are HTML that the functions below made."""
    folder = Path(__file__).parent
    return Template((folder / "demo_page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        lead=html.escape(lead),
        style=(folder / "demo_page.css").read_text(encoding="utf-8"),
        sections="\n".join(sections),
        foot=html.escape(foot),
    )


def section(title: str, words: str, *parts: str) -> str:
    """A heading, a paragraph of text, and HTML below."""
    return f"<section><h2>{html.escape(title)}</h2><p>{html.escape(words)}</p>{''.join(parts)}</section>"


def figure(picture: Picture, caption: str, kind: str = "") -> str:
    """A picture with words below; `kind` is a class of demo_page.css."""
    return f'<figure class="{kind}">{picture.tag}<figcaption>{html.escape(caption)}</figcaption></figure>'


def row(*parts: str) -> str:
    """Parts beside each other where there is room."""
    return f'<div class="row">{"".join(parts)}</div>'


def before_after(before: Picture, after: Picture, caption: str) -> str:
    """Two pictures of one size, one over the other, with a slider between them."""
    slider = (
        '<input type="range" min="0" max="100" value="50" aria-label="how much of it is seen" '
        "oninput=\"this.parentNode.style.setProperty('--at', this.value + '%')\">"
    )
    return (
        f'<figure><div class="compare"><div>{after.tag}</div><div class="before">{before.tag}</div>'
        f"{slider}</div><figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def sheet(rows: Mapping[str, Sequence[Picture]], palettes: Sequence[Sequence[str]]) -> str:
    """Pictures by what was asked of them: a row for each name, a column for each palette of CSS colours.

    An empty palette is the column of those of which no colours were asked.
    """
    heads = "".join(f"<th>{_swatches(palette)}</th>" for palette in palettes)
    lines = "".join(
        f"<tr><th>{html.escape(name)}</th>{''.join(f'<td>{picture.tag}</td>' for picture in pictures)}</tr>"
        for name, pictures in rows.items()
    )
    return f'<div class="wide"><table class="sheet"><tr><td></td>{heads}</tr>{lines}</table></div>'


def chart(lines: Sequence[Line], x_name: str, top: float | None = None, level: float | None = None) -> str:
    """Lines over a common x from 0, y from 0 to `top` (the largest value where None), as SVG.

    `level` draws a dashed line. Nothing for lines without points.
    """
    lines = [line for line in lines if line.points]
    if not lines:
        return ""
    right = max(x for line in lines for x, _ in line.points) or 1.0
    top = top or max(y for line in lines for _, y in line.points) or 1.0

    def place(x: float, y: float) -> str:
        across, up = WIDTH - LEFT - 8, HEIGHT - ABOVE - BELOW
        return f"{LEFT + x / right * across:.1f},{HEIGHT - BELOW - min(y / top, 1) * up:.1f}"

    drawn = [f'<polyline class="axis" points="{place(0, top)} {place(0, 0)} {place(right, 0)}"/>']
    if level is not None:
        drawn.append(f'<polyline class="level" points="{place(0, level)} {place(right, level)}"/>')
    for number, line in enumerate(lines):
        points = " ".join(place(x, y) for x, y in line.points)
        drawn.append(f'<polyline class="line{number}" points="{points}"/>')
        name = html.escape(f"{line.name}: {line.points[-1][1]:.2f} at last")
        drawn.append(f'<text class="line{number}" x="{LEFT}" y="{15 + 17 * number}">{name}</text>')
    end = f"{right:,.0f} {html.escape(x_name)}"
    drawn += [
        f'<text x="{LEFT - 6}" y="{ABOVE + 5}" text-anchor="end">{top:.2g}</text>',
        f'<text x="{LEFT - 6}" y="{HEIGHT - BELOW}" text-anchor="end">0</text>',
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 12}" text-anchor="end">{end}</text>',
    ]
    words = html.escape(", ".join(line.name for line in lines), quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">{"".join(drawn)}</svg>'


def table(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values."""
    lines = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows)
    return f'<table class="values">{lines}</table>'


def commands(lines: Iterable[str]) -> str:
    """What to type."""
    return f"<pre>{html.escape(chr(10).join(lines))}</pre>"


def _swatches(palette: Sequence[str]) -> str:
    if not palette:
        return "as it comes"
    return "".join(f'<i style="background:{html.escape(colour, quote=True)}"></i>' for colour in palette)
