"""Ctrl-C, SIGTERM and SIGHUP for the command line: it ends within about a second, cleans up, and says so.

Python runs signal handlers in the main thread, between two of its own instructions. A long native call
delays them, an import may swallow the exception or abort, and thread pools are waited for at the end. So the
handler raises `Interrupted` where the main thread can clean up by itself, and a second thread, which the
system wakes, ends the process where that takes longer than a second. Either way temporary files are removed.

A part that installs handlers of its own (training, the server) is left alone while they are installed.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from impasto import files
from impasto.terminal import escaped

GRACE_SECONDS = 1.0  # for the main thread to clean up by itself
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class Interrupted(BaseException):
    """Raised in the main thread by a signal.

    It is no `KeyboardInterrupt`, which click and other libraries turn into something else.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number  # what shells report of a process that a signal ended


class _State:
    code = 0  # the exit code that a signal asked for; 0 before any
    said = False
    status: Callable[[], str] | None = None
    leaving = threading.Lock()


_state = _State()


def install() -> None:
    """Handle the signals from now on, unless whoever started this process ignores them (nohup)."""
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    _state.status = None
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)
    watcher = threading.Thread(target=_watch, args=(ear, mouth), name="interrupts", daemon=True)
    watcher.start()


@contextlib.contextmanager
def telling(status: Callable[[], str]) -> Iterator[None]:
    """While this lasts, `status()` is what an interrupted command says of its results."""
    before, _state.status = _state.status, status
    yield
    _state.status = before  # not after an exception: it is still to be told


def say() -> None:
    """Print that the command was interrupted, and what there is of its results; once."""
    if _state.said:
        return
    _state.said = True
    words = ""
    if _state.status is not None:
        with contextlib.suppress(Exception):
            words = f": {_state.status()}"
    with contextlib.suppress(OSError, ValueError):  # the terminal may be gone
        print(f"\nimpasto: interrupted{escaped(words)}", file=sys.stderr, flush=True)


def end(code: int) -> None:
    """End the process after its work. Where it was interrupted no thread is waited for."""
    if _state.code:
        leave(code)
        time.sleep(10 * GRACE_SECONDS)  # the other thread is at it
        os._exit(code)
    for name in _NAMES:  # what is left is Python's own end, and a handler could only disturb it
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _handle:
            signal.signal(number, signal.SIG_DFL)


def leave(code: int) -> None:
    """Remove temporary files and end the process now; returns only where another thread is doing so."""
    if _state.leaving.acquire(blocking=False):
        try:
            files.remove_temporary()
            say()
            with contextlib.suppress(Exception):
                sys.stdout.flush()
        finally:
            os._exit(code)


def _handle(number: int, frame: FrameType | None) -> None:
    again, _state.code = bool(_state.code), 128 + number
    if again or _imports(frame):
        leave(_state.code)
    else:
        raise Interrupted(number)


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported there: an exception could end in an abort, or in nothing."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _watch(ear: socket.socket, _mouth: socket.socket) -> None:
    """End the process where the main thread has not done so a second after a signal, or at a second one."""
    code = 0
    while True:
        try:
            number = ear.recv(1)[0]
        except TimeoutError:
            leave(code)
            return
        if number not in tuple(signal.Signals) or signal.getsignal(number) is not _handle:
            continue
        if code:
            leave(code)
            return
        code = 128 + number
        ear.settimeout(GRACE_SECONDS)
