"""A bounded queue of work: what does not fit in is refused at once, honestly, with a time to come again."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from impasto.studio.problems import Refused

REMEMBERED = 1_000  # clients, by when they were served last
T = TypeVar("T")
Check = Callable[[], None]
"""Called by work now and then; raises `Left` when nobody waits for it any more."""
Work = Callable[[Check], T]


class Left(Refused):
    """Nobody waits for this any more: the client went away, or its time is over."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(503, message, hint, Retry_After="60")


class Place(Generic[T]):
    """One piece of work in the queue. Its result is in `future`; `leave` gives the place up."""

    def __init__(self, work: Work[T], seconds: float, who: str = "") -> None:
        self.work: Work[T] | None = work
        self.who = who
        self.future: Future[T] = Future()
        self.seconds = seconds
        self.end = time.monotonic() + seconds
        self._left = threading.Event()

    def leave(self) -> None:
        """Nobody waits for it any more. Work that has begun ends at its next `check`."""
        self._left.set()
        if self.future.cancel():
            self.work = None  # what it would have worked on need not stay in memory

    def check(self) -> None:
        """Raises `Left`."""
        if self._left.is_set():
            raise Left("nobody waits for this any more")
        if time.monotonic() > self.end:
            raise Left(f"this takes longer than {self.seconds:g} s", "ask for less at a time")


class Queue:
    """`workers` threads and `waiting` places, of which one client has `waiting_of_one` at most.

    Clients are served in turn, each one's work in the order of its arrival: who asks for one picture does not
    wait for the hundred of another. `after` is called after each piece of work. For any thread.
    """

    def __init__(
        self,
        workers: int = 2,
        waiting: int = 32,
        seconds: float = 300.0,
        waiting_of_one: int | None = None,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        self.workers, self.most_waiting, self.seconds = workers, waiting, seconds
        self.most_of_one = waiting if waiting_of_one is None else min(waiting, waiting_of_one)
        self._after = after
        self._waiting: deque[Place[Any]] = deque()
        self._served: list[str] = []  # clients, the one served longest ago first
        self._running = 0
        self._mean_seconds = 1.0  # of what was done of late
        self._closed = False
        self._changed = threading.Condition()
        self._mine = threading.local()  # what each worker works on
        self._threads = [
            threading.Thread(target=self._serve, name=f"studio-{i}", daemon=True) for i in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def load(self) -> dict[str, int]:
        """How many pieces of work are running and waiting, and how many may wait."""
        with self._changed:
            self._drop_those_who_left()
            return {"running": self._running, "waiting": len(self._waiting), "places": self.most_waiting}

    def enter(self, work: Work[T], who: str = "") -> Place[T]:
        """Take a place for the client `who`.

        Raises `Refused`: 429 with `Retry-After` where all are taken, or all that one client may have.
        """
        with self._changed:
            if self._closed:
                raise Refused(503, "the studio is closing", "come again", Retry_After="10")
            self._drop_those_who_left()
            # Somebody who finds a free worker does not wait; that it has not yet woken up is no matter.
            free = max(0, self.workers - self._running)
            of_one = sum(place.who == who for place in self._waiting)
            if len(self._waiting) >= free + self.most_waiting or of_one >= free + self.most_of_one:
                raise self._full(of_one if of_one >= free + self.most_of_one else None)
            place = Place(work, self.seconds, who)
            self._waiting.append(place)
            self._changed.notify()
            return place

    def run(self, work: Work[T]) -> T:
        """Do work in its turn and wait for it, for callers with a thread of their own."""
        return self.enter(work).future.result()

    def heed(self) -> None:
        """Raises `Left` if nobody waits for what the calling thread works on; nothing in other threads."""
        place: Place[Any] | None = getattr(self._mine, "place", None)
        if place is not None:
            place.check()

    def close(self) -> None:
        """Take no more; what is in the queue is still done."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _full(self, of_one: int | None) -> Refused:
        count = len(self._waiting) if of_one is None else of_one
        turns = (self._running + count) / self.workers
        seconds = min(600, max(1, math.ceil(turns * self._mean_seconds)))
        whose = "" if of_one is None else " of yours"
        return Refused(
            429,
            f"{count} pieces of work{whose} are waiting already",
            f"come again in {seconds} s",
            Retry_After=str(seconds),
        )

    def _next(self) -> Place[Any]:
        """Of those who wait, the first of the client that was served longest ago."""
        served = {who: turn for turn, who in enumerate(self._served)}
        first: dict[str, Place[Any]] = {}
        for place in self._waiting:
            first.setdefault(place.who, place)
        place = min(first.values(), key=lambda place: served.get(place.who, -1))
        self._waiting.remove(place)
        self._served = [*[who for who in self._served if who != place.who][-REMEMBERED:], place.who]
        return place

    def _drop_those_who_left(self) -> None:
        if any(place.future.cancelled() for place in self._waiting):
            self._waiting = deque(place for place in self._waiting if not place.future.cancelled())

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    return
                place = self._next()
                if not place.future.set_running_or_notify_cancel():
                    continue
                self._running += 1
            started = time.monotonic()
            self._mine.place = place
            _do(place)
            self._mine.place = None
            with self._changed:
                self._running -= 1
                self._mean_seconds += 0.1 * (time.monotonic() - started - self._mean_seconds)
            del place  # or its pictures would stay until the next one
            self._after()


def _do(place: Place[Any]) -> None:
    work, place.work = place.work, None
    assert work is not None
    try:
        place.check()
        place.future.set_result(work(place.check))
    except BaseException as error:
        place.future.set_exception(error)
