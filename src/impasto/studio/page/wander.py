"""Explore's map: a plane of pictures without end, to wander in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from impasto.studio.page import models, steering
from impasto.studio.page.desk import Desk
from impasto.studio.page.made import Made, empty_gallery, filling, put
from impasto.studio.page.notes import Noted, empty_note, listen, noting
from impasto.studio.page.steering import Steering, Wish, wish

if TYPE_CHECKING:
    from impasto.tasks.generation.sampling.recipe import Point

COLUMNS, ROWS = 7, 5
MOVES = {"left": (-3, 0), "up": (0, -2), "down": (0, 2), "right": (3, 0)}  # in pictures: some stay in sight
SCALES = (1, 2, 4, 8, 16, 32)  # pictures from seed to seed


@dataclass(frozen=True)
class Place:
    """The middle of what is seen of the plane, at (x / per, y / per)."""

    x: int = 0
    y: int = 0
    per: int = 4

    def moved(self, right: int, down: int) -> "Place":
        """So many pictures on."""
        return replace(self, x=self.x + right, y=self.y + down)

    def scaled(self, steps: int) -> "Place":
        """Closer, where pictures are more alike, or farther, as far as that goes."""
        at = min(max(SCALES.index(self.per) + steps, 0), len(SCALES) - 1)
        return Place(self.x * SCALES[at] // self.per, self.y * SCALES[at] // self.per, SCALES[at])

    def around(self) -> list[tuple[int, int]]:
        """Where the pictures lie, row by row."""
        return [
            (self.x + column - COLUMNS // 2, self.y + row - ROWS // 2)
            for row in range(ROWS)
            for column in range(COLUMNS)
        ]


@dataclass
class Wander:
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

    def connect(self, desk: Desk, tab: gr.Tab, model: gr.Dropdown, asked: Steering) -> None:
        """Connect the parts of the map.

        Args:
            desk: The desk of the page.
            tab: The tab; when it is chosen, the map is drawn.
            model: Create's list of models.
            asked: Create's parts that say what is asked for.
        """
        place, shown = gr.State(Place()), gr.State([])
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

        def see(
            latest: Latest, old: list[Made], place: Place, name: str | None, *asked: Any
        ) -> Iterator[Any]:
            yield from _while_latest(latest, _seen(desk, old, place, name, wish(*asked)))

        def pick(place: Place, shown: list[Made], event: gr.SelectData) -> tuple[Any, ...]:
            if event.index >= len(shown):  # another model's are made, and it went before the click came
                return (gr.skip(),) * len(picked)
            return (*_picked(place, shown, event.index), gr.update(interactive=True))

        drawn: dict[str, Any] = {
            "fn": noting(desk, see, self.note),
            "inputs": [gr.State(Latest()), shown, place, model, *asked.parts],
            "outputs": [self.gallery, shown, self.note], "concurrency_limit": 4, **quiet,
        }  # fmt: skip
        tab.select(**drawn)
        for name, way in MOVES.items():
            self.moves[name].click(partial(_moved, way=way), place, place, **quiet).then(**drawn)
        for button, steps in ((self.closer, 1), (self.farther, -1)):
            button.click(partial(_scaled, steps=steps), place, place, **quiet).then(**drawn)
        picked = [place, self.chosen, self.one, self.save, self.keep]
        listen(desk, [self.gallery.select], pick, [place, shown], picked, self.note).then(**drawn)


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
            yield Noted((gr.skip(), gr.skip()), "")
            return
        yield seen


def build(desk: Desk) -> Wander:
    """The map, beside what was chosen on it."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            said = empty_note("map-note")
            gallery = empty_gallery(desk.say("map"), "map", "impasto-map")
        with gr.Column(scale=2, min_width=300):
            gr.Markdown(desk.say("map_text"))
            with gr.Row():
                moves = {name: gr.Button(desk.say(name), min_width=70) for name in MOVES}
            with gr.Row():
                closer = gr.Button(desk.say("closer"), min_width=120)
                farther = gr.Button(desk.say("farther"), min_width=120)
            chosen = gr.Image(
                label=desk.say("chosen"), type="filepath", interactive=False, buttons=["fullscreen"],
                elem_id="here", elem_classes="impasto-picture", height=280,
            )  # fmt: skip
            with gr.Row():
                save = gr.DownloadButton(desk.say("save"), interactive=False, min_width=120)
                keep = gr.Button(desk.say("keep_it"), interactive=False, min_width=120)
    return Wander(said, gallery, moves, closer, farther, chosen, save, keep, gr.State(None))


def _moved(place: Place, way: tuple[int, int]) -> Place:
    return place.moved(*way)


def _scaled(place: Place, steps: int) -> Place:
    return place.scaled(steps)


def _seen(desk: Desk, old: list[Made], place: Place, name: str | None, asked: Wish) -> Iterator[Any]:
    """The pictures around a place, as they finish."""
    where = yield from steering.prepare(desk, name, asked)
    if name is None or where is None:
        return
    make = partial(_at, desk, name, models.title(desk, name), where, place.per)
    yield from filling(desk, (partial(make, *at) for at in place.around()), old, COLUMNS * ROWS)


def _at(
    desk: Desk,
    name: str,
    title: str,
    where: Callable[[int], "Point"],
    per: int,
    x: int,
    y: int,
    check: object,
) -> Made:
    """The picture at a point of the plane."""
    from impasto.tasks.generation.sampling.plane import point_at

    model = desk.studio.catalogue.generator(name)
    return put(desk, model, name, model.make(model.recipe(point_at(x, y, per, where))), "", title)


def _picked(place: Place, shown: list[Made], index: int) -> tuple[Any, ...]:
    """One of them, which becomes the middle: to be seen, as it is known, to be saved."""
    row, column = divmod(index, COLUMNS)
    made = shown[index]
    there = place.moved(column - COLUMNS // 2, row - ROWS // 2)
    return there, made.path, made, gr.update(value=made.path, interactive=True)
