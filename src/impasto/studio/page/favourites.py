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
from impasto.studio.page.create import Create
from impasto.studio.page.desk import Desk
from impasto.studio.page.made import NOWHERE, Made, download, empty_gallery, in_gallery, put, stem, zipped
from impasto.studio.page.notes import Noted, empty_note, listen, note
from impasto.studio.schemas import MOST_STOPS

STORAGE = "impasto-favourites"
_SECRET = "impasto"  # hides nothing: with one of the server's own, favourites would be lost when it restarts
# One after the other: a picture that is added while those of before are still being made again joins them.
IN_TURN: dict[str, Any] = {"concurrency_id": "favourites", "concurrency_limit": 1}
Stored = list[dict[str, str]]
"""As the browser keeps them: `{"model": ..., "recipe": ...}`."""


@dataclass(frozen=True)
class Kept:
    """The favourites, those that could not be made again, and both as they were before the last removal."""

    made: tuple[Made, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()  # model and recipe
    before: "Kept | None" = None

    @property
    def stored(self) -> Stored:
        """What the browser keeps."""
        all_ = [(one.model, one.recipe) for one in self.made] + list(self.lost)
        return [{"model": model, "recipe": recipe} for model, recipe in all_]


@dataclass
class Favourites:
    """The parts, and what connects them. `state` holds a `Kept`."""

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
        """Those that `listed` gives values for."""
        return [
            self.gallery, self.state, self.browser, self.structure, self.detail, self.at, self.remove,
            self.clear, self.undo, self.save,
        ]  # fmt: skip

    def connect(
        self, desk: Desk, page: gr.Blocks, sources: Sequence[tuple[gr.Button, gr.State, gr.HTML]]
    ) -> None:
        """What happens when; `sources` are buttons that add a picture, what it is, and where to say so."""

        def restore(stored: Any) -> Iterator[Any]:
            yield from restored(desk, stored)

        listen(desk, [page.load], restore, [self.browser], self.outputs, self.note, **IN_TURN)
        for button, one, place in sources:
            listen(
                desk, [button.click], lambda kept, one: added(desk, kept, one), [self.state, one],
                self.outputs, place, **IN_TURN,
            )  # fmt: skip

        def pick(event: gr.SelectData) -> tuple[int, Any]:
            return event.index, gr.update(interactive=True)

        listen(desk, [self.gallery.select], pick, [], [self.at, self.remove], self.note)
        for button, act, inputs in (
            (self.remove, removed, [self.state, self.at]),
            (self.clear, cleared, [self.state]),
            (self.undo, undone, [self.state]),
        ):
            listen(desk, [button.click], act, inputs, self.outputs, self.note, **IN_TURN)
        after = listen(
            desk, [self.save.click], lambda kept: _all(desk, kept), [self.state], [self.file], self.note
        )
        download(self.file, after)


def in_browser() -> gr.BrowserState:
    """Where the browser keeps them. Not in a tab: what is in one that was not opened is not there yet."""
    return gr.BrowserState([], storage_key=STORAGE, secret=_SECRET)


def build(desk: Desk, browser: gr.BrowserState, structure: gr.Dropdown, detail: gr.Dropdown) -> Favourites:
    """The gallery and its buttons.

    Args:
        desk: The desk of the page.
        browser: Where the browser keeps the favourites.
        structure: List to choose from for a mix. It is placed elsewhere.
        detail: List to choose from for a mix. It is placed elsewhere.
    """
    gallery = empty_gallery(desk.say("kept"), "kept")
    with gr.Row():
        remove = gr.Button(desk.say("remove"), interactive=False, min_width=100)
        clear = gr.Button(desk.say("clear"), interactive=False, min_width=100)
        undo = gr.Button(desk.say("undo"), interactive=False, min_width=100)
        save = gr.Button(desk.say("save_all"), interactive=False, min_width=140)
    said = empty_note("kept-note")
    file = gr.DownloadButton(visible="hidden", elem_id="kept-file")
    return Favourites(
        gallery, said, remove, clear, undo, save, file, structure, detail, gr.State(Kept()), browser,
        gr.State(None),
    )  # fmt: skip


def listed(kept: Kept) -> tuple[Any, ...]:
    """The gallery with its numbers, what is known and kept, two lists to choose from, and the buttons."""
    numbered = tuple(replace(one, words=str(i)) for i, one in enumerate(kept.made, 1))
    numbers = [one.words for one in numbered]
    choices = [gr.update(choices=numbers, value=numbers[i] if len(numbers) > i else None) for i in (0, 1)]
    kept = replace(kept, made=numbered)
    shown, _ = in_gallery(numbered)
    some = bool(kept.made or kept.lost)
    only = 0 if len(numbered) == 1 else None  # which Gradio marks, having no other
    buttons = (only is not None, some, kept.before is not None, bool(kept.made))
    return (
        gr.update(value=shown, selected_index=NOWHERE), kept, kept.stored, *choices, only,
        *[gr.update(interactive=each) for each in buttons],
    )  # fmt: skip


def added(desk: Desk, kept: Kept, one: Made | None) -> Any:
    """One more, unless it is there already."""
    if one is None:
        raise desk.refused("no_chosen")
    if any(one.recipe == other.recipe for other in kept.made):
        return Noted(listed(kept), note(desk.say("kept_already"), ""))
    if len(kept.made) >= MOST_STOPS:
        raise desk.refused("too_many_kept", most=MOST_STOPS)
    more = replace(kept, made=(*kept.made, one), before=None)
    return Noted(listed(more), note(desk.say("kept_now", count=len(more.made)), "good"))


def removed(kept: Kept, at: int | None) -> tuple[Any, ...]:
    """All but one."""
    if at is None or not 0 <= at < len(kept.made):
        return listed(kept)
    made = (*kept.made[:at], *kept.made[at + 1 :])
    return listed(Kept(made, kept.lost, replace(kept, before=None)))


def cleared(kept: Kept) -> tuple[Any, ...]:
    """None any more; `undone` brings them back."""
    return listed(Kept(before=replace(kept, before=None)))


def undone(kept: Kept) -> tuple[Any, ...]:
    """As it was before the last removal."""
    return listed(kept.before or kept)


def restored(desk: Desk, stored: Any) -> Iterator[Any]:
    """What a browser has kept, made again, as far as that goes; nothing where it has none."""
    asked = list(_asked(stored))
    if not asked:
        yield listed(Kept())
        return
    made: list[Made] = []
    lost: list[tuple[str, str]] = []
    for model, recipe in asked:
        found = desk.do(partial(_again, desk, model, recipe))
        if found is None:
            lost.append((model, recipe))
        else:
            made.append(found)
    words = note(desk.say("kept_lost", count=len(lost)), "") if lost else ""
    yield Noted(listed(Kept(tuple(made), tuple(lost))), words)


def _asked(stored: Any) -> Iterator[tuple[str, str]]:
    """Model and recipe of each; what a browser sends may be anything."""
    for one in stored[:MOST_STOPS] if isinstance(stored, list) else []:
        if isinstance(one, dict):
            model, recipe = one.get("model"), one.get("recipe")
            if isinstance(model, str) and isinstance(recipe, str):
                yield model, recipe


def _again(desk: Desk, name: str, text: str, check: object) -> Made | None:
    """A favourite's picture; None where its model is not there as it was, or it is no recipe."""
    from impasto.tasks.generation.sampling.recipe import parse_recipes

    try:
        recipe, *_ = parse_recipes(text.encode(), "favourite")
        model = desk.studio.catalogue.generator(name)
        return put(desk, model, name, model.make(recipe))
    except InputError:
        return None


def _all(desk: Desk, kept: Kept) -> str:
    """All of them, as a zip."""
    if not kept.made:
        raise desk.refused("nothing_shown")
    name = stem(models.title(desk, kept.made[0].model))
    return zipped(desk, [one.path for one in kept.made], f"{name}_favourites")


def keepers(make: Create, other: Any) -> list[tuple[gr.Button, gr.State, gr.HTML]]:
    """The buttons of Create and of the map that add a picture."""
    return [(make.keep, make.one, make.chosen_note), (other.keep, other.one, other.note)]
