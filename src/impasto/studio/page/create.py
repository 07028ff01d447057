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
from impasto.studio.page.context import PageContext
from impasto.studio.page.gallery import (
    NOWHERE,
    GalleryPicture,
    build_gallery,
    build_picture,
    download,
    fill_gallery,
    gallery_values,
    save_picture,
    save_sheet,
    stem,
    zip_files,
)
from impasto.studio.page.notes import QUIET, Reply, bar, build_note, listen, note
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

    def connect(
        self, context: PageContext, page: gr.Blocks, tab: gr.Tab, tabs: gr.Tabs, files: gr.File
    ) -> None:
        """Connect the parts of the tab.

        Args:
            context: What the tabs of the page work with.
            page: The page; when it loads, the models are listed.
            tab: The tab; when it is chosen, models are listed anew and pictures of a changed one made again.
            tabs: All tabs, to go to Upscale.
            files: The files of Upscale, which a chosen picture is sent to.
        """
        # What is shown; what was shown before its variations; when the model was written that made it.
        shown, before, stamp = gr.State([]), gr.State([]), gr.State(0.0)
        asked = [self.model, self.first, self.count, *self.steering.parts]
        self.steering.connect(context, self.model)

        def grid(
            shown: list[GalleryPicture], name: str | None, first: float | None, count: int, *asked: Any
        ) -> Iterator[Any]:
            written = models.stamp(context, name)
            for made in _draw_grid(context, shown, name, first, count, wish(*asked)):
                seen, words = (made.values, made.words) if isinstance(made, Reply) else (made, "")
                yield Reply((*seen, gr.update(visible=False), written, []), words)

        page.load(lambda: models.update_choices(context), None, self.model, **QUIET)
        listen(
            context, [*[part.change for part in asked], self.redraw.change], grid, [shown, *asked],
            [self.gallery, shown, self.back, stamp, before], self.note, trigger_mode="always_last",
            concurrency_limit=4,
        )  # fmt: skip
        tab.select(
            partial(_refresh_models, context), [self.model, stamp, self.redraw],
            [self.model, self.redraw], **QUIET,
        )  # fmt: skip
        self.again.click(
            lambda first, count: max(0, int(first or 0)) + int(count),
            [self.first, self.count],
            self.first,
            **QUIET,
        )
        self._connect_chosen(context, tabs, files, shown, before)

    def _connect_chosen(
        self, context: PageContext, tabs: gr.Tabs, files: gr.File, shown: gr.State, before: gr.State
    ) -> None:
        """What can be done with one picture, or with all that are shown."""
        one, buttons = self.one, [self.vary, self.save_larger, self.send, self.keep, self.nearest]
        picked = [self.chosen, one, self.save, self.recipe]

        def pick(shown: list[GalleryPicture], event: gr.SelectData) -> tuple[Any, ...]:
            if event.index >= len(shown):  # others are being made, and it was gone before the click came
                return (gr.skip(),) * (len(picked) + len(buttons) + 1)
            hidden = gr.update(visible=False)  # it showed those of another picture
            return (*_show_one(shown[event.index]), *[gr.update(interactive=True)] * len(buttons), hidden)

        seen = [*picked, *buttons, self.yours]
        listen(context, [self.gallery.select], pick, [shown], seen, self.chosen_note)
        find = partial(_find_nearest, context)
        listen(context, [self.nearest.click], find, [one], [self.yours], self.chosen_note)
        listen(
            context, [self.vary.click], partial(_vary, context), [one, self.spread, shown, before],
            [self.gallery, shown, before, self.back], self.note,
        )  # fmt: skip
        self.back.click(_show_before, before, [self.gallery, shown, before, self.back], **QUIET)

        for button, save, given, place in (
            (self.save_larger, _enlarge, one, self.chosen_note),
            (self.save_all, _save_all, shown, self.note),
            (self.save_sheet, _save_sheet, shown, self.note),
        ):
            after = listen(context, [button.click], partial(save, context), [given], [self.file], place)
            download(self.file, after)
        self.send.click(lambda one: ([one.path], gr.Tabs(selected="upscale")), one, [files, tabs], **QUIET)


def build(context: PageContext) -> Create:
    """The tab."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            model = gr.Dropdown([], label=context.say("model"), info=context.say("model_info"))
            first = gr.Number(0, label=context.say("first_seed"))  # Gradio's own bounds speak English alone
            count = gr.Slider(1, MOST_PICTURES, 12, step=1, label=context.say("count"))
            again = gr.Button(context.say("others"), variant="primary")
            steered = steering.build(context)
        with gr.Column(scale=5, min_width=320):
            said = build_note("create-note")
            back = gr.Button(context.say("back"), visible=False)
            gallery = build_gallery(context.say("pictures"), "grid")
            with gr.Row():
                save_all = gr.Button(context.say("save_all"), min_width=140)
                save_sheet = gr.Button(context.say("save_sheet"), min_width=140)
        with gr.Column(scale=2, min_width=280):
            chosen = build_picture(context.say("chosen"), "chosen", height=280)
            with gr.Row():
                save = gr.DownloadButton(context.say("save"), interactive=False, min_width=120)
                save_larger = gr.Button(context.say("save_larger"), interactive=False, min_width=120)
                send = gr.Button(context.say("send"), interactive=False, min_width=120)
                keep = gr.Button(context.say("keep"), interactive=False, min_width=120)
                nearest = gr.Button(context.say("nearest"), interactive=False, min_width=120)
            yours = gr.Gallery(
                label=context.say("nearest_label"),
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
            chosen_note = build_note("chosen-note")
            spread = gr.Slider(0.05, 1, 0.3, step=0.05, label=context.say("spread"))
            vary = gr.Button(context.say("neighbours"), interactive=False)
            file = gr.DownloadButton(visible="hidden", elem_id="create-file")
            with gr.Accordion(context.say("recipe"), open=False):
                recipe = gr.JSON(label=context.say("recipe"), show_label=False)
    return Create(
        model, first, count, steered, said, gallery, back, save_all, save_sheet, again, chosen, spread, vary,
        save, save_larger, send, keep, nearest, yours, chosen_note, file, gr.State(None), recipe, gr.State(0),
    )  # fmt: skip


def _refresh_models(context: PageContext, name: str | None, stamp: float, redraw: int) -> tuple[Any, Any]:
    """The models as they are now; pictures are made anew if theirs has been trained further since."""
    fresh = models.update_choices(context, name)
    if fresh["value"] == name:  # another may have been chosen since the tab was opened: that one stays
        del fresh["value"]
    went_on = bool(stamp) and models.stamp(context, name) != stamp
    return fresh, redraw + 1 if went_on else gr.skip()


def _draw_grid(
    context: PageContext,
    old: Sequence[GalleryPicture],
    name: str | None,
    first: float | None,
    count: int,
    asked: Wish,
) -> Iterator[Any]:
    """The pictures of the seeds from `first` on, as they finish; until then those that were there before."""
    start = float(first or 0)
    if not 0 <= start < MOST_SEEDS or not start.is_integer():
        raise context.error("seed_wrong")
    seeds = range(int(start), int(start) + int(count))
    where = yield from steering.prepare(context, name, asked)
    if name is None or where is None:
        return
    make = partial(_make_by_seed, context, name, models.title(context, name), where)
    for made, known in fill_gallery(context, (partial(make, seed) for seed in seeds), old, len(seeds)):
        yield gr.update(value=made, selected_index=NOWHERE), known


def _make_by_seed(
    context: PageContext, name: str, title: str, where: Callable[[int], "Point"], seed: int, check: object
) -> GalleryPicture:
    """The picture of one seed."""
    model = context.studio.catalogue.generator(name)
    return save_picture(context, model, name, model.make(model.recipe(where(seed))), str(seed), title)


def _vary(
    context: PageContext,
    one: GalleryPicture,
    spread: float,
    shown: list[GalleryPicture],
    before: list[GalleryPicture],
) -> tuple[Any, list[GalleryPicture], list[GalleryPicture], Any]:
    """A picture, marked, and variations of it; what was shown before them, and the way back there."""
    from impasto.tasks.generation.sampling.recipe import Recipe

    start = Recipe.model_validate_json(one.recipe)

    def make(check: object) -> list[GalleryPicture]:
        model = context.studio.catalogue.generator(one.model)
        pictures = [model.make(start), *model.neighbours(start, count=VARIATIONS, spread=spread)]
        words = [context.say("start"), *map(str, range(1, VARIATIONS + 1))]
        return [save_picture(context, model, one.model, *pair) for pair in zip(pictures, words, strict=True)]

    seen, made = gallery_values(context.do(make))
    return gr.update(value=seen, selected_index=0), made, before or shown, gr.update(visible=True)


def _show_before(before: list[GalleryPicture]) -> tuple[Any, list[GalleryPicture], list[GalleryPicture], Any]:
    """What was shown before the variations."""
    seen, made = gallery_values(before)
    return gr.update(value=seen, selected_index=NOWHERE), made, [], gr.update(visible=False)


def _show_one(made: GalleryPicture) -> tuple[Any, ...]:
    """A picture alone: to be seen, as it is known, to be saved, and how it was made."""
    return made.path, made, gr.update(value=made.path, interactive=True), json.loads(made.recipe)


def _enlarge(context: PageContext, one: GalleryPicture | None) -> Iterator[Any]:
    """A picture, enlarged, to be saved."""
    if one is None:
        raise context.error("no_chosen")
    done = [0, 1]
    limits = context.studio.settings.limits

    def enlarge(check: Check) -> bytes:
        def tell(now: int, total: int) -> None:
            done[:] = now, total

        upscaler = context.studio.catalogue.upscaler(UPSCALER, ENGINE)
        return work.upscale(upscaler, Path(one.path).read_bytes(), None, "png", limits, check, tell)[0]

    def look() -> Reply:
        return Reply((gr.skip(),), bar(context.say("enlarging"), done[0] / done[1] if done[1] else 0))

    data = yield from context.watch(enlarge, look)
    yield context.put(f"{Path(one.path).stem}_x4.png", data)


def _find_nearest(context: PageContext, one: GalleryPicture | None) -> Iterator[Any]:
    """The training pictures nearest to a picture: does it redraw one of them?"""
    if one is None:
        raise context.error("no_chosen")
    pictures = models.pictures_of(context, one.model)
    if pictures is None:
        raise context.error("nearest_elsewhere", model=models.title(context, one.model))

    def find(check: Check) -> list[tuple[str, str]]:
        import torch

        from impasto.image.files import encode, from_pil
        from impasto.nn.features import load_lite0, look

        sources = context.studio.catalogue.sources(one.model, pictures)
        with Image.open(one.path) as picture:
            views = look(load_lite0(torch.device("cpu")), from_pil(picture)[None])
        found = zip(("layout", "content"), sources.nearest(views), strict=True)
        return [
            (context.put(f"by_{name}.png", encode(nearest[0], "near.png")), context.say(f"nearest_{name}"))
            for name, nearest in found
        ]

    busy = Reply((gr.skip(),), bar(context.say("nearest_busy")))
    near = yield from context.watch(find, lambda: busy)
    yield Reply((gr.update(value=near, visible=True),), note(context.say("nearest_hint"), "good"))


def _save_all(context: PageContext, shown: list[GalleryPicture]) -> str:
    """All pictures that are shown, as a zip."""
    if not shown:
        raise context.error("nothing_shown")
    return zip_files(context, [one.path for one in shown], _title(context, shown))


def _save_sheet(context: PageContext, shown: list[GalleryPicture]) -> str:
    """All pictures that are shown, on one."""
    if not shown:
        raise context.error("nothing_shown")
    return save_sheet(context, shown, f"{_title(context, shown)}_sheet")


def _title(context: PageContext, shown: list[GalleryPicture]) -> str:
    """A file's name for several pictures: the model, and the seeds if that is what they are."""
    name = stem(models.title(context, shown[0].model))
    first, last = shown[0].words, shown[-1].words
    return f"{name}_seeds{first}-{last}" if first.isdecimal() and last.isdecimal() else f"{name}_pictures"
