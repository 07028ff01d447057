"""What all tabs of the page work with: the studio, words of one language, work in its turn, files to give."""

import contextlib
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
TELL_SECONDS, TIDY_SECONDS, KEEP_SECONDS = 0.3, 60, 6 * 3_600


class PageContext:
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

    def error(self, key: str, **figures: object) -> gr.Error:
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
        with self._place_for(work) as place:
            while tell is not None and not place.future.done():
                time.sleep(TELL_SECONDS)
                tell()
            return place.future.result()

    def watch(self, work: Callable[[Check], T], look: Callable[[], V]) -> Generator[V, None, T]:
        """Do work in the studio's queue; meanwhile what `look` sees, now and then; in the end the result."""
        with self._place_for(work) as place:
            yield look()  # at once: quick work is over before there is a second time
            while wait([place.future], TELL_SECONDS).not_done:
                yield look()
            return place.future.result()

    def take_turns(self, turn: Callable[[Check], bool], look: Callable[[], V]) -> Generator[V, None, None]:
        """Do long work in turns until one returns True: each takes a place of its own in the studio's queue.

        Meanwhile yields what `look` sees, now and then. Where all places are taken it comes again.
        """
        with self.explain_errors():
            done = False
            while not done:
                yield look()
                try:
                    place = self.studio.queue.enter(turn, _peer())
                except Refused as error:
                    if error.status != 429:
                        raise
                    time.sleep(TELL_SECONDS)
                    continue
                try:
                    while wait([place.future], TELL_SECONDS).not_done:
                        yield look()
                    done = place.future.result()
                finally:
                    place.leave()

    @contextlib.contextmanager
    def _place_for(self, work: Callable[[Check], T]) -> Iterator[Place[T]]:
        """Work's place in the studio's queue, which is given up in the end."""
        with self.explain_errors():
            place = self.studio.queue.enter(work, _peer())
            try:
                yield place
            finally:
                place.leave()

    @contextlib.contextmanager
    def explain_errors(self) -> Iterator[None]:
        """What goes wrong inside by the user's doing becomes a `gr.Error` in the page's words."""
        try:
            yield
        except (ValidationError, ImpastoError) as error:
            if isinstance(error, ValidationError):
                first = error.errors(include_url=False)[0]
                error = InputError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
            text = explain(error, self.language)
            if not isinstance(error, Refused):
                text = self.studio.without_places(text)
            raise gr.Error(text, title=self.say("no"), print_exception=False) from None

    def each(self, works: Iterable[Callable[[Check], T]]) -> Iterator[T]:
        """Do several pieces of work in the studio's queue, `AHEAD` at a time; their results, in order."""
        with self.explain_errors():
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
        path = self.place(name)
        path.write_bytes(data)
        return str(path)

    def place(self, name: str) -> Path:
        """Where a file to be given out may be written, in a new folder of its own."""
        if time.monotonic() > self._tidy_at:  # now and then: a slider puts hundreds a minute
            self._tidy_at = time.monotonic() + TIDY_SECONDS
            for old in self.out.iterdir():
                if old.stat().st_mtime < time.time() - KEEP_SECONDS:
                    shutil.rmtree(old, ignore_errors=True)
        folder = self.out / secrets.token_hex(8)
        folder.mkdir()
        return folder / name


def _peer() -> str:
    """The address of the client that the page works for."""
    client = getattr(LocalContext.request.get(None), "client", None)
    return str(client.host) if client is not None else ""
