"""Explore's map: a plane of pictures without end, to move over and to zoom."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from impasto.studio.page import models, steering
from impasto.studio.page.context import PageContext
from impasto.studio.page.gallery import (
    GalleryPicture,
    build_gallery,
    build_picture,
    fill_gallery,
    save_picture,
)
from impasto.studio.page.notes import QUIET, Reply, build_note, listen, note_errors
from impasto.studio.page.steering import Steering, Wish, wish

if TYPE_CHECKING:
    from impasto.tasks.generation.sampling.recipe import Point

COLUMNS, ROWS = 7, 5
MOVES = {"left": (-3, 0), "up": (0, -2), "down": (0, 2), "right": (3, 0)}  # in pictures: some stay in sight
SCALES = (1, 2, 4, 8, 16, 32)  # pictures from seed to seed


@dataclass(frozen=True)
class MapView:
    """The middle of what is seen of the plane, at (x / per, y / per)."""

    x: int = 0
    y: int = 0
    per: int = 4

    def move(self, right: int, down: int) -> "MapView":
        """So many pictures on."""
        return replace(self, x=self.x + right, y=self.y + down)

    def zoom(self, steps: int) -> "MapView":
        """Closer, where pictures are more alike, or farther, as far as that goes."""
        at = min(max(SCALES.index(self.per) + steps, 0), len(SCALES) - 1)
        return MapView(self.x * SCALES[at] // self.per, self.y * SCALES[at] // self.per, SCALES[at])

    def around(self) -> list[tuple[int, int]]:
        """Where the pictures lie, row by row."""
        return [
            (self.x + column - COLUMNS // 2, self.y + row - ROWS // 2)
            for row in range(ROWS)
            for column in range(COLUMNS)
        ]


@dataclass
class LatentMap:
    """The map's parts, and what connects them."""

    note: gr.HTML
    gallery: gr.Gallery
    moves: dict[str, gr.Button]
    closer: gr.Button
    farther: gr.Button
    chosen: gr.Image
    save: gr.DownloadButton
    keep: gr.Button
    one: gr.State

    def connect(self, context: PageContext, tab: gr.Tab, model: gr.Dropdown, asked: Steering) -> None:
        """Connect the parts of the map.

        Args:
            context: What the tabs of the page work with.
            tab: The tab; when it is chosen, the map is drawn.
            model: Create's list of models.
            asked: Create's parts that say what is asked for.
        """
        view, shown = gr.State(MapView()), gr.State([])

        def draw(
            latest: Latest, old: list[GalleryPicture], view: MapView, name: str | None, *asked: Any
        ) -> Iterator[Any]:
            yield from _while_latest(latest, _draw(context, old, view, name, wish(*asked)))

        def pick(view: MapView, shown: list[GalleryPicture], event: gr.SelectData) -> tuple[Any, ...]:
            if event.index >= len(shown):  # another model's are made, and it went before the click came
                return (gr.skip(),) * len(picked)
            return (*_pick(view, shown, event.index), gr.update(interactive=True))

        drawn: dict[str, Any] = {
            "fn": note_errors(context, draw, self.note),
            "inputs": [gr.State(Latest()), shown, view, model, *asked.parts],
            "outputs": [self.gallery, shown, self.note], "concurrency_limit": 4, **QUIET,
        }  # fmt: skip
        tab.select(**drawn)
        for name, (right, down) in MOVES.items():
            move = partial(MapView.move, right=right, down=down)
            self.moves[name].click(move, view, view, **QUIET).then(**drawn)
        for button, steps in ((self.closer, 1), (self.farther, -1)):
            button.click(partial(MapView.zoom, steps=steps), view, view, **QUIET).then(**drawn)
        picked = [view, self.chosen, self.one, self.save, self.keep]
        listen(context, [self.gallery.select], pick, [view, shown], picked, self.note).then(**drawn)


@dataclass
class Latest:
    """Counts how often a page's map was drawn: a drawing that another follows tells no more."""

    count: int = 0


def _while_latest(latest: Latest, drawing: Iterator[Any]) -> Iterator[Any]:
    """What a drawing shows until another begins: its tiles would lie on the map of another place."""
    latest.count += 1
    mine = latest.count
    for seen in drawing:
        if latest.count != mine:
            # Gradio sends what came last once more when it is over.
            yield Reply((gr.skip(), gr.skip()), "")
            return
        yield seen


def build(context: PageContext) -> LatentMap:
    """The map, beside what was chosen on it."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            said = build_note("map-note")
            gallery = build_gallery(context.say("map"), "map", "impasto-map")
        with gr.Column(scale=2, min_width=300):
            gr.Markdown(context.say("map_text"))
            with gr.Row():
                moves = {name: gr.Button(context.say(name), min_width=70) for name in MOVES}
            with gr.Row():
                closer = gr.Button(context.say("closer"), min_width=120)
                farther = gr.Button(context.say("farther"), min_width=120)
            chosen = build_picture(context.say("chosen"), "here", height=280)
            with gr.Row():
                save = gr.DownloadButton(context.say("save"), interactive=False, min_width=120)
                keep = gr.Button(context.say("keep_it"), interactive=False, min_width=120)
    return LatentMap(said, gallery, moves, closer, farther, chosen, save, keep, gr.State(None))


def _draw(
    context: PageContext, old: list[GalleryPicture], view: MapView, name: str | None, asked: Wish
) -> Iterator[Any]:
    """The pictures of a view, as they finish."""
    where = yield from steering.prepare(context, name, asked)
    if name is None or where is None:
        return
    make = partial(_make_at, context, name, models.title(context, name), where, view.per)
    yield from fill_gallery(context, (partial(make, *at) for at in view.around()), old, COLUMNS * ROWS)


def _make_at(
    context: PageContext,
    name: str,
    title: str,
    where: Callable[[int], "Point"],
    per: int,
    x: int,
    y: int,
    check: object,
) -> GalleryPicture:
    """The picture at a point of the plane."""
    from impasto.tasks.generation.sampling.plane import point_at

    model = context.studio.catalogue.generator(name)
    return save_picture(context, model, name, model.make(model.recipe(point_at(x, y, per, where))), "", title)


def _pick(view: MapView, shown: list[GalleryPicture], index: int) -> tuple[Any, ...]:
    """One of them, which becomes the middle: to be seen, as it is known, to be saved."""
    row, column = divmod(index, COLUMNS)
    made = shown[index]
    there = view.move(column - COLUMNS // 2, row - ROWS // 2)
    return there, made.path, made, gr.update(value=made.path, interactive=True)
