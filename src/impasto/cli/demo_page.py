"""The page that `impasto demo` leaves: a model at work, and a run as it went. It holds all that it shows."""

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from impasto.cli.screen import typed
from impasto.pages import chart, data_url, render
from impasto.tasks.generation.sampling.model import Model
from impasto.tasks.upscaling.inference.upscalers import load_upscaler
from impasto.training.health.report import SIGNS, check_up, in_words, records_of

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
CHART_WIDTH = 420  # in px: two beside each other


@dataclass(frozen=True)
class Picture:
    """A picture as an address that holds it, and what a person who cannot see it should be told."""

    url: str
    words: str


def page(model: Model, name: str, pictures: Path, run: Path, grid: Path, out: Path, begun: float) -> str:
    """The page that `impasto demo` leaves, as HTML. Nothing of it comes from elsewhere.

    Args:
        model: Makes what the page shows: sheets by theme, films, a picture that is enlarged.
        name: What the model is called in the commands that the page gives.
        pictures: The folder of real drawings.
        run: The folder of the run, for its curves and its health.
        grid: A PNG sheet of what the run's model made.
        out: The folder of the demo. Commands name folders in it.
        begun: When the demo began, by `time.monotonic`.
    """
    told = {
        **steered(model, name),
        "name": name,
        "films": [_film(model, name, stops) for stops in WALKS],
        "enlarged": _enlarged(model, name, pictures),
        **_training(run, grid),
        "train_mine": typed("impasto", "train", "FOLDER", "--out", out / "mine"),
        "make_mine": typed("impasto", "generate", out / "mine", "--out", out / "new"),
    }
    return render("demo.html", minutes=(time.monotonic() - begun) / 60, **told)


def steered(model: Model, name: str) -> dict[str, Any]:
    """Pictures by theme, one for each of the palettes; none of a model that knows no themes."""
    themes = [theme for theme in model.themes if theme != UNSHOWN][:MOST_THEMES]

    def asked(theme: str, palette: Sequence[str]) -> Picture:
        (picture,) = model.generate([SEED], truncation=0.7, theme=theme, colours=palette)
        return _png(picture, f"{_spoken(theme)} in {' and '.join(palette) or 'its own colours'}")

    sheet = {_spoken(theme): [asked(theme, palette) for palette in PALETTES] for theme in themes}
    asking = ("--theme", *themes[:1], "--colour", PALETTES[1][0])
    steer = typed("impasto", "generate", name, "--out", "new", *asking)
    return {"sheet": sheet, "palettes": PALETTES, "steer": steer}


def _spoken(theme: str) -> str:
    return theme.replace("-", " and ")


def _film(model: Model, name: str, stops: Sequence[int]) -> tuple[Picture, str]:
    """A walk through the model's pictures, and the command for it."""
    made = model.interpolate(stops, frames=FRAMES, loop=True, truncation=0.7)
    frames = [frame.convert("RGB") for frame in made]
    buffer = io.BytesIO()
    pace = round(1000 / FPS)
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], duration=pace, loop=0, quality=90)
    walk = Picture(data_url(buffer.getvalue(), "webp"), "drawings that change into each other")
    return walk, typed("impasto", "interpolate", name, *stops, "--loop", "--out", "film.webp")


def _enlarged(model: Model, name: str, pictures: Path) -> list[tuple[Picture, Picture, str]]:
    """A generated picture and a real one out of the folder `pictures`: before, after, whose it is."""
    upscaler = load_upscaler("photo-x4", engine="torch")
    (generated,) = model.generate([GENERATED], truncation=0.7)
    files = sorted(pictures.rglob("*.png"))
    with Image.open(next((file for file in files if file.stem == REAL), files[0])) as file:
        real = file.convert("RGB")

    def both(picture: Image.Image, kind: str, whose: str) -> tuple[Picture, Picture, str]:
        large = upscaler(picture).convert("RGB")
        small = picture.convert("RGB").resize(large.size, Image.Resampling.BICUBIC)
        before = _png(small, f"a {kind} drawing, enlarged by bicubic interpolation")
        return before, _png(large, f"the same {kind} drawing, enlarged by photo-x4"), f"{kind}, {whose}"

    return [both(generated, "generated", f"by {name}"), both(real, "real", "OpenMoji's")]


def _training(run: Path, grid: Path) -> dict[str, Any]:
    """How the run went: its pictures, the sheet `grid` of the finished model, its curves, its health."""
    found, records = check_up(run), records_of(run)
    steps = [r for r in records if r["event"] == "progress"]
    right = [[(r["images_seen"], r[key]) for r in steps] for key in ("real_accuracy", "fake_accuracy")]
    names = [f"D right on {kind} pictures" for kind in ("real", "generated")]
    near, measured = "KID-lite0 to held-out drawings", [r for r in records if r["event"] == "evaluated"]
    signs = [
        (SIGNS[name], "unknown" if value is None else f"{value:.2f}") for name, value in found.signs.items()
    ]
    told = [(f"at {r['images_seen']:,}", in_words(r)) for r in found.history]
    frame: dict[str, Any] = {"unit": "images seen", "from_zero": True, "width": CHART_WIDTH}
    history = run / "history.webp"
    return {
        "found": found,
        "learning_minutes": found.ended["seconds"] / 60 if found.ended else 0.0,
        "grid": Picture(data_url(grid.read_bytes()), "48 generated drawings"),
        "history": Picture(data_url(history.read_bytes(), "webp"), "a grid of drawings that become clearer")
        if history.is_file()
        else None,
        "charts": (
            chart(near, [[(r["images_seen"], r["distance"]) for r in measured]], names=[near], **frame),
            chart(", ".join(names), right, names=names, highest=1.0, level=0.5, **frame),
        ),
        "signs": signs + told,
    }


def _png(picture: Image.Image, words: str) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return Picture(data_url(buffer.getvalue()), words)
