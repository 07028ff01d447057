"""Ctrl-C, SIGTERM and a terminal that goes away end a training with everything saved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interruption(threading.Event):
    """Set by the first signal. Ctrl-C after that raises `KeyboardInterrupt`, unless a save is under way."""

    def __init__(self) -> None:
        super().__init__()
        self._saving = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """While inside, no signal raises anything."""
        self._saving = True
        try:
            yield
        finally:
            self._saving = False

    def note(self, number: int, frame: object) -> None:
        """A signal came: what `signal.signal` calls."""
        # A terminal that is closed sends SIGHUP twice, itself and through the shell: that is no impatience.
        if number == signal.SIGINT and self.is_set() and not self._saving:
            raise KeyboardInterrupt
        self.set()


@contextmanager
def stopping_on_signals() -> Iterator[Interruption]:
    """While inside, the first Ctrl-C, SIGTERM or SIGHUP sets the event; Ctrl-C after that stops at once."""
    interrupted = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted  # only the main thread may set handlers; a host program has its own
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:  # as nohup sets it
        numbers.append(hangup)
    before = {number: signal.signal(number, interrupted.note) for number in numbers}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
