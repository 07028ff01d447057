"""Pictures out of a zip that somebody sent: nothing is believed of it, nothing is unpacked to disk."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from impasto.images import SUFFIXES
from impasto.studio.problems import Refused
from impasto.studio.settings import Limits

_DIRECTORY_BYTES = 64 * 2**20  # of the list of what is inside; each entry of it costs ten times that
_END = struct.Struct("<4s4H2LH")
_FILE_TYPE, _LINK, _REGULAR, _FOLDER = 0o170000, 0o120000, 0o100000, 0o040000
_ENCRYPTED = 0x1
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError,
    struct.error, OverflowError, UnicodeError,
)  # fmt: skip


def is_zip(file: IO[bytes]) -> bool:
    """Whether a file begins like a zip; it is left at its beginning."""
    start = file.read(4)
    file.seek(0)
    return start in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def pictures_of(file: IO[bytes], limits: Limits) -> Iterator[tuple[str, str, bytes]]:
    """Name, theme and content of each file in a zip whose name says that it is a picture.

    The theme is the first folder that not all have in common. Raises `Refused` for a zip that is damaged,
    encrypted, too large when unpacked, or has names that point elsewhere.
    """
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            entries = _wanted(archive.infolist(), limits)
            depth = _common_depth([entry.filename for entry in entries])
            unpacked = 0
            for entry in entries:
                with archive.open(entry) as opened:
                    data = opened.read(limits.picture_bytes + 1)
                unpacked += len(data)
                if len(data) > limits.picture_bytes or unpacked > limits.unpacked_bytes:
                    raise Refused(413, "the zip is too large when unpacked", "send it in parts")
                yield entry.filename, _theme(entry.filename, depth), data
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


def _wanted(entries: list[zipfile.ZipInfo], limits: Limits) -> list[zipfile.ZipInfo]:
    """The pictures, by their names. Raises `Refused` where any entry means harm."""
    if len(entries) > 2 * limits.files:
        raise Refused(413, f"the zip holds {len(entries):,} files", "send it in parts")
    wanted = []
    for entry in entries:
        _check_name(entry)
        kind = entry.external_attr >> 16 & _FILE_TYPE
        if kind == _LINK:
            raise Refused(422, "the zip holds a symbolic link", "put the pictures themselves in")
        if kind not in (0, _REGULAR, _FOLDER):
            raise Refused(422, "the zip holds a device or a pipe")
        if entry.is_dir():
            continue
        parts = PurePosixPath(entry.filename).parts
        if any(part.startswith(".") or part == "__MACOSX" for part in parts):
            continue
        if PurePosixPath(entry.filename).suffix.lower() not in SUFFIXES:
            continue
        if entry.flag_bits & _ENCRYPTED:
            raise Refused(422, "the zip is encrypted", "make it without a password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(422, "the zip is compressed in a rare way", "make it anew, with 'deflate'")
        wanted.append(entry)
    if sum(entry.file_size for entry in wanted) > limits.unpacked_bytes:
        raise Refused(413, "the zip is too large when unpacked", "send it in parts")
    return wanted


def _check_name(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    parts = name.replace("\\", "/").split("/")
    if "\0" in name or "\\" in name or name.startswith("/") or ".." in parts or parts[0][1:2] == ":":
        raise Refused(422, "the zip holds a name that points out of its folder", "make it anew")


def _common_depth(names: list[str]) -> int:
    """How many folders all names begin with alike."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    depth = 0
    while folders and all(len(f) > depth and f[depth] == folders[0][depth] for f in folders):
        depth += 1
    return depth


def _theme(name: str, depth: int) -> str:
    """The folder at a depth as the name of a theme: commas would make two of it."""
    parts = PurePosixPath(name).parts[:-1]
    theme = parts[depth] if len(parts) > depth else ""
    return " ".join("".join(c if c.isprintable() and c != "," else " " for c in theme).split())[:64]
