"""Rename and delete, for runs and uploads: what is deleted goes to the trash and can come back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from impasto.studio import trash
from impasto.studio.page.context import PageContext
from impasto.studio.page.notes import Reply, build_note, listen, note


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
        context: PageContext,
        chosen: gr.Dropdown,
        about: Callable[[str], Path],
        lists: Callable[[str | None], Any],
    ) -> None:
        """Connect the parts.

        Args:
            context: What the tabs of the page work with.
            chosen: The list in which something is chosen.
            about: Gives the file with the name of what is chosen; raises for what cannot be changed now.
            lists: Gives what the list becomes with another choice, or with none.
        """
        buttons = [self.delete, self.sure, self.undo]

        def rename(one: str | None, name: str) -> Any:
            with context.explain_errors():
                told = trash.rename(_file(context, one, about), name)
            return Reply((lists(one), ""), note(context.say("renamed", name=told), "good"))

        def ask(one: str | None) -> tuple[Any, ...]:
            with context.explain_errors():
                _file(context, one, about)
            return gr.update(visible=False), gr.update(visible=True), gr.update(visible=False)

        def delete(one: str | None) -> Any:
            with context.explain_errors():
                place = trash.put_away(_file(context, one, about).parent, context.studio.workspace)
            where = place.relative_to(context.studio.workspace.resolve()).as_posix()
            shown = (gr.update(visible=True), gr.update(visible=False), gr.update(visible=True))
            return Reply((lists(None), place, *shown), note(context.say("deleted", place=where), ""))

        def undo(place: Path | None) -> Any:
            if place is None:
                raise context.error("nothing_deleted")
            with context.explain_errors():
                back = trash.bring_back(place, context.studio.workspace)
            return Reply(
                (lists(back.name), None, gr.update(visible=False)), note(context.say("restored"), "good")
            )

        listen(
            context,
            [self.rename.click, self.name.submit],
            rename,
            [chosen, self.name],
            [chosen, self.name],
            self.note,
        )
        listen(context, [self.delete.click], ask, [chosen], buttons, self.note)
        listen(
            context, [self.no.click], lambda: (gr.update(visible=True), gr.update(visible=False)), [],
            [self.delete, self.sure], self.note,
        )  # fmt: skip
        listen(context, [self.yes.click], delete, [chosen], [chosen, self.gone, *buttons], self.note)
        listen(context, [self.undo.click], undo, [self.gone], [chosen, self.gone, self.undo], self.note)


def build(context: PageContext, title: str, id_: str) -> Manage:
    """The parts, folded away."""
    with gr.Accordion(context.say(title), open=False, elem_id=id_):
        name = gr.Textbox(label=context.say("new_name"), max_lines=1, max_length=80)
        with gr.Row():
            rename = gr.Button(context.say("rename"), min_width=90)
            delete = gr.Button(context.say("delete"), min_width=90)
        with gr.Row(visible=False) as sure:
            yes = gr.Button(context.say("delete_sure"), variant="stop", min_width=90)
            no = gr.Button(context.say("cancel"), min_width=90)
        undo = gr.Button(context.say("undo_delete"), visible=False)
        said = build_note()
    return Manage(name, rename, delete, sure, yes, no, undo, said, gr.State(None))


def unique(name: str, taken: Sequence[str]) -> str:
    """A name that none has yet: with a number, where it is needed."""
    number, told = 1, name
    while told in taken:
        number += 1
        told = f"{name} {number}"
    return told


def _file(context: PageContext, one: str | None, about: Callable[[str], Path]) -> Path:
    if not one:
        raise context.error("nothing_chosen")
    return about(one)
