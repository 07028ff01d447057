"""Create: new pictures by seeds, steered; one of them to its neighbours, to the disk, or to Upscale."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from impasto.studio.page import steering
from impasto.studio.page.desk import Desk
from impasto.studio.page.made import Made, Shown, empty_gallery, filling, in_gallery, put
from impasto.studio.page.steering import Steering, Wish, wish
from impasto.studio.schemas import MOST_PICTURES

if TYPE_CHECKING:
    from impasto.inference.recipe import Point

NEIGHBOURS = 11


@dataclass
class Create:
    """The parts of the tab that others reach for, and what connects them."""

    model: gr.Dropdown
    first: gr.Number
    count: gr.Slider
    steering: Steering
    gallery: gr.Gallery
    again: gr.Button
    chosen: gr.Image
    spread: gr.Slider
    neighbours: gr.Button
    save: gr.DownloadButton
    send: gr.Button
    keep: gr.Button
    one: gr.State
    recipe: gr.JSON

    def connect(self, desk: Desk, page: gr.Blocks, tabs: gr.Tabs, files: gr.File) -> None:
        """What happens when."""
        shown, one = gr.State([]), self.one
        asked = [self.model, self.first, self.count, *self.steering.parts]
        self.steering.connect(desk, self.model)
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

        def grid(
            shown: list[Made], name: str | None, first: float, count: int, *asked: Any
        ) -> Iterator[Shown]:
            yield from _grid(desk, shown, name, first, count, wish(*asked))

        page.load(lambda: _models(desk), None, self.model, **private)
        gr.on(
            [part.change for part in asked], grid, [shown, *asked], [self.gallery, shown],
            trigger_mode="always_last", concurrency_limit=4, **private,
        )  # fmt: skip
        self.again.click(
            lambda first, count: int(first or 0) + int(count), [self.first, self.count], self.first, **private
        )
        picked = [self.chosen, one, self.save, self.recipe]
        buttons = [self.neighbours, self.send, self.keep]

        def pick(shown: list[Made], event: gr.SelectData) -> tuple[Any, ...]:
            return (*_one(shown[event.index]), *[gr.update(interactive=True)] * len(buttons))

        self.gallery.select(pick, shown, [*picked, *buttons], **private)
        self.neighbours.click(
            lambda one, spread: _near(desk, one, spread), [one, self.spread], [self.gallery, shown], **private
        )
        self.send.click(lambda one: ([one.path], gr.Tabs(selected="upscale")), one, [files, tabs], **private)


def build(desk: Desk) -> Create:
    """The tab."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            model = gr.Dropdown([], label=desk.say("model"), info=desk.say("model_info"))
            first = gr.Number(0, precision=0, minimum=0, maximum=2**53, label=desk.say("first_seed"))
            count = gr.Slider(1, MOST_PICTURES, 12, step=1, label=desk.say("count"))
            again = gr.Button(desk.say("others"), variant="primary")
            steered = steering.build(desk)
        with gr.Column(scale=5, min_width=320):
            gallery = empty_gallery(desk.say("pictures"), "grid")
        with gr.Column(scale=2, min_width=280):
            chosen = gr.Image(
                label=desk.say("chosen"),
                elem_id="chosen",
                elem_classes="impasto-picture",
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
                keep = gr.Button(desk.say("keep"), interactive=False, min_width=120)
            with gr.Accordion(desk.say("recipe"), open=False):
                recipe = gr.JSON(label=desk.say("recipe"), show_label=False)
    return Create(
        model, first, count, steered, gallery, again, chosen, spread, neighbours, save, send, keep,
        gr.State(None), recipe,
    )  # fmt: skip


def _models(desk: Desk) -> Any:
    names = desk.models("generator")
    return gr.update(choices=names, value=names[0] if names else None)


def _grid(
    desk: Desk, old: Sequence[Made], name: str | None, first: float, count: int, asked: Wish
) -> Iterator[Shown]:
    """The pictures of the seeds from `first` on, as they finish; until then those that were there before."""
    if not name:
        gr.Info(desk.say("no_models"))
        yield [], []
        return
    seeds = range(int(first or 0), int(first or 0) + int(count))
    where = desk.do(lambda check: asked.of(desk, desk.studio.catalogue.generator(name)))
    make = partial(_by_seed, desk, name, where)
    yield from filling(desk, (partial(make, seed) for seed in seeds), old, len(seeds))


def _by_seed(desk: Desk, name: str, where: Callable[[int], "Point"], seed: int, check: object) -> Made:
    """The picture of one seed."""
    model = desk.studio.catalogue.generator(name)
    return put(desk, model, name, model.make(model.recipe(where(seed))), str(seed))


def _near(desk: Desk, one: Made, spread: float) -> Shown:
    """A picture and variations of it."""
    from impasto.inference.recipe import Recipe

    start = Recipe.model_validate_json(one.recipe)

    def make(check: object) -> list[Made]:
        model = desk.studio.catalogue.generator(one.model)
        pictures = [model.make(start), *model.neighbours(start, count=NEIGHBOURS, spread=spread)]
        words = [desk.say("start"), *[""] * NEIGHBOURS]
        return [put(desk, model, one.model, *pair) for pair in zip(pictures, words, strict=True)]

    return in_gallery(desk.do(make))


def _one(made: Made) -> tuple[Any, ...]:
    """A picture alone: to be seen, as it is known, to be saved, and how it was made."""
    return made.path, made, gr.update(value=made.path, interactive=True), json.loads(made.recipe)
