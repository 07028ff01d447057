"""What all tabs of the page work with: the studio, words of one language, work in its turn, files to give."""

import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import wait
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

import gradio as gr
from gradio.context import LocalContext
from pydantic import ValidationError

from impasto.errors import ImpastoError, InputError
from impasto.pages import render
from impasto.studio.page.errors import explain
from impasto.studio.page.words import LANGUAGES, words
from impasto.studio.problems import Refused
from impasto.studio.queue import Check, Place
from impasto.studio.studio import Studio

T = TypeVar("T")
V = TypeVar("V")
Tell = Callable[[], None]
AHEAD = 2  # as many as the queue has workers: more would only make others wait
TELL_SECONDS, TIDY_SECONDS, KEEP_SECONDS = 0.3, 60.0, 6 * 3_600.0


class Desk:
    """One language of the page over one studio."""

    def __init__(self, studio: Studio, language: str) -> None:
        self.studio, self.language = studio, language
        self._words = words(language)
        self._tidy_at = 0.0
        self.useful: dict[str, frozenset[str]] = {}  # by a model's digest: the adjustments that change it
        self.out = Path(mkdtemp(prefix="page-", dir=studio.private))  # emptied when a server starts or ends

    def say(self, key: str, **figures: object) -> str:
        """The page's words for something. Raises `KeyError` for what has none."""
        return self._words[key].format(**figures)

    def refused(self, key: str, **figures: object) -> gr.Error:
        """To be raised: what is missing or wrong, in the page's words."""
        return gr.Error(self.say(key, **figures), title=self.say("no"), print_exception=False)

    def heading(self) -> None:
        """The name, what it is, and the other languages."""
        said = {"slogan": self.say("slogan"), "choice": self.say("language")}
        gr.HTML(render("heading.html", here=self.language, languages=LANGUAGES, **said), padding=False)

    def do(self, work: Callable[[Check], T], tell: Tell | None = None) -> T:
        """Do work in the studio's queue and wait for it; meanwhile `tell` is called now and then.

        What is refused is said on the page (`gr.Error`).
        """
        with Said(self):
            place = self.studio.queue.enter(work, _peer())
            try:
                while tell is not None and not place.future.done():
                    time.sleep(TELL_SECONDS)
                    tell()
                return place.future.result()
            finally:
                place.leave()

    def watch(self, work: Callable[[Check], T], look: Callable[[], V]) -> Generator[V, None, T]:
        """Do work in the studio's queue; meanwhile what `look` sees, now and then; in the end the result."""
        with Said(self):
            place = self.studio.queue.enter(work, _peer())
            try:
                yield look()  # at once: quick work is over before there is a second time
                while wait([place.future], TELL_SECONDS).not_done:
                    yield look()
                return place.future.result()
            finally:
                place.leave()

    def each(self, works: Iterable[Callable[[Check], T]]) -> Iterator[T]:
        """Do several pieces of work in the studio's queue, `AHEAD` at a time; their results, in order."""
        with Said(self):
            places: deque[Place[T]] = deque()
            try:
                for work in works:
                    places.append(self.studio.queue.enter(work, _peer()))
                    if len(places) == AHEAD:
                        yield places.popleft().future.result()
                while places:
                    yield places.popleft().future.result()
            finally:
                for place in places:
                    place.leave()

    def put(self, name: str, data: bytes) -> str:
        """A file to be given out under a name of ours; Gradio copies it to where it serves from."""
        if time.monotonic() > self._tidy_at:  # now and then: a slider puts hundreds a minute
            self._tidy_at = time.monotonic() + TIDY_SECONDS
            for old in self.out.iterdir():
                if old.stat().st_mtime < time.time() - KEEP_SECONDS:
                    shutil.rmtree(old, ignore_errors=True)
        folder = self.out / secrets.token_hex(8)
        folder.mkdir()
        (folder / name).write_bytes(data)
        return str(folder / name)


def _peer() -> str:
    """The address of the client that the page works for."""
    client = getattr(LocalContext.request.get(None), "client", None)
    return str(client.host) if client is not None else ""


class Said:
    """What goes wrong by the user's doing inside of it becomes a `gr.Error` in the page's words."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ValidationError):
            words = error.errors(include_url=False)[0]
            error = InputError(f"{'.'.join(map(str, words['loc']))}: {words['msg']}")
        if isinstance(error, ImpastoError):
            said = explain(error, self.desk.language)
            if not isinstance(error, Refused):
                said = self.desk.studio.without_places(said)
            raise gr.Error(said, title=self.desk.say("no"), print_exception=False) from None
