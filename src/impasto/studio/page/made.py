"""Pictures that a model made, as the tabs hand them on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from impasto.studio import work
from impasto.studio.page.desk import Desk


@dataclass(frozen=True)
class Made:
    """A picture in a gallery: its file, how it was made, and what is written on it."""

    path: str
    model: str
    recipe: str
    words: str


Shown = tuple[list[tuple[str, str]], list[Made]]
"""A gallery, as Gradio and as we know it."""


def put(desk: Desk, model: Any, name: str, picture: Any, words: str = "") -> Made:
    """A picture as a PNG with its recipe inside, ready to be shown."""
    path = desk.put("impasto.png", work.encoded(model, picture, "png"))
    return Made(path, name, picture.info["recipe"], words)


def in_gallery(made: Sequence[Made]) -> Shown:
    """What a gallery and its state become."""
    return [(one.path, one.words) for one in made], list(made)


def empty_gallery(label: str, id_: str) -> gr.Gallery:
    """A gallery to choose from, as wide as there is room."""
    return gr.Gallery(
        label=label, columns=6, height="auto", object_fit="contain", format="png", allow_preview=False,
        interactive=False, buttons=[], elem_id=id_, elem_classes="impasto-grid",
    )  # fmt: skip
