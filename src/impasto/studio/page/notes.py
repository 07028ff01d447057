"""Lasting messages: what went wrong is said where it was done, and goes when it is mended.

Gradio's own way, a toast and a panel "Error" over every output, is gone after seconds in the one case and
stays when the cause is gone in the other.
"""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from impasto.pages import render
from impasto.studio.page.context import PageContext

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Options of an event: Gradio shows no progress of its own, and does not offer it in its API."""
log = logging.getLogger("impasto.studio")


@dataclass(frozen=True)
class Reply:
    """What a handler returns that has something to say besides its `values`; `words` is HTML."""

    values: tuple[Any, ...]
    words: str


def build_note(id_: str | None = None) -> gr.HTML:
    """A place for messages, beside what they are about."""
    return gr.HTML(elem_classes="impasto-note", elem_id=id_, padding=False)


def note(words: str, kind: str = "bad", role: str | None = None) -> str:
    """Words as HTML. `**` marks what is strong. Screen readers say at once what is bad, without a `role`."""
    role = role or ("alert" if kind == "bad" else "status")
    return render("note.html", words=words, kind=kind, role=role) if words else ""


def bar(words: str, share: float | None = None) -> str:
    """What is under way, and how far it is; `share` None where nobody knows."""
    return render("bar.html", words=words, share=None if share is None else min(max(share, 0.0), 1.0))


def note_errors(context: PageContext, handler: Callable[..., Any], place: gr.HTML) -> Callable[..., Any]:
    """A handler whose errors appear in `place`, its last output, and which empties it when all is well.

    The other outputs stay as they are where something went wrong.
    """
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stream(*given: Any) -> Iterator[Any]:
            try:
                for made in handler(*given):
                    yield _with_words(made)
            except Exception as error:
                yield {place: note(_explain(context, error))}

        return stream

    @functools.wraps(handler)
    def once(*given: Any) -> Any:
        try:
            return _with_words(handler(*given))
        except Exception as error:
            return {place: note(_explain(context, error))}

    return once


def _with_words(made: Any) -> tuple[Any, ...]:
    if isinstance(made, Reply):
        return (*made.values, made.words)
    if made is None:
        return ("",)
    return (*made, "") if isinstance(made, tuple) else (made, "")


def _explain(context: PageContext, error: Exception) -> str:
    if isinstance(error, gr.Error):
        return str(error.message)
    if isinstance(error, OSError) and error.errno == 28:
        return context.say("disk_full")
    log.error("unexpected", exc_info=error)
    return context.say("inside")


def listen(
    context: PageContext,
    triggers: Sequence[Callable[..., Any]],
    handler: Callable[..., Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    place: gr.HTML,
    **how: Any,
) -> Any:
    """Call a handler on events; what goes wrong is said in `place`. Gradio's progress is hidden.

    Args:
        context: What the tabs of the page work with; it has the words.
        triggers: Events of Gradio's parts, such as `button.click`.
        handler: Is called with the values of the inputs. It may be a generator.
        inputs: Parts whose values the handler takes.
        outputs: Parts that take what the handler returns, without `place`.
        place: Where what the handler says, and what goes wrong, is shown.
        **how: Options of `gradio.on`, in place of the usual ones.

    Returns:
        What `gradio.on` returns.
    """
    options = {**QUIET, **how}
    return gr.on(
        list(triggers), note_errors(context, handler, place), list(inputs), [*outputs, place], **options
    )
