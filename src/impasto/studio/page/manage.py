"""Rename and delete, for runs and uploads: what is deleted goes to the trash and can come back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from impasto.studio import trash
from impasto.studio.page.desk import Desk, Said
from impasto.studio.page.notes import Noted, empty_note, listen, note


@dataclass
class Manage:
    """The parts, and what connects them. `gone` holds where the trash has what was deleted last."""

    name: gr.Textbox
    rename: gr.Button
    delete: gr.Button
    sure: gr.Row
    yes: gr.Button
    no: gr.Button
    undo: gr.Button
    note: gr.HTML
    gone: gr.State

    def connect(
        self,
        desk: Desk,
        chosen: gr.Dropdown,
        about: Callable[[str], Path],
        lists: Callable[[str | None], Any],
    ) -> None:
        """Connect the parts.

        Args:
            desk: The desk of the page.
            chosen: The list in which something is chosen.
            about: Gives the file with the name of what is chosen; raises for what cannot be changed now.
            lists: Gives what the list becomes with another choice, or with none.
        """
        desks = [self.delete, self.sure, self.undo]

        def rename(one: str | None, name: str) -> Any:
            with Said(desk):
                told = trash.rename(_file(desk, one, about), name)
            return Noted((lists(one), ""), note(desk.say("renamed", name=told), "good"))

        def ask(one: str | None) -> tuple[Any, ...]:
            with Said(desk):
                _file(desk, one, about)
            return gr.update(visible=False), gr.update(visible=True), gr.update(visible=False)

        def delete(one: str | None) -> Any:
            with Said(desk):
                place = trash.put_away(_file(desk, one, about).parent, desk.studio.workspace)
            where = place.relative_to(desk.studio.workspace.resolve()).as_posix()
            shown = (gr.update(visible=True), gr.update(visible=False), gr.update(visible=True))
            return Noted((lists(None), place, *shown), note(desk.say("deleted", place=where), ""))

        def undo(place: Path | None) -> Any:
            if place is None:
                raise desk.refused("nothing_deleted")
            with Said(desk):
                back = trash.bring_back(place, desk.studio.workspace)
            return Noted(
                (lists(back.name), None, gr.update(visible=False)), note(desk.say("restored"), "good")
            )

        listen(
            desk,
            [self.rename.click, self.name.submit],
            rename,
            [chosen, self.name],
            [chosen, self.name],
            self.note,
        )
        listen(desk, [self.delete.click], ask, [chosen], desks, self.note)
        listen(
            desk, [self.no.click], lambda: (gr.update(visible=True), gr.update(visible=False)), [],
            [self.delete, self.sure], self.note,
        )  # fmt: skip
        listen(desk, [self.yes.click], delete, [chosen], [chosen, self.gone, *desks], self.note)
        listen(desk, [self.undo.click], undo, [self.gone], [chosen, self.gone, self.undo], self.note)


def build(desk: Desk, title: str, id_: str) -> Manage:
    """The parts, folded away."""
    with gr.Accordion(desk.say(title), open=False, elem_id=id_):
        name = gr.Textbox(label=desk.say("new_name"), max_lines=1, max_length=80)
        with gr.Row():
            rename = gr.Button(desk.say("rename"), min_width=90)
            delete = gr.Button(desk.say("delete"), min_width=90)
        with gr.Row(visible=False) as sure:
            yes = gr.Button(desk.say("delete_sure"), variant="stop", min_width=90)
            no = gr.Button(desk.say("cancel"), min_width=90)
        undo = gr.Button(desk.say("undo_delete"), visible=False)
        said = empty_note()
    return Manage(name, rename, delete, sure, yes, no, undo, said, gr.State(None))


def unique(name: str, taken: Sequence[str]) -> str:
    """A name that none has yet: with a number, where it is needed."""
    number, told = 1, name
    while told in taken:
        number += 1
        told = f"{name} {number}"
    return told


def _file(desk: Desk, one: str | None, about: Callable[[str], Path]) -> Path:
    if not one:
        raise desk.refused("nothing_chosen")
    return about(one)
