"""Giving memory back to the system after large pieces of work.

glibc keeps what was freed in an arena for each thread, so a server that once enlarged fifty megapixels in
several threads stays as large as it was then. Fewer arenas hold less, and `malloc_trim` gives back their free
pages. Other C libraries have neither and need neither.
"""

import contextlib
import ctypes
import functools
import os
import sys
import threading
from pathlib import Path

ARENAS = 2  # as many as there are workers; decoders' and the network's threads share them
_M_ARENA_MAX = -8  # of glibc's malloc.h
GROWTH_BYTES = 64 * 2**20  # less is not worth the time: a slider works ten times a second


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        _ = library.malloc_trim, library.mallopt, library.gnu_get_libc_version
        return library
    return None


def use_few_arenas() -> None:
    """Before threads begin: let them share `ARENAS` arenas."""
    library = _glibc()
    if library is not None:
        library.mallopt(_M_ARENA_MAX, ARENAS)


class Trimmer:
    """Gives free memory back when this process has grown by `GROWTH_BYTES` since it last did."""

    def __init__(self) -> None:
        self._floor = resident_bytes()
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Something large may have been freed."""
        library = _glibc()
        if library is None or not self._lock.acquire(blocking=False):
            return
        try:
            if resident_bytes() > self._floor + GROWTH_BYTES:
                library.malloc_trim(0)
                self._floor = resident_bytes()
        finally:
            self._lock.release()


def resident_bytes() -> int:
    """The memory that this process has now; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
