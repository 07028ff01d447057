"""Telling a person who waits how far the reading of a folder is."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def reading_pictures(console: "Console", every_seconds: float = 2.0) -> Callable[[str, int, int], None]:
    """A callback `(what, done, total)` that prints a line now and then, and nothing for what is quick.

    A total of 0 is one that nobody knows.
    """
    last = time.monotonic()

    def show(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= every_seconds:
            last = time.monotonic()
            how_far = f"{done:,} of {total:,}" if total else f"{done:,} so far"
            console.print(f"{what}: {how_far}", highlight=False)

    return show
