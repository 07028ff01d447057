"""Text of others (names of files, themes, models) as a terminal or a log may show it."""

import re

# C0 and C1 but for tab and line feed; marks that turn the direction of writing round, by which a name could
# look like another; half characters, which stand for the bytes of names that are not UTF-8.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    """The text with control characters and half characters as escapes, `\\x1b`; all else stays."""
    return _CONTROLS.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
