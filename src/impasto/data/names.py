"""Names of files and themes, compared as people read them: one normal form, one way to write a path.

File systems keep names as bytes. "é" may be one character or two (macOS wrote two for years), and a table
made elsewhere spells a path as its maker liked.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

# What nobody sees: zero-width space, soft hyphen, marks of direction, word joiner, byte order mark. The two
# joiners stay: they change how letters and emoji look.
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u061c\u200b\u200e\u200f\u2060\ufeff"))

_ALWAYS = re.compile("[,，、､،；؛｜\n\r\u2028\u2029]")
_PERHAPS = re.compile("[;|]")  # emoticons have them, too: ;) and |_|
_BETWEEN = ("，", "、", "､", "،", "；", "؛", "｜", ";", "|")


def plain(text: str) -> str:
    """A name in the one form in which names are compared (NFC)."""
    return unicodedata.normalize("NFC", text)


def theme_name(text: str) -> str:
    """A theme's name as names are compared: in one normal form, blanks made one, without what nobody sees."""
    return " ".join(plain(text).translate(_UNSEEN).split())


def split_names(text: str) -> tuple[str, ...]:
    """`"cat,  red fur；dog"` -> `("cat", "red fur", "dog")`: each name once.

    Separators are commas, semicolons and bars of all widths, and lines. A semicolon or a bar of an emoticon
    is none: it does not stand between words.
    """
    parts: list[str] = []
    for part in _ALWAYS.split(text):
        pieces = [piece.strip() for piece in _PERHAPS.split(part)]
        words = [piece for piece in pieces if piece]
        between = not words or (pieces[0] and all(any(c.isalnum() for c in piece) for piece in words))
        parts += words if between else [part]
    return tuple(dict.fromkeys(name for part in parts if (name := " ".join(part.split()))))


def unify(names: Sequence[Iterable[str]]) -> tuple[list[tuple[str, ...]], dict[str, list[str]]]:
    """The themes of each picture, where names that look alike are one; and of which those are made.

    A name with one spelling keeps it: what is known of it in models and runs stays true.
    """
    spellings: dict[str, dict[str, None]] = {}
    given = [tuple(own) for own in names]
    for own in given:
        for name in own:
            spellings.setdefault(theme_name(name), {})[name] = None
    joined = {form: sorted(known) for form, known in spellings.items() if len(known) > 1}
    if not joined:
        return given, {}
    meant = {name: form for form, known in joined.items() for name in known}
    return [tuple(dict.fromkeys(meant.get(name, name) for name in own)) for own in given], joined


def without_separators(text: str) -> str:
    """A name that `split_names` leaves whole."""
    for mark in (",", "\n", *_BETWEEN):
        text = text.replace(mark, " ")
    return theme_name(text)


class Finder:
    """Finds files below a folder by what people call them.

    `known` are paths below `root` with forward slashes; names may be relative to any of the folders `bases`.
    """

    def __init__(self, root: Path, known: Iterable[str], bases: Sequence[Path]) -> None:
        self._known = frozenset(known)
        self._by_form = {plain(path): path for path in sorted(self._known, reverse=True)}
        self._by_case: dict[str, list[str]] | None = None
        self._roots = tuple(dict.fromkeys((os.path.abspath(root), os.path.realpath(root))))  # noqa: PTH100
        self._bases = tuple(dict.fromkeys(os.path.abspath(base) for base in bases))  # noqa: PTH100

    def find(self, name: str) -> str | None:
        """The path of the known file that `name` means, or of another file that is there, or None.

        Slashes may be backslashes or doubled, `.` and `..` are followed, an absolute path may be one below
        the root, and characters may be composed or not.
        """
        if name in self._known:
            return name
        there = None
        for path in self._below(name):
            if path in self._known:
                return path
            if (same := self._by_form.get(plain(path))) is not None:
                return same
            full = os.path.join(self._roots[0], path)  # noqa: PTH118
            if there is None and os.path.isfile(full):  # noqa: PTH113
                there = self._behind_link(full) or self._in_other_case(path, full) or path
        return there

    def _below(self, name: str) -> Iterable[str]:
        """What `name` may be below the root."""
        for spelled in dict.fromkeys((name, name.replace("\\", "/"))):
            for base in self._bases:
                full = os.path.normpath(os.path.join(base, spelled))  # noqa: PTH118
                for root in self._roots:
                    if full.startswith(root.rstrip(os.sep) + os.sep):
                        yield os.path.relpath(full, root).replace(os.sep, "/")

    def _behind_link(self, full: str) -> str | None:
        """The known file that a path through links leads to."""
        real = os.path.realpath(full)
        path = os.path.relpath(real, self._roots[-1]).replace(os.sep, "/")
        return path if path in self._known else None

    def _in_other_case(self, path: str, full: str) -> str | None:
        """The known file of this name in other letters, where the file system makes no difference."""
        if self._by_case is None:
            self._by_case = {}
            for known in self._known:
                self._by_case.setdefault(plain(known).casefold(), []).append(known)
        for known in self._by_case.get(plain(path).casefold(), ()):
            candidate = os.path.join(self._roots[0], known)  # noqa: PTH118
            if os.path.exists(candidate) and os.path.samefile(candidate, full):  # noqa: PTH110, PTH121
                return known
        return None
