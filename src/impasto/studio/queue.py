"""A bounded queue of work: what does not fit in is refused at once, honestly, with a time to come again.

The page asks from threads and the API from an event loop, so the limiters of anyio do not serve. Those of
ASGI libraries count requests in a stretch of time; here work in progress counts. The threads are our own:
an interpreter that ends waits for those of `concurrent.futures`, and a second Ctrl-C must not wait.
"""

import math
import threading
import time
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
        self.who = who
        self.future: Future[T] = Future()
        self._work: Work[T] | None = work
        self._seconds, self._end = seconds, time.monotonic() + seconds
        self._left = False

    def leave(self) -> None:
        """Nobody waits for it any more. Work that has begun ends at its next `check`."""
        self._left = True
        if self.future.cancel():
            self._work = None  # what it would have worked on need not stay in memory

    def check(self) -> None:
        """Raises `Left`."""
        if self._left:
            raise Left("nobody waits for this any more")
        if time.monotonic() > self._end:
            raise Left(f"this takes longer than {self._seconds:g} s", "ask for less at a time")

    def do(self) -> None:
        """Work; the result, or what went wrong, goes to `future`."""
        work, self._work = self._work, None
        assert work is not None
        try:
            self.check()
            self.future.set_result(work(self.check))
        except BaseException as error:
            self.future.set_exception(error)


class Queue:
    """Threads that work for clients in turn, and places to wait. For any thread.

    Clients are served in turn, each one's work in the order of its arrival: who asks for one picture does not
    wait for the hundred of another.

    Args:
        workers: Threads; so many pieces of work run at a time.
        waiting: Places for work that waits.
        seconds: After so many seconds, waiting included, a piece of work is given up at its next `check`.
        waiting_of_one: Places that one client may have, at most `waiting`. None: all.
        after: Is called after each piece of work.
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
        self._waiting: list[Place[Any]] = []
        self._served: dict[str, float] = {}  # clients and when, the one served longest ago first
        self._running = 0
        self._mean_seconds = 1.0  # of what was done of late
        self._closed = False
        self._changed = threading.Condition()
        self._mine = threading.local()  # what each worker works on
        for i in range(workers):
            threading.Thread(target=self._serve, name=f"studio-{i}", daemon=True).start()

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
            if of_one >= free + self.most_of_one:
                raise self._full(of_one, " of yours")
            if len(self._waiting) >= free + self.most_waiting:
                raise self._full(len(self._waiting), "")
            place = Place(work, self.seconds, who)
            self._waiting.append(place)
            self._changed.notify()
            return place

    def check_cancelled(self) -> None:
        """Raises `Left` if nobody waits for what the calling thread works on; nothing in other threads."""
        place: Place[Any] | None = getattr(self._mine, "place", None)
        if place is not None:
            place.check()

    def close(self) -> None:
        """Take no more; what is in the queue is still done."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _full(self, count: int, whose: str) -> Refused:
        turns = (self._running + count) / self.workers
        seconds = min(600, max(1, math.ceil(turns * self._mean_seconds)))
        words = f"{count} pieces of work{whose} are waiting already"
        return Refused(429, words, f"come again in {seconds} s", Retry_After=str(seconds))

    def _drop_those_who_left(self) -> None:
        self._waiting = [place for place in self._waiting if not place.future.cancelled()]

    def _next(self) -> Place[Any] | None:
        """Of those who wait, the first of the client that was served longest ago; None when all is done."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return None
                place = min(self._waiting, key=lambda place: self._served.get(place.who, 0.0))
                self._waiting.remove(place)
                if place.future.set_running_or_notify_cancel():
                    break
            self._served.pop(place.who, None)
            self._served[place.who] = time.monotonic()
            if len(self._served) > REMEMBERED:
                del self._served[next(iter(self._served))]
            self._running += 1
            return place

    def _serve(self) -> None:
        while (place := self._next()) is not None:
            started = time.monotonic()
            self._mine.place = place
            place.do()
            self._mine.place = None
            with self._changed:
                self._running -= 1
                self._mean_seconds += 0.1 * (time.monotonic() - started - self._mean_seconds)
            del place  # or its pictures would stay until the next one
            self._after()
