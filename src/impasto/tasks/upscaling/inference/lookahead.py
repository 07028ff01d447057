"""Tiles in work: several at a time, the next ones ahead, and each handed on in its turn."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

from numpy.typing import NDArray

Tile = NDArray[Any]


class Lookahead:
    """Enlarges tiles in the threads of a pool, `at_once` of them at a time."""

    def __init__(self, enlarge: Callable[[Tile], Tile], at_once: int, pool: ThreadPoolExecutor) -> None:
        self.enlarge, self.at_once, self.pool = enlarge, at_once, pool

    def together(self, tiles: Sequence[Tile]) -> list[Tile]:
        """These tiles enlarged, at most `at_once` of them. Raises what the engine raises."""
        run = self.pool.map if len(tiles) > 1 else map
        return list(run(self.enlarge, tiles))

    def in_order(self, tiles: Iterator[Tile], first: list[Tile]) -> Iterator[Tile]:
        """Each tile enlarged, in order, the next ones already in work. `first` are those that are done."""
        for _ in zip(first, tiles, strict=False):
            pass
        if self.at_once == 1:  # it has all threads: another beside it takes more than it gives
            yield from chain(take_all(first), map(self.enlarge, tiles))
            return
        begun: deque[tuple[Tile, Future[Tile]]] = deque()

        def go_on() -> None:
            """Have one more than can be in work, so that nobody waits for what is done with the last."""
            for pixels in islice(tiles, self.at_once + 1 - len(begun)):
                begun.append((pixels, self.pool.submit(self.enlarge, pixels)))

        go_on()
        yield from take_all(first)
        while begun:
            made = self._finished(begun)
            go_on()
            yield made

    def _finished(self, begun: deque[tuple[Tile, Future[Tile]]]) -> Tile:
        pixels, future = begun.popleft()
        try:
            return future.result()
        except MemoryError:  # alone there may be enough
            wait([other for _, other in begun])
            return self.enlarge(pixels)


def take_all(made: list[Tile]) -> Iterator[Tile]:
    """What a list holds, from the first on; it holds nothing for longer."""
    while made:
        yield made.pop(0)


@contextmanager
def ending_early(pool: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
    """The pool, whose tasks that have not begun are dropped on an exception; those in work are waited for."""
    with pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
