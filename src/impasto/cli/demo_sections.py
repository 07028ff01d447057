"""What the demo's page tells, section by section: a model at work, and a run as it went."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from impasto.cli.demo_page import (
    Line,
    Picture,
    before_after,
    chart,
    commands,
    figure,
    row,
    section,
    sheet,
    table,
)
from impasto.inference.sampler import Model
from impasto.inference.upscalers import load_upscaler
from impasto.training.checkup import SIGNS, check_up, in_words, records_of

SEED = 5  # the same for a whole row of the sheet: what changes is what was asked for
UNSHOWN = "extras"  # a theme without a subject
MOST_THEMES = 6
PALETTES: Sequence[Sequence[str]] = (
    (),
    ("#e4572e", "#f3a712"),
    ("#2e7d32", "#a5d46a"),
    ("#0b4f8a", "#5bc0de"),
    ("#7b2d8b", "#e26d9c"),
)
WALKS, FRAMES, FPS = ((3, 7, 12), (20, 21, 25), (31, 38, 44)), 24, 10  # seeds
GENERATED = 7  # the seed of the picture that is enlarged
REAL = "1F98A"  # and the real one: a fox, or the first drawing where there is none


def steered(model: Model, name: str) -> str:
    """A sheet of themes and palettes; nothing for a model that knows no themes."""
    themes = [theme for theme in model.themes if theme != UNSHOWN][:MOST_THEMES]
    if not themes:
        return ""

    def asked(theme: str, palette: Sequence[str]) -> Picture:
        (picture,) = model.generate([SEED], truncation=0.7, theme=theme, colours=palette)
        return _png(picture, f"{_spoken(theme)} in {' and '.join(palette) or 'its own colours'}")

    rows = {_spoken(theme): [asked(theme, palette) for palette in PALETTES] for theme in themes}
    return section(
        "Themes and colours",
        "Each row is one seed with a theme asked for, each column the colours asked for. Shapes stay.",
        sheet(rows, PALETTES),
        commands([f"impasto generate {name} --out new --theme {themes[0]} --colour '{PALETTES[1][0]}'"]),
    )


def _spoken(theme: str) -> str:
    return theme.replace("-", " and ")


def films(model: Model, name: str) -> str:
    """Walks through the model's pictures."""
    return section(
        "From picture to picture",
        f"A model is a space of pictures. These are walks through that of {name}, at an even pace, from seed "
        "to seed and back to the first.",
        row(*(_film(model, name, stops) for stops in WALKS)),
    )


def _film(model: Model, name: str, stops: Sequence[int]) -> str:
    made = model.interpolate(stops, frames=FRAMES, loop=True, truncation=0.7)
    frames = [frame.convert("RGB") for frame in made]
    buffer = io.BytesIO()
    pace = round(1000 / FPS)
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], duration=pace, loop=0, quality=90)
    walk = Picture(buffer.getvalue(), "drawings that change into each other", "webp")
    seeds = " ".join(map(str, stops))
    return figure(walk, f"impasto interpolate {name} {seeds} --loop --out film.webp", "film")


def enlarged(model: Model, name: str, pictures: Path) -> str:
    """A generated picture and a real one out of the folder `pictures`, before and after."""
    upscaler = load_upscaler("photo-x4", engine="torch")
    (generated,) = model.generate([GENERATED], truncation=0.7)
    files = sorted(pictures.rglob("*.png"))
    with Image.open(next((file for file in files if file.stem == REAL), files[0])) as file:
        real = file.convert("RGB")

    def both(picture: Image.Image, kind: str, whose: str) -> str:
        large = upscaler(picture).convert("RGB")
        small = picture.convert("RGB").resize(large.size, Image.Resampling.BICUBIC)
        before = _png(small, f"a {kind} drawing, enlarged by bicubic interpolation")
        after = _png(large, f"the same {kind} drawing, enlarged by photo-x4")
        return before_after(before, after, f"{kind}, {whose}: left bicubic, right photo-x4. Move the slider.")

    return section(
        "Four times larger",
        "64 px become 256. The upscaler comes with the package and learnt from photographs. It makes edges "
        "clean and keeps what it was given; it does not know what a drawing means.",
        row(both(generated, "generated", f"by {name}"), both(real, "real", "OpenMoji's")),
    )


def training(run: Path, grid: Path) -> str:
    """How the run went: its pictures, the sheet `grid` of the finished model, its curves, its health."""
    found, records = check_up(run), records_of(run)
    steps = [r for r in records if r["event"] == "progress"]
    right = [
        Line(f"D right on {name} pictures", [(r["images_seen"], r[key]) for r in steps])
        for name, key in (("real", "real_accuracy"), ("generated", "fake_accuracy"))
    ]
    measured = [(r["images_seen"], r["distance"]) for r in records if r["event"] == "evaluated"]
    signs = [
        (SIGNS[name], "unknown" if value is None else f"{value:.2f}") for name, value in found.signs.items()
    ]
    told = [(f"at {r['images_seen']:,}", in_words(r)) for r in found.history]
    parts = [
        figure(Picture(grid.read_bytes(), "48 generated drawings"), "48 new pictures of the finished model")
    ]
    history = run / "history.webp"
    if history.is_file():
        learning = Picture(history.read_bytes(), "a grid of drawings that become clearer", "webp")
        parts.insert(0, figure(learning, "the same noise, as the training went on"))
    seconds = found.ended["seconds"] if found.ended else 0.0
    return section(
        f"{seconds / 60:.1f} minutes of learning, live",
        f"{found.images_seen:,} times a drawing was looked at, beginning with networks that knew nothing. "
        f"Health: {found.words}.",
        row(*parts),
        row(
            chart([Line("KID-lite0 to held-out drawings", measured)], "images seen"),
            chart(right, "images seen", top=1.0, level=0.5),
        ),
        table(signs + told),
    )


def _png(picture: Image.Image, words: str) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return Picture(buffer.getvalue(), words)
