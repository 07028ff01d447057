"""Pictures from strangers: looked at by content, counted while they are read, stored under names of our own.

No name that comes in ever becomes a path. What is taken in is first put beside the data sets, and gets its
place only when all of it is fine: what is refused leaves nothing behind.
"""

import contextlib
import io
import json
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Annotated

from pydantic import BaseModel, Field

from impasto.errors import ImageError, InputError
from impasto.files import write_bytes_atomically
from impasto.image import codec
from impasto.studio.problems import NotHere, Refused
from impasto.studio.queue import Check
from impasto.studio.settings import Limits
from impasto.studio.untrusted import Unusable, as_text, is_real_folder, list_real, load
from impasto.studio.zips import is_zip, pictures_of

FOLDER, ABOUT, THEMES = "datasets", "dataset.json", "themes.json"
_SUFFIXES = {
    "jpeg": ".jpg", "png": ".png", "webp": ".webp", "tiff": ".tif", "gif": ".gif", "bmp": ".bmp",
    "avif": ".avif", "heic": ".heic", "ppm": ".ppm",
}  # fmt: skip  # QOI and JPEG 2000 take seconds for each few megapixels: nobody may ask for that from afar
MOST_REJECTED = 100  # told by name
_LOOK_PX = 16
_ID = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Dataset:
    """Pictures that were uploaded. `rejected` says what was left out, by the names it came with, and why."""

    id: str
    name: str
    pictures: int
    created: float
    themes: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what else was left out, and names that nobody can read

    @property
    def catalogue_name(self) -> str:
        """By which the catalogue has its pictures."""
        return f"{FOLDER}/{self.id}"


class PixelBudget:
    """How many pixels of uploaded pictures may be decoded at a time, by all threads together.

    A decoder needs memory by the pixel, whatever the file's size: each picture is within the limit of one,
    and several at a time must be, too.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, pixels: int, check: Check = lambda: None) -> Iterator[None]:
        """Wait until there is room for so many; more than all of them are let in alone. `check` may raise."""
        pixels = min(pixels, self.most)
        with self._changed:
            while self._taken + pixels > self.most:
                self._changed.wait(0.2)
                check()
            self._taken += pixels
        try:
            yield
        finally:
            with self._changed:
                self._taken -= pixels
                self._changed.notify_all()


DECODED = PixelBudget(60_000_000)
"""Of this process: memory is its own, however many studios are in it."""


def look_at(data: bytes, limits: Limits) -> codec.Header:
    """Format and size of an uploaded picture, by its content and before any decoder has seen it.

    Only formats whose size stands in their first bytes, and whose decoders are written in C, are let
    through: JPEG 2000, QOI and numbers as text cost a hundred times what a PNG of the same size does, and
    drawings are programs. Raises `ImageError`; `TooLarge` for too many pixels.
    """
    kind = _kind(data)
    if kind not in _SUFFIXES:
        raise ImageError(f"is {kind}; save it as PNG first" if kind else NOT_A_PICTURE)
    plugin = _LAZY.get(kind)
    found = codec.header(data) if plugin is None else _header_by_pillow(data, kind, plugin)
    if found.format not in _SUFFIXES:
        raise ImageError(f"is {found.format.upper()}; save it as PNG first")
    if found.width * found.height > limits.picture_pixels:
        raise TooLarge(
            f"has {found.width:,} x {found.height:,} pixels",
            f"at most {limits.picture_pixels / 1e6:g} megapixels",
        )
    return found


class TooLarge(ImageError):
    """A picture of more pixels than may be."""


NOT_A_PICTURE = "is not a picture Impasto can read"
_LAZY = {"bmp": "BMP", "ppm": "PPM"}
_STARTS = {
    b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png", b"GIF87a": "gif", b"GIF89a": "gif", b"BM": "bmp",
    b"II*\0": "tiff", b"MM\0*": "tiff", b"II+\0": "tiff", b"MM\0+": "tiff",
    b"P4": "ppm", b"P5": "ppm", b"P6": "ppm", b"P1": "PPM as text", b"P2": "PPM as text",
    b"P3": "PPM as text", b"qoif": "QOI", b"\0\0\0\x0cjP": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\x1f\x8b": "SVG", b"\0\0\0\x0cJXL ": "JPEG XL", b"\xff\x0a": "JPEG XL",
}  # fmt: skip


def _kind(data: bytes) -> str:
    """The name of a format by a file's first bytes; nothing for what is none that is known."""
    for start, name in _STARTS.items():
        if data.startswith(start):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        return "avif" if data[8:12] in (b"avif", b"avis") else "heic"
    text = data[:1_024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "SVG" if text.startswith(b"<") and b"<svg" in text else ""


def _header_by_pillow(data: bytes, kind: str, plugin: str) -> codec.Header:
    from PIL import Image

    Image.init()
    try:
        # The plugin itself and not `Image.open`, whose warning of large pictures is a process-wide setting.
        width, height = Image.OPEN[plugin][0](io.BytesIO(data), "").size
    except Exception as error:  # plugins raise nearly every kind there is
        raise ImageError(f"cannot be decoded: {error}"[:200]) from None
    return codec.Header(kind, width, height)


def check_picture(data: bytes, name: str, limits: Limits) -> None:
    """Decode an uploaded picture. Raises `Refused`: 413 for what is too large, 415 for what is no picture."""
    try:
        _decode(data, limits)
    except TooLarge as error:
        raise Refused(413, f"{printable(name)} {error.message}", error.hint) from None
    except ImageError as error:
        raise Refused(415, f"{printable(name)} {error.message}", "JPEG, PNG, WebP, TIFF ...") from None


def _decode(data: bytes, limits: Limits) -> codec.Header:
    """What a picture is, once all of it could be decoded. Raises as `look_at`."""
    found = look_at(data, limits)
    with DECODED.take(found.width * found.height):
        codec.fit_square(data, _LOOK_PX, max_pixels=limits.picture_pixels)
    return found


class Uploads:
    """The data sets below `datasets/` of a workspace."""

    def __init__(self, workspace: Path, limits: Limits) -> None:
        self.folder = workspace.resolve() / FOLDER
        self.limits = limits
        for leftover in self.folder.glob(".incoming-*"):  # of a server that was killed
            shutil.rmtree(leftover, ignore_errors=True)

    def all(self) -> list[Dataset]:
        """The newest first."""
        found = [self._read(folder) for folder in list_real(self.folder, _ID, folders=True)]
        return sorted((one for one in found if one), key=lambda one: (-one.created, one.id))

    def take(self, name: str, files: Iterable[tuple[str, IO[bytes]]], check: Check) -> Dataset:
        """Store pictures and the pictures in zips as a new data set.

        Raises `Refused` for a zip that is not what it seems, for too much of anything, and (422) where no
        picture at all can be used.
        """
        with self._incoming() as folder:
            intake = _Intake(folder, self.limits)
            for label, file in files:
                check()
                file.seek(0)
                if is_zip(file):
                    for entry, theme, data in pictures_of(file, self.limits, intake.notes.append):
                        check()
                        intake.add(entry, data, theme)
                else:
                    intake.add(label, file.read(self.limits.picture_bytes + 1))
            if not intake.pictures:
                first = next(iter(intake.rejected.items()), None)
                raise Refused(
                    422,
                    "there is no picture in it that can be used"
                    + (f": '{first[0]}' {first[1]}" if first else ""),
                    "upload JPEG, PNG or WebP pictures, or a zip of them",
                )
            if intake.theme_of:
                write_bytes_atomically(folder / THEMES, json.dumps(intake.theme_of).encode())
            themes = list(intake.theme_of.values())
            made = Dataset(
                id=secrets.token_hex(6),
                name=printable(name) or "pictures",
                pictures=intake.pictures,
                created=time.time(),
                themes={theme: themes.count(theme) for theme in sorted(set(themes))},
                rejected=intake.rejected,
                notes=intake.notes,
            )
            write_bytes_atomically(folder / ABOUT, json.dumps(asdict(made)).encode())
            folder.rename(self.folder / made.id)
        return made

    def get(self, id_: str) -> Dataset:
        """One of them. Raises `NotHere`."""
        found = None
        if _ID.fullmatch(id_) and is_real_folder(self.folder) and is_real_folder(self.folder / id_):
            found = self._read(self.folder / id_)
        if found is not None:
            return found
        raise NotHere(
            f"there is no uploaded data set '{as_text(id_, 200)}'", "GET /api/v1/datasets lists them"
        )

    def remove(self, id_: str) -> None:
        """Remove one with its pictures. Raises `NotHere`."""
        shutil.rmtree(self.folder / self.get(id_).id)

    @contextlib.contextmanager
    def _incoming(self) -> Iterator[Path]:
        folder = self.folder / f".incoming-{secrets.token_hex(6)}"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # not there any more if all went well

    def _read(self, folder: Path) -> Dataset | None:
        try:
            about = load(folder / ABOUT, _About)
        except (OSError, Unusable):
            return None
        return Dataset(folder.name, as_text(about.name, 80), about.pictures, about.created)


class _About(BaseModel):
    """Of `dataset.json` what is listed."""

    name: Annotated[str, Field(max_length=200)]
    pictures: Annotated[int, Field(ge=0, le=10**9)]
    created: Annotated[float, Field(allow_inf_nan=False)]


class _Intake:
    """A folder that pictures are put into, one by one."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.pictures = 0
        self.theme_of: dict[str, str] = {}
        self.rejected: dict[str, str] = {}
        self.notes: list[str] = []

    def add(self, label: str, data: bytes, theme: str = "") -> None:
        """One more picture, or one more that is left out."""
        if self.pictures >= self.limits.files:
            raise Refused(413, f"there are more than {self.limits.files:,} pictures", "upload fewer")
        try:
            suffix = self._suffix(data)
        except ImageError as error:
            if len(self.rejected) < MOST_REJECTED:
                self.rejected[printable(label)] = error.message
            return
        self.pictures += 1
        name = f"{self.pictures:06}{suffix}"
        (self.folder / name).write_bytes(data)
        if theme:
            self.theme_of[name] = theme

    def _suffix(self, data: bytes) -> str:
        if len(data) > self.limits.picture_bytes:
            raise ImageError(f"is larger than {self.limits.picture_bytes / 2**20:.4g} MB")
        return _SUFFIXES[_decode(data, self.limits).format]


def printable(name: str) -> str:
    """A name as it may be shown: no control characters, not long."""
    return as_text(name, 80)


def read_bounded(file: IO[bytes], most: int, what: str) -> bytes:
    """All of a file. Raises `Refused` (413) if it is larger, `InputError` if it is empty."""
    data = file.read(most + 1)
    if len(data) > most:
        raise Refused(413, f"{what} is larger than {most / 2**20:.4g} MB")
    if not data:
        raise InputError(f"{what} is empty")
    return data


def read_picture(path: Path, limits: Limits) -> bytes:
    """A picture's file, all of which could be decoded.

    Raises `Refused` (413, 415), and `InputError` where it is empty.
    """
    with path.open("rb") as file:
        data = read_bounded(file, limits.picture_bytes, path.name)
    check_picture(data, path.name, limits)
    return data
