"""Pictures from strangers: looked at by content, counted while they are read, stored under names of our own.

No name that comes in ever becomes a path. What is taken in is first put beside the data sets, and gets its
place only when all of it is fine: what is refused leaves nothing behind.
"""

import contextlib
import json
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from impasto import images
from impasto.errors import ImageError, InputError
from impasto.files import write_bytes_atomically
from impasto.studio.problems import NotHere, Refused
from impasto.studio.queue import Check
from impasto.studio.settings import Limits
from impasto.studio.zips import is_zip, pictures_of

ABOUT, THEMES = "dataset.json", "themes.json"
_SUFFIXES = {
    "jpeg": ".jpg", "png": ".png", "webp": ".webp", "tiff": ".tif", "gif": ".gif", "bmp": ".bmp",
    "avif": ".avif", "heic": ".heic", "ppm": ".ppm",
}  # fmt: skip  # QOI and JPEG 2000 take seconds for each few megapixels: nobody may ask for that from afar
MOST_REJECTED = 100  # told by name
_LOOK_PX = 16


@dataclass(frozen=True)
class Dataset:
    """Pictures that were uploaded. `rejected` says what was left out, by the names it came with, and why."""

    id: str
    name: str
    pictures: int
    created: float
    themes: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def check_picture(data: bytes, name: str, limits: Limits) -> images.Header:
    """What an uploaded picture is, by its content. Raises `Refused`: 413 for too large, 415 for the rest."""
    try:
        found = images.header(data)
    except ImageError as error:
        raise Refused(415, f"{printable(name)} {error.message}", "JPEG, PNG, WebP, TIFF ...") from None
    if found.format not in _SUFFIXES:  # a drawing is a program that says what to draw
        raise Refused(415, f"{printable(name)} is {found.format.upper()}", "save it as PNG first")
    if found.width * found.height > limits.picture_pixels:
        raise Refused(
            413,
            f"{printable(name)} has {found.width:,} x {found.height:,} pixels",
            f"at most {limits.picture_pixels / 1e6:g} megapixels",
        )
    try:
        images.fit_square(data, _LOOK_PX, max_pixels=limits.picture_pixels)  # decodes all of it
    except ImageError as error:
        raise Refused(415, f"{printable(name)} {error.message}", "save it anew") from None
    return found


class Uploads:
    """The data sets below `datasets/` of a workspace."""

    def __init__(self, workspace: Path, limits: Limits) -> None:
        self.folder = workspace.resolve() / "datasets"
        self.limits = limits
        for leftover in self.folder.glob(".incoming-*"):  # of a server that was killed
            shutil.rmtree(leftover, ignore_errors=True)

    def all(self) -> list[Dataset]:
        """The newest first."""
        found = [self._read(path) for path in self.folder.glob(f"*/{ABOUT}")]
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
                    for entry, theme, data in pictures_of(file, self.limits):
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
            )
            write_bytes_atomically(folder / ABOUT, json.dumps(asdict(made)).encode())
            folder.rename(self.folder / made.id)
        return made

    def get(self, id_: str) -> Dataset:
        """One of them. Raises `NotHere`."""
        for one in self.all():
            if one.id == id_:
                return one
        raise NotHere(f"there is no uploaded data set '{id_[:200]}'", "GET /api/v1/datasets lists them")

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

    def _read(self, path: Path) -> Dataset | None:
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            return Dataset(**{**about, "id": path.parent.name})
        except (OSError, ValueError, TypeError):
            return None


class _Intake:
    """A folder that pictures are put into, one by one."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.pictures = 0
        self.theme_of: dict[str, str] = {}
        self.rejected: dict[str, str] = {}

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
        found = images.header(data)
        if found.format not in _SUFFIXES:
            raise ImageError(f"is {found.format.upper()}; save it as PNG first")
        images.fit_square(data, _LOOK_PX, max_pixels=self.limits.picture_pixels)  # decodes all of it
        return _SUFFIXES[found.format]


def printable(name: str) -> str:
    """A name as it may be shown: no control characters, not long."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)[:80].strip()


def read_bounded(file: IO[bytes], most: int, what: str) -> bytes:
    """All of a file. Raises `Refused` (413) if it is larger, `InputError` if it is empty."""
    data = file.read(most + 1)
    if len(data) > most:
        raise Refused(413, f"{what} is larger than {most / 2**20:.4g} MB")
    if not data:
        raise InputError(f"{what} is empty")
    return data
