"""Large sheets of drawings, made from open sets of icons: what the upscaler `drawing-x4` learns from, and is
measured on.

    npm pack @iconify-json/twemoji @iconify-json/tabler ...  # sets of LEARNT
    python benchmarks/drawing_sheets.py *.tgz --out sheets --count 3000
    python benchmarks/drawing_sheets.py *.tgz --out held-out --count 120 --sets openmoji noto --seed 1

A sheet has a ground (even, a gradient, stripes), a few drawings of any size, turned and mirrored by chance,
lines, curves and hatching of any width, and words: what logos, comics, diagrams and scans of line art are
made of. It is one SVG, drawn at its size. OpenMoji and Noto are left out unless they are asked for, so that
they can measure. `credits.md` beside the sheets names the makers.
"""

import argparse
import colorsys
import math
import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyvips

from drawings import SKIN_TONE, read, set_of

LEARNT = (
    "twemoji", "fluent-emoji-flat", "fluent-emoji", "fxemoji", "emojione", "streamline-emojis",
    "flat-color-icons", "streamline-freehand-color", "streamline-ultimate-color", "meteocons", "circle-flags",
    "tabler", "lucide", "mdi", "game-icons",
)  # fmt: skip
FONTS = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "DejaVu Sans Condensed", "Tex Gyre Termes")
WORDS = (
    "open daily", "No 7", "Impasto", "hello!", "a quick brown fox", "WAIT...", "Menu", "3 for 2", "50 %",
    "fig. 12", "exit", "north", "x + y = 1", "Café", "2,450 m", "what?!", "Chapter 4", "SALE", "the end",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    sets = {name: read(path) for path in args.archives if (name := set_of(path)) in args.sets}
    missing = [f"@iconify-json/{name}" for name in args.sets if name not in sets]
    if missing:
        sys.exit(f"missing: npm pack {' '.join(missing)}")
    args.out.mkdir(parents=True, exist_ok=True)
    icons = {name: usable(parts["icons"]) for name, parts in sets.items()}
    for number in range(args.count):
        svg = sheet(icons, args.size, random.Random(f"{args.seed} {number}"))
        picture = pyvips.Image.svgload_buffer(svg.encode(), unlimited=True).flatten(background=255)
        picture[:3].pngsave(str(args.out / f"{number:05}.png"), compression=3)
    about = [sets[name]["info"] for name in args.sets]
    lines = [f"- {i['name']} by {i['author']['name']}, {i['license']['title']}\n" for i in about]
    (args.out / "credits.md").write_text("".join(lines), encoding="utf-8")


def usable(tree: dict[str, Any]) -> list[tuple[float, float, str]]:
    """Width, height and body of a set's icons, each drawing once whatever the colour of skin."""
    default = tree.get("width", 16), tree.get("height", 16)
    return [
        (icon.get("width", default[0]), icon.get("height", default[1]), icon["body"])
        for key, icon in tree["icons"].items()
        if not icon.get("hidden")
        and not SKIN_TONE.search(key)
        and not icon.get("left")
        and not icon.get("top")
    ]


def sheet(icons: dict[str, list[tuple[float, float, str]]], side: int, rng: random.Random) -> str:
    """One sheet as SVG. All that is chosen is drawn from `rng`."""
    dark = rng.random() < 0.25
    parts = [ground(side, dark, rng)]
    if rng.random() < 0.35:
        parts += [line(side, dark, rng) for _ in range(rng.randint(1, 12))]
    for number in range(rng.choice((1, 2, 4, 8, 16))):
        name = rng.choice(sorted(icons))
        parts.append(placed(rng.choice(icons[name]), f"i{number}", side, dark, rng))
    if rng.random() < 0.4:
        parts += [words(side, dark, rng) for _ in range(rng.randint(1, 4))]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{side}" height="{side}" viewBox="0 0 {side} {side}">{"".join(parts)}</svg>'
    )


def ground(side: int, dark: bool, rng: random.Random) -> str:
    """White, black, one colour, a gradient or stripes."""
    kind, first, second = rng.random(), colour(not dark, rng), colour(not dark, rng)
    whole = f'width="{side}" height="{side}"'
    if kind < 0.5:
        return f'<rect {whole} fill="{"black" if dark else "white"}"/>'
    if kind < 0.75:
        return f'<rect {whole} fill="{first}"/>'
    turn = f"rotate({rng.uniform(0, 180):.1f})"
    if kind < 0.9:
        stops = f'<stop stop-color="{first}"/><stop offset="1" stop-color="{second}"/>'
        inside = f'<linearGradient id="g" gradientTransform="{turn}">{stops}</linearGradient>'
    else:
        width = rng.uniform(4, 60)
        box = f'width="{2 * width:.1f}" height="{2 * width:.1f}"'
        stripe = f'<rect width="{width:.1f}" height="{2 * width:.1f}" fill="{second}"/>'
        units = f'patternUnits="userSpaceOnUse" patternTransform="{turn}"'
        inside = f'<rect {whole} fill="{first}"/><pattern id="g" {box} {units}>{stripe}</pattern>'
    return f'{inside}<rect {whole} fill="url(#g)"/>'


def colour(light: bool, rng: random.Random) -> str:
    """A colour that is light, or dark; or grey, one time in five."""
    value = rng.uniform(0.75, 1.0) if light else rng.uniform(0.0, 0.5)
    strength = rng.uniform(0.05, 0.5) if light else rng.uniform(0.2, 1.0)
    parts = colorsys.hsv_to_rgb(rng.random(), strength if rng.random() < 0.8 else 0.0, value)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def placed(icon: tuple[float, float, str], prefix: str, side: int, dark: bool, rng: random.Random) -> str:
    """A drawing somewhere on the sheet. `prefix` keeps the names inside it apart from others'."""
    width, height, body = icon
    body = re.sub(r'\bid="', f'id="{prefix}', body)
    body = re.sub(r"url\(#", f"url(#{prefix}", body)
    body = re.sub(r'href="#', f'href="#{prefix}', body)
    scale = math.exp(rng.uniform(math.log(0.08), math.log(0.95))) * side / max(width, height)
    turn = rng.uniform(0, 360) if rng.random() < 0.3 else 0.0
    mirror = -1 if rng.random() < 0.5 else 1
    x, y = (rng.uniform(0.1, 0.9) * side for _ in range(2))
    if scale * max(width, height) > 0.6 * side:
        x, y = (side / 2 + rng.uniform(-0.1, 0.1) * side for _ in range(2))
    shift = f"translate({-width / 2} {-height / 2})"
    move = f"translate({x:.2f} {y:.2f}) rotate({turn:.1f}) scale({mirror * scale:.4f} {scale:.4f}) {shift}"
    return f'<g transform="{move}" color="{colour(dark, rng)}">{body}</g>'


def line(side: int, dark: bool, rng: random.Random) -> str:
    """A straight line, a curve, or hatching."""
    stroke = f'stroke="{"black" if not dark and rng.random() < 0.6 else colour(dark, rng)}" fill="none"'
    width = f'stroke-width="{math.exp(rng.uniform(math.log(0.7), math.log(9))):.2f}" stroke-linecap="round"'
    x, y = rng.uniform(0, side), rng.uniform(0, side)
    if rng.random() < 0.2:
        step, long, turn = rng.uniform(3, 12), rng.uniform(20, 120), rng.uniform(0, 180)
        strokes = "".join(f"M{n * step:.1f} 0V{long:.1f}" for n in range(rng.randint(4, 24)))
        move = f"translate({x:.1f} {y:.1f}) rotate({turn:.1f})"
        return f'<path transform="{move}" d="{strokes}" {stroke} {width}/>'
    points = [f"{rng.uniform(-0.1, 1.1) * side:.1f} {rng.uniform(-0.1, 1.1) * side:.1f}" for _ in range(3)]
    path = f"L{points[0]}" if rng.random() < 0.4 else f"C{' '.join(points)}"
    return f'<path d="M{x:.1f} {y:.1f}{path}" {stroke} {width}/>'


def words(side: int, dark: bool, rng: random.Random) -> str:
    """A few words somewhere."""
    size = math.exp(rng.uniform(math.log(14), math.log(90)))
    style = rng.choice(("", 'font-weight="bold"', 'font-style="italic"'))
    x, y = rng.uniform(0, 0.7) * side, rng.uniform(0.05, 1) * side
    text = rng.choice(WORDS)
    fill = "black" if not dark and rng.random() < 0.5 else colour(dark, rng)
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="{rng.choice(FONTS)}" font-size="{size:.1f}" {style} '
        f'fill="{fill}">{text}</text>'
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--sets", nargs="+", default=LEARNT)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=3_000)
    parser.add_argument("--size", type=int, default=512, help="pixels")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
