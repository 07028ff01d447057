"""Pictures out of a zip that somebody sent: nothing is believed of it, nothing is unpacked to disk."""

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO

from impasto.data.names import without_separators
from impasto.data.walk import LeftOut, describe, private_kind
from impasto.image.codec import SUFFIXES
from impasto.studio.problems import Refused
from impasto.studio.settings import Limits
from impasto.studio.zip_names import UNKNOWN, names_of

_DIRECTORY_BYTES = 64 * 2**20  # of the list of what is inside; each entry of it costs ten times that
_END = struct.Struct("<4s4H2LH")
_FILE_TYPE, _LINK, _REGULAR, _FOLDER = 0o170000, 0o120000, 0o100000, 0o040000
_ENCRYPTED = 0x1
_UNREADABLE = (
    "It cannot be told in which encoding the names in the zip are. The pictures are taken in; the names of"
    f" themes are shown as {UNKNOWN}. Make the zip with names in UTF-8 to have them right."
)
_Named = tuple[zipfile.ZipInfo, str]
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError,
    struct.error, OverflowError, UnicodeError,
)  # fmt: skip


def is_zip(file: IO[bytes]) -> bool:
    """Whether a file begins like a zip; it is left at its beginning."""
    start = file.read(4)
    file.seek(0)
    return start in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def pictures_of(
    file: IO[bytes], limits: Limits, tell: Callable[[str], None] = lambda words: None
) -> Iterator[tuple[str, str, bytes]]:
    """Name, theme and content of each file in a zip whose name says that it is a picture.

    The theme is the first folder that not all have in common. What is left out, and names that nobody can
    read, are told to `tell`. Raises `Refused` for a zip that is damaged, encrypted, too large when unpacked,
    or has names that point elsewhere.
    """
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            if len(infos) > 2 * limits.files:
                raise Refused(413, f"the zip holds {len(infos):,} files", "send it in parts")
            called = names_of(infos)
            entries, left_out = _select(list(zip(infos, called.names, strict=True)), limits)
            for note in (_UNREADABLE if called.encoding is None else "", describe(left_out)):
                if note:
                    tell(note)
            depth = _common_depth([name for _, name in entries])
            unpacked = 0
            for entry, name in entries:
                with archive.open(entry) as opened:
                    data = opened.read(limits.picture_bytes + 1)
                unpacked += len(data)
                if len(data) > limits.picture_bytes or unpacked > limits.unpacked_bytes:
                    raise Refused(413, "the zip is too large when unpacked", "send it in parts")
                yield name, _theme(name, depth), data
    except Refused:
        raise
    except _BROKEN as error:
        raise Refused(422, f"the zip cannot be read: {str(error)[:200] or type(error).__name__}") from None


def _check_directory(file: IO[bytes]) -> None:
    """Refuse a list of contents that would not fit in memory, before it is read."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 65_557))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise Refused(422, "the zip cannot be read: it is truncated")
    directory_bytes = _END.unpack_from(tail, at)[5]
    large = tail[max(0, at - 20) : at].startswith(b"PK\x06\x07")  # zip64: sizes are elsewhere
    if large or directory_bytes > _DIRECTORY_BYTES:
        raise Refused(413, "the zip holds too many files", "send it in parts")
    file.seek(0)


def _select(entries: list[_Named], limits: Limits) -> tuple[list[_Named], list[LeftOut]]:
    """The pictures, by their names, and those that are left out. Raises `Refused` where any means harm."""
    wanted: list[_Named] = []
    left_out: dict[str, LeftOut] = {}
    for entry, name in entries:
        _check_name(entry, name)
        kind = entry.external_attr >> 16 & _FILE_TYPE
        if kind == _LINK:
            raise Refused(422, "the zip holds a symbolic link", "put the pictures themselves in")
        if kind not in (0, _REGULAR, _FOLDER):
            raise Refused(422, "the zip holds a device or a pipe")
        path = PurePosixPath(name)
        if name.endswith("/") or path.suffix.lower() not in SUFFIXES:
            continue
        if (private := _private(path)) is not None:
            left_out[private.path] = private
            continue
        if entry.flag_bits & _ENCRYPTED:
            raise Refused(422, "the zip is encrypted", "make it without a password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(422, "the zip is compressed in a rare way", "make it anew, with 'deflate'")
        wanted.append((entry, name))
    if sum(entry.file_size for entry, _ in wanted) > limits.unpacked_bytes:
        raise Refused(413, "the zip is too large when unpacked", "send it in parts")
    return wanted, list(left_out.values())


def _private(path: PurePosixPath) -> LeftOut | None:
    """What is left out for the name of a picture or of a folder that it lies in."""
    for depth, part in enumerate(path.parts[:-1], start=1):
        if (kind := private_kind(part)) is not None:
            return LeftOut("/".join(path.parts[:depth]), kind)
    if path.name.startswith("."):
        return LeftOut(str(path), "sidecar" if path.name.startswith("._") else "hidden")
    return None


def _check_name(entry: zipfile.ZipInfo, name: str) -> None:
    parts = name.split("/")
    # The name as the zip has it, too: other programs that look at it may stop at the zero.
    zero = "\0" in name or "\0" in entry.orig_filename
    if zero or name.startswith("/") or ".." in parts or parts[0][1:2] == ":":
        raise Refused(422, "the zip holds a name that points out of its folder", "make it anew")


def _common_depth(names: list[str]) -> int:
    """How many folders all names begin with alike."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    depth = 0
    while folders and all(len(f) > depth and f[depth] == folders[0][depth] for f in folders):
        depth += 1
    return depth


def _theme(name: str, depth: int) -> str:
    """The folder at a depth as the name of a theme, without what would make two of it."""
    parts = PurePosixPath(name).parts[:-1]
    theme = parts[depth] if len(parts) > depth else ""
    return without_separators("".join(c if c.isprintable() else " " for c in theme))[:64].strip()
