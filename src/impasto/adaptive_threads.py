"""Chooses how many threads compute, from the measured time of work that repeats, while it goes on.

OpenMP gives each thread an equal part of every layer, and all wait for the slowest, spinning. Beside one
busy program on a machine of two cores, two threads were measured at a twentieth of their own speed, one
thread at two thirds of it. So: when a unit of work (a training step, a forward pass) takes much longer than
the ones before, or some time after threads were given up, a short probe compares the counts, and the work
itself confirms the choice. On a quiet machine there is one probe, at the start, and the count stays.
"""

import contextlib
import itertools
import os
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

SLOW = 1.5  # times the usual time of a unit: then the counts are compared
BETTER = 1.15  # times the present speed: then the count is changed
WORSE = 1.05  # times the time before a change: then it is taken back
REMEMBERED = 16  # units of a kind from which the usual time is known
CONFIRMED_BY = 3  # units after a change that say whether it was right
PROBE_SECONDS = 0.1  # for each count
FIRST_PROBE_AFTER_SECONDS = 1.0  # of work: a single picture is not worth a probe
LEAST_WAIT_SECONDS, MOST_WAIT_SECONDS = 10.0, 160.0  # between two probes
MOST_KINDS = 256

BUSY, FREE = "other programs keep the cores busy", "the cores are free again"
NO_GAIN = "the other number of threads was no faster"


@dataclass(frozen=True)
class Change:
    """Another number of threads computes from now on, and why."""

    before: int
    after: int
    reason: str


class AdaptiveThreads:
    """The number of threads for work that repeats: `with threads.unit("step"): ...`.

    Never more than `most`. Several Python threads may use one object at once.

    Args:
        most: Threads on a quiet machine.
        start: Threads to begin with; `most` by default.
        adapt: Whether the count may change.
        probe: Speeds of some counts of threads, measured now.
        clock: Seconds that only grow.
        use: Makes the calling thread compute with so many threads from now on.
        on_change: Told of every change, by the thread that computes.
    """

    def __init__(
        self,
        most: int,
        *,
        start: int | None = None,
        adapt: bool = True,
        probe: Callable[[Sequence[int]], Mapping[int, float]] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        use: Callable[[int], None] = torch.set_num_threads,
        on_change: Callable[[Change], None] = lambda change: None,
    ) -> None:
        self.most, self.adapts = most, adapt and most > 1
        self.count = min(most, start or most)
        self.on_change = on_change
        self._probe, self._clock, self._use = probe or probe_speeds, clock, use
        self._times: dict[tuple[Hashable, int], deque[float]] = {}
        self._prepared: set[Hashable] = set()  # kinds whose first unit since a change is over
        self._before: tuple[int, dict[Hashable, float]] | None = None  # count and times before a change
        self._probed_at: float | None = None
        self._wait = LEAST_WAIT_SECONDS
        self._worked = 0.0
        self._lock = threading.RLock()

    def begin(self) -> None:
        """Compare the counts at once, before the first unit."""
        if self.adapts:
            with self._lock:
                self._compare({})

    @contextlib.contextmanager
    def unit(self, kind: Hashable) -> Iterator[None]:
        """Compute what is inside and learn from its time. Units of a kind are alike."""
        self._use(self.count)
        count, start = self.count, self._clock()
        yield
        if self.adapts:
            with self._lock:
                if count == self.count:
                    self._learn(kind, self._clock() - start)

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Afterwards the calling thread computes with as many threads as now."""
        before = torch.get_num_threads()
        try:
            yield
        finally:
            self._use(before)

    def _learn(self, kind: Hashable, seconds: float) -> None:
        self._worked += seconds
        if kind not in self._prepared:  # the first unit with a new count prepares kernels
            self._prepared.add(kind)
            return
        if len(self._times) > MOST_KINDS:
            self._times.clear()
        times = self._times.setdefault((kind, self.count), deque(maxlen=REMEMBERED))
        usual = statistics.median(times) if len(times) >= CONFIRMED_BY else None
        times.append(seconds)
        if self._before is not None:
            self._confirm(kind, times)
            return
        now = self._clock()
        waited = now - (self._probed_at if self._probed_at is not None else -float("inf"))
        if usual is not None and seconds > SLOW * usual and waited >= LEAST_WAIT_SECONDS:
            times.clear()  # where the count stays, the work itself has grown
            self._compare({kind: seconds})
        elif self._probed_at is None:
            if self._worked >= FIRST_PROBE_AFTER_SECONDS:
                self._compare({kind: seconds})
        elif self.count < self.most and waited >= self._wait:
            self._compare({kind: statistics.median(list(times)[-CONFIRMED_BY:])})

    def _compare(self, times: dict[Hashable, float]) -> None:
        """Probe, and change the count if another is clearly faster. `times` are those of units just now."""
        speeds = self._probe(sorted({*counts_to_try(self.most), self.count}))
        self._probed_at = self._clock()
        best = max(speeds, key=lambda count: speeds[count])
        if best == self.count or speeds[best] < BETTER * speeds[self.count]:
            self._wait = min(2 * self._wait, MOST_WAIT_SECONDS)
            return
        before = self.count
        self._change(best, BUSY if best < before else FREE)
        self._before = (before, times)

    def _confirm(self, kind: Hashable, times: deque[float]) -> None:
        """After a few units with a new count: keep it, or take it back where they take longer than before."""
        assert self._before is not None
        before, former = self._before
        if len(times) < CONFIRMED_BY:
            return
        self._before = None
        recent = statistics.median(list(times)[-CONFIRMED_BY:])
        if kind in former and recent > WORSE * former[kind]:
            self._change(before, NO_GAIN)
            self._wait = min(2 * self._wait, MOST_WAIT_SECONDS)
        else:
            self._wait = LEAST_WAIT_SECONDS

    def _change(self, count: int, reason: str) -> None:
        change = Change(self.count, count, reason)
        self.count = count
        self._prepared.clear()
        for key in [key for key in self._times if key[1] == count]:
            del self._times[key]  # of another time
        self._use(count)
        self.on_change(change)


def for_this_process() -> AdaptiveThreads:
    """As many threads as torch has now, fewer while other programs keep the cores busy."""
    return AdaptiveThreads(torch.get_num_threads(), adapt=not count_is_fixed())


def count_is_fixed() -> bool:
    """Whether the user chose the number of threads by `OMP_NUM_THREADS`."""
    return bool(os.environ.get("OMP_NUM_THREADS"))


def watch(network: nn.Module, threads: AdaptiveThreads) -> None:
    """Make every forward pass of `network` a unit of work of `threads`; the caller keeps its own count.

    Not while it is traced for an export: nothing is computed then, and sizes are symbols.
    """
    local = threading.local()

    def enter(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        if torch.compiler.is_compiling():
            return
        local.before = torch.get_num_threads()
        shape = tuple(inputs[0].shape) if inputs and isinstance(inputs[0], torch.Tensor) else ()
        local.unit = threads.unit((id(network), shape))
        local.unit.__enter__()

    def leave(*_: Any) -> None:
        if torch.compiler.is_compiling():
            return
        local.unit.__exit__(None, None, None)
        torch.set_num_threads(local.before)

    network.register_forward_pre_hook(enter)
    network.register_forward_hook(leave, always_call=True)


def counts_to_try(most: int) -> list[int]:
    """1, 2, 4, ... below `most`, all but one, and `most`: one core may be taken, or most of them."""
    powers = itertools.takewhile(lambda count: count < most, (2**n for n in itertools.count()))
    return sorted({*powers, max(1, most - 1), most})


def probe_speeds(counts: Sequence[int], seconds: float = PROBE_SECONDS) -> dict[int, float]:
    """Steps of a small convolution per second, for each count of threads, in so many seconds each."""
    return {count: steps_per_second(count, seconds) for count in counts}


def steps_per_second(threads: int, seconds: float) -> float:
    """Forward and backward passes of a convolution as training has them; torch keeps its threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode(False), torch.enable_grad():  # also where pictures are made, without grads
            return _convolutions_per_second(seconds)
    finally:
        torch.set_num_threads(before)


def _convolutions_per_second(seconds: float) -> float:
    x = torch.ones(16, 32, 32, 32).to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.full((32, 32, 3, 3), 0.01, requires_grad=True)
    F.conv2d(x, weight, padding=1).sum().backward()  # type: ignore[no-untyped-call]
    start, steps = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds or not steps:
        F.leaky_relu(F.conv2d(x, weight, padding=1), 0.2).sum().backward()  # type: ignore[no-untyped-call]
        steps += 1
    return steps / passed
