"""A film in the tab Upscale: its first seconds to look at, and all of it when they please."""

import contextlib
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from impasto.errors import ImageError, InputError
from impasto.studio.films import FilmWork, plan_for_browsers
from impasto.studio.page import errors
from impasto.studio.page.context import PageContext
from impasto.studio.page.gallery import stem
from impasto.studio.page.notes import QUIET, Reply, bar, listen, note
from impasto.studio.queue import Check

PREVIEW_SECONDS = 3


@dataclass(frozen=True)
class Asked:
    """A film, how it is enlarged, and the files that are offered beside it."""

    path: Path
    model: str
    scale: float
    engine: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """The enlarged beginning of a film: its file, what is said of it, and whether more of it can be made."""

    path: str
    words: str
    is_all: bool
    more: bool


@dataclass
class FilmPart:
    """The parts of the page that show a film."""

    video: gr.Video
    whole: gr.Button
    stop: gr.Button
    asked: gr.State

    @property
    def outputs(self) -> list[Any]:
        """What a preview fills."""
        return [self.video, self.whole, self.stop, self.asked]

    def connect(self, context: PageContext, downloads: gr.File, place: gr.HTML, preview: Any) -> None:
        """What happens when; `preview` is the event that makes one."""

        def enlarge_all(asked: Asked | None) -> Iterator[Any]:
            yield from _enlarge_all(context, asked)

        whole = listen(
            context, [self.whole.click], enlarge_all, [self.asked], [self.video, downloads], place,
            concurrency_limit=context.studio.settings.limits.films,
        )  # fmt: skip
        self.stop.click(lambda: "", None, place, cancels=[preview, whole], **QUIET)


def build(context: PageContext) -> FilmPart:
    """The parts, none of which is seen before there is a film."""
    video = gr.Video(
        label=context.say("film_beginning"), interactive=False, visible=False, height=600, buttons=[],
        elem_id="film",
    )  # fmt: skip
    with gr.Row():
        whole = gr.Button(context.say("film_whole"), variant="primary", visible=False)
        stop = gr.Button(context.say("film_stop"), visible=False)
    return FilmPart(video, whole, stop, gr.State(None))


def shown(path: str | None = None, asked: Asked | None = None, *, stop: bool = False) -> tuple[Any, ...]:
    """What the parts become: `path` is the film to see, `asked` the one that can be made whole."""
    visible = (path is not None, asked is not None, stop)
    video, *buttons = (gr.update(visible=one) for one in visible)
    return {**video, "value": path}, *buttons, asked


def make_preview(context: PageContext, asked: Asked, outputs: int) -> Generator[Reply, None, Preview]:
    """Enlarge the beginning of a film.

    Meanwhile yields how far that is, for so many outputs, which stay as they are. Raises `gr.Error`.
    """
    work = _begin(context, asked, PREVIEW_SECONDS)
    yield from _enlarge(context, work, outputs)
    frames, made = work.plan.film.frames, work.made
    width, height = work.plan.size
    most = context.studio.settings.limits.film_pixels / (width * height)
    rate = float(work.plan.film.rate)
    is_all, more = 0 < frames <= made and not work.silent, False
    if is_all:
        said = []
    elif frames > most:
        said = [context.say("film_too_long", most=f"{most / rate:,.3g}")]
    else:
        more = True
        minutes = math.ceil(frames * work.seconds / made / 60)
        said = [context.say("film_minutes", minutes=minutes) if frames else context.say("film_unknown")]
    head = context.say(
        "film_shown", name=asked.path.name, seconds=f"{made / rate:.3g}", width=width, height=height
    )
    return Preview(str(work.target), "\n".join([head, *said, *_notes(context, work)]), is_all, more)


def _enlarge_all(context: PageContext, asked: Asked | None) -> Iterator[Any]:
    """All of a film, to be seen where the browser plays it, and offered with the other files."""
    if asked is None or not asked.path.is_file():
        raise context.error("film_gone")
    work = _begin(context, asked, None)
    yield from _enlarge(context, work, outputs=2)
    path = str(work.target)
    seen = gr.update(value=path, label=context.say("film_all")) if work.target.suffix == ".mp4" else gr.skip()
    words = "\n".join([context.say("film_done", name=asked.path.name), *_notes(context, work)])
    yield Reply((seen, [path, *asked.others]), note(words, "good"))


def _begin(context: PageContext, asked: Asked, seconds: float | None) -> FilmWork:
    """A film in work, of which nothing is done yet. Raises `gr.Error` where it cannot be enlarged."""
    limits = context.studio.settings.limits

    def begin(check: Check) -> FilmWork:
        with _named(context, asked.path.name):
            upscaler = context.studio.catalogue.upscaler(asked.model, asked.engine)
            own = upscaler.network.scale
            plan = plan_for_browsers(asked.path, own, asked.scale or None, limits, seconds)
            name = f"{stem(asked.path.stem)}.{plan.container}"
            return context.studio.films.begin(upscaler, plan, lambda: context.place(name))

    return context.do(begin)


def _enlarge(context: PageContext, work: FilmWork, outputs: int) -> Generator[Reply, None, None]:
    """Do the work; meanwhile yields how far it is. Who leaves, or cancels, closes this: that ends it."""

    def turn(check: Check) -> bool:
        with _named(context, work.plan.film.path.name):
            return work.turn(check)

    def look() -> Reply:
        share = work.made / work.total if work.total else None
        words = context.say("film_frames", done=work.made, total=max(work.total, work.made))
        return Reply((gr.skip(),) * outputs, bar(words, share))

    try:
        yield from context.take_turns(turn, look)
    finally:
        work.close()


def _notes(context: PageContext, work: FilmWork) -> list[str]:
    """What of the film did not stay as it is, in the page's words."""
    return [errors.reason_in_words(words, context.language) for words in work.notes]


@contextlib.contextmanager
def _named(context: PageContext, name: str) -> Iterator[None]:
    """What is wrong with a film becomes a `gr.Error` that names it."""
    try:
        yield
    except (ImageError, InputError) as error:
        reason = errors.reason_of(error.message, name, context.language)
        said = context.say("left_out", name=name, reason=reason)
        raise gr.Error(said, title=context.say("no"), print_exception=False) from None
