"""Favourites: kept in the browser as recipes, so that they are there after a reload; removed singly, or all.

What was removed last comes back with Undo. Pictures whose model has been trained further or is gone cannot be
made again: their recipes stay until they are cleared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from impasto.errors import InputError
from impasto.studio.page import models
from impasto.studio.page.context import PageContext
from impasto.studio.page.gallery import (
    NOWHERE,
    GalleryPicture,
    build_gallery,
    download,
    gallery_values,
    save_picture,
    stem,
    zip_files,
)
from impasto.studio.page.notes import Reply, build_note, listen, note
from impasto.studio.schemas import MOST_STOPS

STORAGE = "impasto-favourites"
_SECRET = "impasto"  # hides nothing: with one of the server's own, favourites would be lost when it restarts
# One after the other: a picture that is added while those of before are still being made again joins them.
IN_TURN: dict[str, Any] = {"concurrency_id": "favourites", "concurrency_limit": 1}
Stored = list[dict[str, str]]
"""As the browser keeps them: `{"model": ..., "recipe": ...}`."""


@dataclass(frozen=True)
class Collection:
    """The favourites, those that could not be made again, and both as they were before the last removal."""

    pictures: tuple[GalleryPicture, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()  # model and recipe
    before: "Collection | None" = None

    @property
    def stored(self) -> Stored:
        """What the browser keeps."""
        all_ = [(one.model, one.recipe) for one in self.pictures] + list(self.lost)
        return [{"model": model, "recipe": recipe} for model, recipe in all_]


@dataclass
class Favourites:
    """The parts, and what connects them. `state` holds a `Collection`."""

    gallery: gr.Gallery
    note: gr.HTML
    remove: gr.Button
    clear: gr.Button
    undo: gr.Button
    save: gr.Button
    file: gr.DownloadButton
    structure: gr.Dropdown
    detail: gr.Dropdown
    state: gr.State
    browser: gr.BrowserState
    at: gr.State

    @property
    def outputs(self) -> list[Any]:
        """Those that `show` gives values for."""
        return [
            self.gallery, self.state, self.browser, self.structure, self.detail, self.at, self.remove,
            self.clear, self.undo, self.save,
        ]  # fmt: skip

    def connect(
        self, context: PageContext, page: gr.Blocks, sources: Sequence[tuple[gr.Button, gr.State, gr.HTML]]
    ) -> None:
        """What happens when; `sources` are buttons that add a picture, what it is, and where to say so."""
        again = partial(restore, context)
        listen(context, [page.load], again, [self.browser], self.outputs, self.note, **IN_TURN)
        for button, one, place in sources:
            listen(
                context, [button.click], partial(add, context), [self.state, one], self.outputs, place,
                **IN_TURN,
            )  # fmt: skip

        def pick(event: gr.SelectData) -> tuple[int, Any]:
            return event.index, gr.update(interactive=True)

        listen(context, [self.gallery.select], pick, [], [self.at, self.remove], self.note)
        for button, act, inputs in (
            (self.remove, remove, [self.state, self.at]),
            (self.clear, clear, [self.state]),
            (self.undo, undo, [self.state]),
        ):
            listen(context, [button.click], act, inputs, self.outputs, self.note, **IN_TURN)
        after = listen(
            context, [self.save.click], partial(_save_all, context), [self.state], [self.file], self.note
        )
        download(self.file, after)


def browser_storage() -> gr.BrowserState:
    """Where the browser keeps them. Not in a tab: what is in one that was not opened is not there yet."""
    return gr.BrowserState([], storage_key=STORAGE, secret=_SECRET)


def build(
    context: PageContext, browser: gr.BrowserState, structure: gr.Dropdown, detail: gr.Dropdown
) -> Favourites:
    """The gallery and its buttons.

    Args:
        context: What the tabs of the page work with.
        browser: Where the browser keeps the favourites.
        structure: List to choose from for a mix. It is placed elsewhere.
        detail: List to choose from for a mix. It is placed elsewhere.
    """
    gallery = build_gallery(context.say("kept"), "kept")
    with gr.Row():
        remove = gr.Button(context.say("remove"), interactive=False, min_width=100)
        clear = gr.Button(context.say("clear"), interactive=False, min_width=100)
        undo = gr.Button(context.say("undo"), interactive=False, min_width=100)
        save = gr.Button(context.say("save_all"), interactive=False, min_width=140)
    said = build_note("kept-note")
    file = gr.DownloadButton(visible="hidden", elem_id="kept-file")
    return Favourites(
        gallery, said, remove, clear, undo, save, file, structure, detail, gr.State(Collection()), browser,
        gr.State(None),
    )  # fmt: skip


def show(kept: Collection) -> tuple[Any, ...]:
    """The gallery with its numbers, what is known and kept, two lists to choose from, and the buttons."""
    numbered = tuple(replace(one, words=str(i)) for i, one in enumerate(kept.pictures, 1))
    numbers = [one.words for one in numbered]
    choices = [gr.update(choices=numbers, value=numbers[i] if len(numbers) > i else None) for i in (0, 1)]
    kept = replace(kept, pictures=numbered)
    shown, _ = gallery_values(numbered)
    some = bool(kept.pictures or kept.lost)
    only = 0 if len(numbered) == 1 else None  # which Gradio marks, having no other
    buttons = (only is not None, some, kept.before is not None, bool(kept.pictures))
    return (
        gr.update(value=shown, selected_index=NOWHERE), kept, kept.stored, *choices, only,
        *[gr.update(interactive=each) for each in buttons],
    )  # fmt: skip


def add(context: PageContext, kept: Collection, one: GalleryPicture | None) -> Any:
    """One more, unless it is there already."""
    if one is None:
        raise context.error("no_chosen")
    if any(one.recipe == other.recipe for other in kept.pictures):
        return Reply(show(kept), note(context.say("kept_already"), ""))
    if len(kept.pictures) >= MOST_STOPS:
        raise context.error("too_many_kept", most=MOST_STOPS)
    more = replace(kept, pictures=(*kept.pictures, one), before=None)
    return Reply(show(more), note(context.say("kept_now", count=len(more.pictures)), "good"))


def remove(kept: Collection, at: int | None) -> tuple[Any, ...]:
    """All but one."""
    if at is None or not 0 <= at < len(kept.pictures):
        return show(kept)
    made = (*kept.pictures[:at], *kept.pictures[at + 1 :])
    return show(Collection(made, kept.lost, replace(kept, before=None)))


def clear(kept: Collection) -> tuple[Any, ...]:
    """None any more; `undo` brings them back."""
    return show(Collection(before=replace(kept, before=None)))


def undo(kept: Collection) -> tuple[Any, ...]:
    """As it was before the last removal."""
    return show(kept.before or kept)


def restore(context: PageContext, stored: Any) -> Iterator[Any]:
    """What a browser has kept, made again, as far as that goes; nothing where it has none."""
    asked = list(_read_stored(stored))
    if not asked:
        yield show(Collection())
        return
    made: list[GalleryPicture] = []
    lost: list[tuple[str, str]] = []
    for model, recipe in asked:
        found = context.do(partial(_remake, context, model, recipe))
        if found is None:
            lost.append((model, recipe))
        else:
            made.append(found)
    words = note(context.say("kept_lost", count=len(lost)), "") if lost else ""
    yield Reply(show(Collection(tuple(made), tuple(lost))), words)


def _read_stored(stored: Any) -> Iterator[tuple[str, str]]:
    """Model and recipe of each; what a browser sends may be anything."""
    for one in stored[:MOST_STOPS] if isinstance(stored, list) else []:
        if isinstance(one, dict):
            model, recipe = one.get("model"), one.get("recipe")
            if isinstance(model, str) and isinstance(recipe, str):
                yield model, recipe


def _remake(context: PageContext, name: str, text: str, check: object) -> GalleryPicture | None:
    """A favourite's picture; None where its model is not there as it was, or it is no recipe."""
    from impasto.tasks.generation.sampling.recipe import parse_recipes

    try:
        recipe, *_ = parse_recipes(text.encode(), "favourite")
        model = context.studio.catalogue.generator(name)
        return save_picture(context, model, name, model.make(recipe))
    except InputError:
        return None


def _save_all(context: PageContext, kept: Collection) -> str:
    """All of them, as a zip."""
    if not kept.pictures:
        raise context.error("nothing_shown")
    name = stem(models.title(context, kept.pictures[0].model))
    return zip_files(context, [one.path for one in kept.pictures], f"{name}_favourites")
