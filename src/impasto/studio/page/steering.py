"""What is asked of new pictures besides their seeds: daring, theme, colours, directions."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from impasto.studio.page.desk import Desk
from impasto.studio.uploads import check_picture, read_bounded

if TYPE_CHECKING:
    from impasto.inference.recipe import Point
    from impasto.inference.sampler import Model

STEERED = (
    "brightness",
    "warmth",
    "saturation",
    "contrast",
    "symmetry",
)  # as inference/properties.py has them
FIRST_COLOURS = ("#f4c20d", "#1d4ed8", "#15803d", "#c2410c", "#7c3aed")
OWN, CHOSEN, OF_PHOTO = "own", "chosen_colours", "of_photo"  # where colours come from


@dataclass
class Steering:
    """The parts of a tab where it is said."""

    truncation: gr.Slider
    theme: gr.Dropdown
    source: gr.Radio
    count: gr.Slider
    pickers: list[gr.ColorPicker]
    photo: gr.Image
    moves: list[gr.Slider]

    @property
    def parts(self) -> list[Any]:
        """All of them, in the order in which `wish` takes their values."""
        return [
            self.truncation,
            self.theme,
            self.source,
            self.count,
            self.photo,
            *self.pickers,
            *self.moves,
        ]

    def connect(self, desk: Desk, model: gr.Dropdown) -> None:
        """Show what can be asked of the model, and of colours what belongs to where they come from."""
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        model.change(lambda name: _themes(desk, name), model, self.theme, **quiet)
        gr.on(
            [self.source.change, self.count.change], _shown, [self.source, self.count],
            [self.count, *self.pickers, self.photo], **quiet,
        )  # fmt: skip


def build(desk: Desk) -> Steering:
    """The parts."""
    truncation = gr.Slider(
        0, 1.5, 0.8, step=0.05, label=desk.say("truncation"), info=desk.say("truncation_info")
    )
    theme = gr.Dropdown([], multiselect=True, visible=False, label=desk.say("theme"))
    with gr.Accordion(desk.say("colours"), open=False):
        sources = [(desk.say(name), name) for name in (OWN, CHOSEN, OF_PHOTO)]
        source = gr.Radio(sources, value=OWN, label=desk.say("colours_from"))
        count = gr.Slider(1, len(FIRST_COLOURS), 2, step=1, label=desk.say("colour_count"), visible=False)
        # One below the other: an open one needs the width.
        pickers = [
            gr.ColorPicker(value, label=desk.say("colour", number=i), visible=False)
            for i, value in enumerate(FIRST_COLOURS, 1)
        ]
        photo = gr.Image(
            label=desk.say("photo"), type="filepath", sources=["upload"], height=180, visible=False,
            elem_id="palette", buttons=[],
        )  # fmt: skip
    with gr.Accordion(desk.say("directions"), open=False):
        gr.Markdown(desk.say("directions_info"))
        moves = [gr.Slider(-3, 3, 0, step=0.1, label=desk.say(name)) for name in STEERED]
    return Steering(truncation, theme, source, count, pickers, photo, moves)


@dataclass(frozen=True)
class Wish:
    """What is asked for. `photo` is a file that the page took in."""

    truncation: float
    themes: tuple[str, ...]
    colours: tuple[str, ...]
    photo: str | None
    directions: dict[str, float]

    def of(self, desk: Desk, model: "Model") -> Callable[[int], "Point"]:
        """Where a model has the picture of a seed. Raises `Refused` for a photo that is none."""
        if self.photo is not None:
            limits = desk.studio.settings.limits
            with Path(self.photo).open("rb") as opened:
                data = read_bounded(opened, limits.picture_bytes, desk.say("the_picture"))
            check_picture(data, desk.say("the_picture"), limits)
        # A model that knows of no such theme was chosen after the theme: the page is about to forget it.
        themes = tuple(name for name in self.themes if name in model.themes)
        return partial(
            model.seed_point,
            truncation=self.truncation,
            directions=self.directions,
            theme=themes,
            colours=model.request(self.colours, self.photo),
        )


def wish(
    truncation: float,
    theme: Sequence[str] | None,
    source: str,
    count: int,
    photo: str | None,
    *rest: Any,
) -> Wish:
    """What is asked for, by the values of `Steering.parts`."""
    pickers, moves = rest[: len(FIRST_COLOURS)], rest[len(FIRST_COLOURS) :]
    colours = tuple(map(hexed, pickers[: int(count)])) if source == CHOSEN else ()
    directions = {name: value for name, value in zip(STEERED, moves, strict=True) if value}
    return Wish(truncation, tuple(theme or ()), colours, photo if source == OF_PHOTO else None, directions)


def hexed(colour: str) -> str:
    """What a picker gives, `rgba(29.4, 78, 216, 1)` once it was touched, as `#1d4ed8`."""
    if not colour.startswith("rgb"):
        return colour
    red, green, blue = (round(float(part)) for part in re.findall(r"[\d.]+", colour)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _themes(desk: Desk, name: str | None) -> Any:
    """Those of a model, none chosen."""
    found = [entry.themes for entry in desk.studio.catalogue.models() if entry.name == name]
    themes = list(found[0]) if found else []
    return gr.update(choices=themes, value=[], visible=bool(themes))


def _shown(source: str, count: int) -> tuple[Any, ...]:
    chosen = source == CHOSEN
    pickers = [gr.update(visible=chosen and i < count) for i in range(len(FIRST_COLOURS))]
    return (gr.update(visible=chosen), *pickers, gr.update(visible=source == OF_PHOTO))
