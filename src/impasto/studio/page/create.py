"""Create: new pictures by seeds, steered; one of them to its neighbours, to the disk, or to Upscale."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from impasto.studio import work
from impasto.studio.page.desk import Desk
from impasto.studio.schemas import MOST_PICTURES

STEERED = (
    "brightness",
    "warmth",
    "saturation",
    "contrast",
    "symmetry",
)  # as inference/properties.py has them
NEIGHBOURS = 11
SHOW_SECONDS = 0.5  # a grid that takes longer fills as its pictures finish
Shown = tuple[list[tuple[Any, str]], tuple[str, list[str]]]
"""The gallery; the model its pictures are of, and the recipe of each."""


@dataclass
class Create:
    """The parts of the tab that others reach for, and what connects them."""

    model: gr.Dropdown
    first: gr.Number
    count: gr.Slider
    truncation: gr.Slider
    moves: list[gr.Slider]
    gallery: gr.Gallery
    again: gr.Button
    chosen: gr.Image
    spread: gr.Slider
    neighbours: gr.Button
    save: gr.DownloadButton
    send: gr.Button
    recipe: gr.JSON

    def connect(self, desk: Desk, page: gr.Blocks, tabs: gr.Tabs, files: gr.File) -> None:
        """What happens when."""
        shown, one = gr.State(("", [])), gr.State(("", ""))
        asked = [self.model, self.first, self.count, self.truncation, *self.moves]
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

        def grid(*asked: Any) -> Iterator[Shown]:
            yield from _grid(desk, *asked)

        page.load(lambda: _models(desk), None, self.model, **private)
        gr.on(
            [part.change for part in asked], grid, asked, [self.gallery, shown],
            trigger_mode="always_last", concurrency_limit=4, **private,
        )  # fmt: skip
        self.again.click(
            lambda first, count: int(first) + int(count), [self.first, self.count], self.first, **private
        )
        picked = [self.chosen, one, self.save, self.recipe]
        buttons = [self.neighbours, self.send]

        def pick(known: tuple[str, list[str]], event: gr.SelectData) -> tuple[Any, ...]:
            model, recipes = known
            return (*_one(desk, model, recipes[event.index]), *[gr.update(interactive=True)] * 2)

        self.gallery.select(pick, shown, [*picked, *buttons], **private)
        self.neighbours.click(
            lambda one, spread: _near(desk, one[0], one[1], spread),
            [one, self.spread],
            [self.gallery, shown],
            **private,
        )
        self.send.click(
            lambda one: ([_file(desk, *one)], gr.Tabs(selected="upscale")), one, [files, tabs], **private
        )


def build(desk: Desk) -> Create:
    """The tab."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            model = gr.Dropdown([], label=desk.say("model"), info=desk.say("model_info"))
            with gr.Row():
                first = gr.Number(
                    0, precision=0, minimum=0, maximum=2**53, label=desk.say("first_seed"), min_width=120
                )
                count = gr.Slider(1, MOST_PICTURES, 12, step=1, label=desk.say("count"), min_width=160)
            truncation = gr.Slider(
                0, 1.5, 0.8, step=0.05, label=desk.say("truncation"), info=desk.say("truncation_info")
            )
            again = gr.Button(desk.say("others"), variant="primary")
            with gr.Accordion(desk.say("directions"), open=False):
                gr.Markdown(desk.say("directions_info"))
                moves = [gr.Slider(-3, 3, 0, step=0.1, label=desk.say(name)) for name in STEERED]
        with gr.Column(scale=5, min_width=320):
            gallery = gr.Gallery(
                label=desk.say("pictures"), columns=6, height="auto", object_fit="contain", format="png",
                allow_preview=False, interactive=False, buttons=[], elem_id="grid",
            )  # fmt: skip
        with gr.Column(scale=2, min_width=280):
            chosen = gr.Image(
                label=desk.say("chosen"),
                elem_id="chosen",
                type="filepath",
                interactive=False,
                buttons=["fullscreen"],
                height=280,
            )
            spread = gr.Slider(0.05, 1, 0.3, step=0.05, label=desk.say("spread"))
            neighbours = gr.Button(desk.say("neighbours"), interactive=False)
            with gr.Row():
                save = gr.DownloadButton(desk.say("save"), interactive=False, min_width=120)
                send = gr.Button(desk.say("send"), interactive=False, min_width=120)
            with gr.Accordion(desk.say("recipe"), open=False):
                recipe = gr.JSON(label=desk.say("recipe"), show_label=False)
    return Create(
        model, first, count, truncation, moves, gallery, again, chosen, spread, neighbours, save, send, recipe
    )


def _models(desk: Desk) -> Any:
    names = desk.models("generator")
    return gr.update(choices=names, value=names[0] if names else None)


def _grid(
    desk: Desk, name: str | None, first: float, count: int, truncation: float, *moves: float
) -> Iterator[Shown]:
    """The pictures of the seeds from `first` on, as they finish."""
    if not name:
        gr.Info(desk.say("no_models"))
        yield [], ("", [])
        return
    steered = {key: value for key, value in zip(STEERED, moves, strict=True) if value}
    made: list[tuple[Any, str]] = []
    recipes: list[str] = []
    shown = time.monotonic()
    for seed in range(int(first or 0), int(first or 0) + int(count)):
        (picture,) = desk.do(
            partial(_by_seed, desk, name, seed=seed, truncation=truncation, directions=steered)
        )
        made.append((picture, str(seed)))
        recipes.append(picture.info["recipe"])
        if time.monotonic() - shown > SHOW_SECONDS:
            shown = time.monotonic()
            yield made, (name, recipes)
    yield made, (name, recipes)


def _by_seed(desk: Desk, name: str, check: object, *, seed: int, **steering: Any) -> list[Any]:
    """The picture of one seed."""
    return desk.studio.catalogue.generator(name).generate([seed], **steering)


def _near(desk: Desk, name: str, recipe: str, spread: float) -> Shown:
    """A picture and variations of it."""
    from impasto.inference.recipe import Recipe

    start = Recipe.model_validate_json(recipe)

    def make(check: object) -> list[Any]:
        model = desk.studio.catalogue.generator(name)
        return [model.make(start), *model.neighbours(start, count=NEIGHBOURS, spread=spread)]

    pictures = desk.do(make)
    shown = [(picture, "" if i else desk.say("start")) for i, picture in enumerate(pictures)]
    return shown, (name, [picture.info["recipe"] for picture in pictures])


def _one(desk: Desk, name: str, recipe: str) -> tuple[Any, ...]:
    """A picture alone: to be seen, as it is known, to be saved, and how it was made."""
    path = _file(desk, name, recipe)
    return path, (name, recipe), gr.update(value=path, interactive=True), json.loads(recipe)


def _file(desk: Desk, name: str, recipe: str) -> str:
    """A picture as a PNG with its recipe inside."""
    from impasto.inference.recipe import Recipe

    def make(check: object) -> bytes:
        model = desk.studio.catalogue.generator(name)
        return work.encoded(model, model.make(Recipe.model_validate_json(recipe)), "png")

    return desk.put("impasto.png", desk.do(make))
