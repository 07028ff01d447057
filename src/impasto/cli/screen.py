"""What is printed: text that no terminal takes for a command, in whatever encoding the output has.

Names of files and themes are other people's text. Rich must not read markup in it, a terminal no control
codes, and an output that is ASCII alone must not end the work.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# C0 and C1 but for tab and line feed, half characters (names that are not UTF-8), and what turns the
# direction of writing round, by which a name could look like another.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def escaped(text: str) -> str:
    """The text with control characters and half characters as escapes, `\\x1b`."""
    return _CONTROLS.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def prepare() -> None:
    """Have both outputs write what their encoding lacks as escapes, in place of ending the work."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError):  # closed
                stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Print a line of plain text."""
    print(escaped(text))


def typed(*words: object) -> str:
    """A command line as a person can type it: words with spaces and the like are quoted."""
    texts = [str(word) for word in words]
    return subprocess.list2cmdline(texts) if os.name == "nt" else shlex.join(texts)


def console(*, file: TextIO | None = None, stderr: bool = False, quiet: bool = False) -> "Console":
    """A Rich console for which a string is plain text, whatever is in it; styles are asked for by `Text`."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class PlainConsole(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                plain = segment.control or segment.text == "\r" or not _CONTROLS.search(segment.text)
                yield segment if plain else Segment(escaped(segment.text), segment.style)

    return PlainConsole(file=file, stderr=stderr, quiet=quiet, markup=False, emoji=False, highlight=False)
