"""Pictures that a model made, as the tabs hand them on."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from impasto.studio import work
from impasto.studio.page.desk import Desk
from impasto.studio.queue import Check

SHOW_SECONDS = 0.25  # a gallery that takes longer changes as its pictures finish, the first at once


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


def filling(
    desk: Desk, works: Iterable[Callable[[Check], Made]], old: Sequence[Made], count: int
) -> Iterator[Shown]:
    """A gallery of `count` as its pictures finish; until then `old` ones are where they were."""
    new: list[Made] = []
    shown = 0.0
    for made in desk.each(works):
        new.append(made)
        if time.monotonic() - shown > SHOW_SECONDS:
            shown = time.monotonic()
            yield in_gallery([*new, *old[len(new) : count]])
    yield in_gallery(new)


def empty_gallery(label: str, id_: str, *looks: str) -> gr.Gallery:
    """A gallery to choose from, as wide as there is room."""
    return gr.Gallery(
        label=label, columns=6, height="auto", object_fit="contain", format="png", allow_preview=False,
        interactive=False, buttons=[], elem_id=id_, elem_classes=["impasto-grid", *looks],
    )  # fmt: skip
