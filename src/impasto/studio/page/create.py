"""Create: new pictures by seeds, steered; one of them to its variations, to the disk, or to Upscale."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from PIL import Image

from impasto.studio import work
from impasto.studio.page import models, steering
from impasto.studio.page.desk import Desk
from impasto.studio.page.made import (
    NOWHERE,
    Made,
    download,
    empty_gallery,
    filling,
    in_gallery,
    put,
    sheet,
    stem,
    zipped,
)
from impasto.studio.page.notes import Noted, bar, empty_note, listen, note
from impasto.studio.page.steering import Steering, Wish, wish
from impasto.studio.queue import Check
from impasto.studio.schemas import MOST_PICTURES

if TYPE_CHECKING:
    from impasto.tasks.generation.sampling.recipe import Point

VARIATIONS = 11
MOST_SEEDS = 2**53  # the whole numbers that a browser can write
UPSCALER, ENGINE = "photo-x4", "torch"  # of "Save ×4": trying all engines takes longer than one small picture


@dataclass
class Create:
    """The parts of the tab that others reach for, and what connects them."""

    model: gr.Dropdown
    first: gr.Number
    count: gr.Slider
    steering: Steering
    note: gr.HTML
    gallery: gr.Gallery
    back: gr.Button
    save_all: gr.Button
    save_sheet: gr.Button
    again: gr.Button
    chosen: gr.Image
    spread: gr.Slider
    vary: gr.Button
    save: gr.DownloadButton
    save_larger: gr.Button
    send: gr.Button
    keep: gr.Button
    nearest: gr.Button
    yours: gr.Gallery
    chosen_note: gr.HTML
    file: gr.DownloadButton
    one: gr.State
    recipe: gr.JSON
    redraw: gr.State

    def connect(self, desk: Desk, page: gr.Blocks, tab: gr.Tab, tabs: gr.Tabs, files: gr.File) -> None:
        """Connect the parts of the tab.

        Args:
            desk: The desk of the page.
            page: The page; when it loads, the models are listed.
            tab: The tab; when it is chosen, models are listed anew and pictures of a changed one made again.
            tabs: All tabs, to go to Upscale.
            files: The files of Upscale, which a chosen picture is sent to.
        """
        # What is shown; what was shown before its variations; when the model was written that made it.
        shown, before, stamp = gr.State([]), gr.State([]), gr.State(0.0)
        asked = [self.model, self.first, self.count, *self.steering.parts]
        self.steering.connect(desk, self.model)
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

        def grid(
            shown: list[Made], name: str | None, first: float | None, count: int, *asked: Any
        ) -> Iterator[Any]:
            written = models.stamp(desk, name)
            for made in _grid(desk, shown, name, first, count, wish(*asked)):
                seen, words = (made.values, made.words) if isinstance(made, Noted) else (made, "")
                yield Noted((*seen, gr.update(visible=False), written, []), words)

        page.load(lambda: models.to_choose(desk), None, self.model, **quiet)
        listen(
            desk, [*[part.change for part in asked], self.redraw.change], grid, [shown, *asked],
            [self.gallery, shown, self.back, stamp, before], self.note, trigger_mode="always_last",
            concurrency_limit=4,
        )  # fmt: skip
        tab.select(
            lambda *known: _looked_at_again(desk, *known), [self.model, stamp, self.redraw],
            [self.model, self.redraw], **quiet,
        )  # fmt: skip
        self.again.click(
            lambda first, count: max(0, int(first or 0)) + int(count),
            [self.first, self.count],
            self.first,
            **quiet,
        )
        self._connect_chosen(desk, tabs, files, shown, before)

    def _connect_chosen(
        self, desk: Desk, tabs: gr.Tabs, files: gr.File, shown: gr.State, before: gr.State
    ) -> None:
        """What can be done with one picture, or with all that are shown."""
        one, buttons = self.one, [self.vary, self.save_larger, self.send, self.keep, self.nearest]
        picked = [self.chosen, one, self.save, self.recipe]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

        def pick(shown: list[Made], event: gr.SelectData) -> tuple[Any, ...]:
            if event.index >= len(shown):  # others are being made, and it was gone before the click came
                return (gr.skip(),) * (len(picked) + len(buttons) + 1)
            hidden = gr.update(visible=False)  # it showed those of another picture
            return (*_one(shown[event.index]), *[gr.update(interactive=True)] * len(buttons), hidden)

        def nearest(one: Made | None) -> Iterator[Any]:
            yield from _nearest(desk, one)

        listen(desk, [self.gallery.select], pick, [shown], [*picked, *buttons, self.yours], self.chosen_note)
        listen(desk, [self.nearest.click], nearest, [one], [self.yours], self.chosen_note)
        listen(
            desk, [self.vary.click], lambda *given: _varied(desk, *given), [one, self.spread, shown, before],
            [self.gallery, shown, before, self.back], self.note,
        )  # fmt: skip
        self.back.click(_back, before, [self.gallery, shown, before, self.back], **quiet)

        def larger(one: Made | None) -> Iterator[Any]:
            yield from _larger(desk, one)

        saved = (
            listen(desk, [self.save_larger.click], larger, [one], [self.file], self.chosen_note),
            listen(desk, [self.save_all.click], lambda m: _all(desk, m), [shown], [self.file], self.note),
            listen(desk, [self.save_sheet.click], lambda m: _sheet(desk, m), [shown], [self.file], self.note),
        )
        for after in saved:
            download(self.file, after)
        self.send.click(lambda one: ([one.path], gr.Tabs(selected="upscale")), one, [files, tabs], **quiet)


def build(desk: Desk) -> Create:
    """The tab."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            model = gr.Dropdown([], label=desk.say("model"), info=desk.say("model_info"))
            first = gr.Number(0, label=desk.say("first_seed"))  # Gradio's own bounds speak English alone
            count = gr.Slider(1, MOST_PICTURES, 12, step=1, label=desk.say("count"))
            again = gr.Button(desk.say("others"), variant="primary")
            steered = steering.build(desk)
        with gr.Column(scale=5, min_width=320):
            said = empty_note("create-note")
            back = gr.Button(desk.say("back"), visible=False)
            gallery = empty_gallery(desk.say("pictures"), "grid")
            with gr.Row():
                save_all = gr.Button(desk.say("save_all"), min_width=140)
                save_sheet = gr.Button(desk.say("save_sheet"), min_width=140)
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
            with gr.Row():
                save = gr.DownloadButton(desk.say("save"), interactive=False, min_width=120)
                save_larger = gr.Button(desk.say("save_larger"), interactive=False, min_width=120)
                send = gr.Button(desk.say("send"), interactive=False, min_width=120)
                keep = gr.Button(desk.say("keep"), interactive=False, min_width=120)
                nearest = gr.Button(desk.say("nearest"), interactive=False, min_width=120)
            yours = gr.Gallery(
                label=desk.say("nearest_label"),
                elem_id="yours",
                visible=False,
                columns=2,
                height=200,
                object_fit="contain",
                format="png",
                allow_preview=False,
                interactive=False,
                buttons=[],
            )
            chosen_note = empty_note("chosen-note")
            spread = gr.Slider(0.05, 1, 0.3, step=0.05, label=desk.say("spread"))
            vary = gr.Button(desk.say("neighbours"), interactive=False)
            file = gr.DownloadButton(visible="hidden", elem_id="create-file")
            with gr.Accordion(desk.say("recipe"), open=False):
                recipe = gr.JSON(label=desk.say("recipe"), show_label=False)
    return Create(
        model, first, count, steered, said, gallery, back, save_all, save_sheet, again, chosen, spread, vary,
        save, save_larger, send, keep, nearest, yours, chosen_note, file, gr.State(None), recipe, gr.State(0),
    )  # fmt: skip


def _looked_at_again(desk: Desk, name: str | None, stamp: float, redraw: int) -> tuple[Any, Any]:
    """The models as they are now; pictures are made anew if theirs has been trained further since."""
    fresh = models.to_choose(desk, name)
    went_on = bool(stamp) and models.stamp(desk, name) != stamp
    return fresh, redraw + 1 if went_on else gr.skip()


def _grid(
    desk: Desk, old: Sequence[Made], name: str | None, first: float | None, count: int, asked: Wish
) -> Iterator[Any]:
    """The pictures of the seeds from `first` on, as they finish; until then those that were there before."""
    start = float(first or 0)
    if not 0 <= start < MOST_SEEDS or not start.is_integer():
        raise desk.refused("seed_wrong")
    seeds = range(int(start), int(start) + int(count))
    where = yield from steering.prepare(desk, name, asked)
    if name is None or where is None:
        return
    make = partial(_by_seed, desk, name, models.title(desk, name), where)
    for made, known in filling(desk, (partial(make, seed) for seed in seeds), old, len(seeds)):
        yield gr.update(value=made, selected_index=NOWHERE), known


def _by_seed(
    desk: Desk, name: str, title: str, where: Callable[[int], "Point"], seed: int, check: object
) -> Made:
    """The picture of one seed."""
    model = desk.studio.catalogue.generator(name)
    return put(desk, model, name, model.make(model.recipe(where(seed))), str(seed), title)


def _varied(
    desk: Desk, one: Made, spread: float, shown: list[Made], before: list[Made]
) -> tuple[Any, list[Made], list[Made], Any]:
    """A picture, marked, and variations of it; what was shown before them, and the way back there."""
    from impasto.tasks.generation.sampling.recipe import Recipe

    start = Recipe.model_validate_json(one.recipe)

    def make(check: object) -> list[Made]:
        model = desk.studio.catalogue.generator(one.model)
        pictures = [model.make(start), *model.neighbours(start, count=VARIATIONS, spread=spread)]
        words = [desk.say("start"), *map(str, range(1, VARIATIONS + 1))]
        return [put(desk, model, one.model, *pair) for pair in zip(pictures, words, strict=True)]

    seen, made = in_gallery(desk.do(make))
    return gr.update(value=seen, selected_index=0), made, before or shown, gr.update(visible=True)


def _back(before: list[Made]) -> tuple[Any, list[Made], list[Made], Any]:
    """What was shown before the variations."""
    seen, made = in_gallery(before)
    return gr.update(value=seen, selected_index=NOWHERE), made, [], gr.update(visible=False)


def _one(made: Made) -> tuple[Any, ...]:
    """A picture alone: to be seen, as it is known, to be saved, and how it was made."""
    return made.path, made, gr.update(value=made.path, interactive=True), json.loads(made.recipe)


def _larger(desk: Desk, one: Made | None) -> Iterator[Any]:
    """A picture, enlarged, to be saved."""
    if one is None:
        raise desk.refused("no_chosen")
    done = [0, 1]
    limits = desk.studio.settings.limits

    def enlarge(check: Check) -> bytes:
        def tell(now: int, total: int) -> None:
            done[:] = now, total

        upscaler = desk.studio.catalogue.upscaler(UPSCALER, ENGINE)
        return work.upscale(upscaler, Path(one.path).read_bytes(), None, "png", limits, check, tell)[0]

    watched = desk.watch(enlarge, lambda: bar(desk.say("enlarging"), done[0] / done[1] if done[1] else 0))
    while True:
        try:
            yield Noted((gr.skip(),), next(watched))
        except StopIteration as end:
            yield desk.put(f"{Path(one.path).stem}_x4.png", end.value)
            return


def _nearest(desk: Desk, one: Made | None) -> Iterator[Any]:
    """The training pictures nearest to a picture: does it redraw one of them?"""
    if one is None:
        raise desk.refused("no_chosen")
    pictures = models.pictures_of(desk, one.model)
    if pictures is None:
        raise desk.refused("nearest_elsewhere", model=models.title(desk, one.model))

    def find(check: Check) -> list[tuple[str, str]]:
        import torch

        from impasto.image.files import encode, from_pil
        from impasto.nn.features import load_lite0, look

        sources = desk.studio.catalogue.sources(one.model, pictures)
        with Image.open(one.path) as picture:
            views = look(load_lite0(torch.device("cpu")), from_pil(picture)[None])
        found = zip(("layout", "content"), sources.nearest(views), strict=True)
        return [
            (desk.put(f"by_{name}.png", encode(near[0], "near.png")), desk.say(f"nearest_{name}"))
            for name, near in found
        ]

    watched = desk.watch(find, lambda: bar(desk.say("nearest_busy")))
    while True:
        try:
            yield Noted((gr.skip(),), next(watched))
        except StopIteration as end:
            yield Noted((gr.update(value=end.value, visible=True),), note(desk.say("nearest_hint"), "good"))
            return


def _all(desk: Desk, shown: list[Made]) -> str:
    """All pictures that are shown, as a zip."""
    if not shown:
        raise desk.refused("nothing_shown")
    return zipped(desk, [one.path for one in shown], _title(desk, shown))


def _sheet(desk: Desk, shown: list[Made]) -> str:
    """All pictures that are shown, on one."""
    if not shown:
        raise desk.refused("nothing_shown")
    return sheet(desk, shown, f"{_title(desk, shown)}_sheet")


def _title(desk: Desk, shown: list[Made]) -> str:
    """A file's name for several pictures: the model, and the seeds if that is what they are."""
    name = stem(models.title(desk, shown[0].model))
    first, last = shown[0].words, shown[-1].words
    return f"{name}_seeds{first}-{last}" if first.isdecimal() and last.isdecimal() else f"{name}_pictures"
