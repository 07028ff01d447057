"""Films of strangers, larger: within limits, as browsers play them, and in short turns of the queue."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from impasto.studio.film_headers import claimed_samples
from impasto.studio.problems import Refused
from impasto.studio.queue import Check
from impasto.studio.settings import Limits

if TYPE_CHECKING:
    from impasto.tasks.upscaling.inference.films import FilmPlan
    from impasto.tasks.upscaling.inference.upscale import PictureUpscaler

TURN_SECONDS = 3.0  # then others get their turn
MOST_SAMPLES = 10_000_000
SILENT = "MP4 cannot hold its sound: the preview has none, and the whole film becomes MKV"
NOT_SEEN = "MP4 cannot hold its sound: it is an MKV file, which browsers do not play"
IN_BROWSERS = "it has more than 8 bits, and browsers play 8: it gets 8"


def plan_for_browsers(
    source: Path, own_scale: int, scale: float | None, limits: Limits, seconds: float | None = None
) -> "FilmPlan":
    """What a film becomes: MP4 with H.264 of 8 bits, or MKV where MP4 cannot hold its sound.

    A beginning is always MP4, without that sound.

    Args:
        source: The film.
        own_scale: The upscaler's scale, where nothing else is asked for.
        scale: How many times larger. None: `own_scale`.
        limits: How large it and its frames may be. How long all of it may be is not looked at here.
        seconds: How much of its beginning is meant. None: all of it.

    Raises:
        Refused: 413 where it, or an enlarged frame of it, is too large.
        ImageError: It cannot be read.
        InputError: What is asked cannot be done.
    """
    from impasto.image.remux import Kept, SoundError
    from impasto.tasks.upscaling.inference.films import plan_film

    if source.stat().st_size > limits.upload_bytes:
        raise Refused(413, f"the film is larger than {limits.upload_bytes / 2**20:.4g} MB")
    if claimed_samples(source) > MOST_SAMPLES:
        raise Refused(413, "the film's header claims too many frames", "use `impasto upscale`")

    def plan(container: str) -> "FilmPlan":
        most = limits.film_frame_pixels
        return plan_film(
            source, container, own_scale, scale=scale, codec="h264", seconds=seconds, max_pixels=most
        )

    notes: tuple[str, ...] = ()
    try:
        found = plan("mp4")
    except SoundError:
        found = plan("mkv")
        notes = (NOT_SEEN,)
        if seconds is not None:
            found, notes = replace(found, container="mp4", kept=Kept((), ())), (SILENT,)
    width, height = found.size
    if width * height > limits.film_frame_pixels:
        raise Refused(
            413,
            f"frames of {width:,} x {height:,} pixels are too many",
            "choose a smaller scale, or use `impasto upscale`",
        )
    film = found.film
    notes = (*notes, *film.notes, *((IN_BROWSERS,) if film.deep else ()))
    return replace(found, film=replace(film, deep=False, layout="420", notes=notes))


class FilmWork:
    """A film in work. Each turn may be in another thread."""

    def __init__(
        self,
        upscaler: "PictureUpscaler",
        plan: "FilmPlan",
        target: Path,
        limits: Limits,
        closed: Callable[[], None],
    ) -> None:
        """Nothing is done yet; `Films.begin` explains the arguments. `closed` is called once at the end."""
        from impasto.tasks.upscaling.inference.films import upscaled_frames

        self.plan, self.target, self.notes = plan, target, list(plan.notes)
        self.made, self.total, self.seconds = 0, plan.frames, 0.0
        self._limits, self._closed = limits, closed
        self._check: Check = lambda: None
        self._frames = upscaled_frames(
            upscaler, plan, target, check=lambda: self._check(), note=self.notes.append
        )
        self._lock = threading.Lock()

    @property
    def silent(self) -> bool:
        """Whether it is a beginning that lacks its sound."""
        return SILENT in self.plan.film.notes

    def turn(self, check: Check) -> bool:
        """Go on for some seconds. Returns whether the film is there now.

        Raises `Refused` (413) for a film that is longer than it said, or becomes too large a file.
        """
        with self._lock:
            self._check = check
            for path in (self.plan.film.path, self.target.parent):
                os.utime(path)  # the page removes what has not changed for hours, and this may take longer
            started = time.monotonic()
            try:
                for made, total in self._frames:
                    self.made, self.total = made, total
                    check()
                    self._refuse_too_much()
                    if time.monotonic() - started > TURN_SECONDS:
                        return False
                return True
            finally:
                self.seconds += time.monotonic() - started

    def close(self) -> None:
        """End it, in a thread: a turn under way ends at its next tile. What is not done is removed."""
        threading.Thread(target=self._close, name="film-end", daemon=True).start()

    def _refuse_too_much(self) -> None:
        width, height = self.plan.size
        if self.made * width * height > self._limits.film_pixels:
            raise Refused(413, f"the film has more than {self.made - 1:,} frames", "use `impasto upscale`")
        written = sum(path.stat().st_size for path in self.target.parent.rglob("*.mp4"))
        if written > self._limits.film_bytes:
            most = self._limits.film_bytes / 2**20
            raise Refused(413, f"the enlarged film is larger than {most:.4g} MB", "use `impasto upscale`")

    def _close(self) -> None:
        try:
            with self._lock:
                self._frames.close()
        finally:
            if not self.target.is_file():
                shutil.rmtree(self.target.parent, ignore_errors=True)
            self._closed()


class Films:
    """The films in work: each keeps an encoder's frames in memory for as long as it takes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pixels: list[int] = []  # of a frame of each
        self._lock = threading.Lock()

    @property
    def in_work(self) -> int:
        """How many there are."""
        return len(self._pixels)

    def begin(self, upscaler: "PictureUpscaler", plan: "FilmPlan", place: Callable[[], Path]) -> FilmWork:
        """Take a place for a film.

        Args:
            upscaler: The upscaler.
            plan: What it becomes, by `plan_for_browsers`.
            place: Gives the file to write, alone in its folder.

        Raises:
            Refused: 413 where it is too long, 429 where as many are in work as there is memory for.
        """
        pixels = plan.size[0] * plan.size[1]
        if plan.seconds is None and plan.frames * pixels > self._limits.film_pixels:
            raise Refused(413, f"the film has {plan.frames:,} frames", "use `impasto upscale`")
        with self._lock:
            full = len(self._pixels) >= self._limits.films
            if full or sum(self._pixels) + pixels > self._limits.film_frame_pixels:
                raise Refused(429, "other films are in work already", "come again when one is done")
            target = place()
            self._pixels.append(pixels)
        return FilmWork(upscaler, plan, target, self._limits, lambda: self._leave(pixels))

    def _leave(self, pixels: int) -> None:
        with self._lock:
            self._pixels.remove(pixels)
