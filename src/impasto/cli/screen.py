"""What is printed: text that no terminal takes for a command, in whatever encoding the output has.

Names of files and themes are other people's text. Rich must not read markup in it, a terminal no control
codes, and an output that is ASCII alone must not end the work.
"""

import contextlib
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from impasto.terminal import escaped

if TYPE_CHECKING:
    from rich.console import Console


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


def refuse_undecodable(path: Path) -> None:
    """Raises `InputError` for a name that is not UTF-8, where a library cannot write to such."""
    from impasto.errors import InputError

    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"'{path}' is not a name in UTF-8", "choose another --out") from None


def console(*, file: TextIO | None = None, stderr: bool = False, quiet: bool = False) -> "Console":
    """A Rich console for which a string is plain text, whatever is in it; styles are asked for by `Text`."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment
    from rich.text import Text

    class PlainConsole(Console):
        def render_str(self, text: str, **options: Any) -> Text:  # before its width is measured
            return super().render_str(escaped(text), **options)

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                shown = escaped(segment.text)
                plain = segment.control or segment.text in (shown, "\r")  # which renews a line
                yield segment if plain else Segment(shown, segment.style)

    return PlainConsole(file=file, stderr=stderr, quiet=quiet, markup=False, emoji=False, highlight=False)
