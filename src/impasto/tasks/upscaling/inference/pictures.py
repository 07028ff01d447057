"""Pictures as they are, for enlarging: 8 or 16 bits, grey or colour, alpha, profile, EXIF; by rows.

Pixels stream through libvips row by row: neither what is read nor what is written must fit in memory.
"""

import os
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError
from impasto.files import temporary_folder
from impasto.image.decoding import (
    MAX_FRAMES,
    MAX_PIXELS,
    Header,
    Source,
    check_size,
    check_whole,
    explaining,
    frames_of,
    header_of,
    open_image,
    orientation,
    read_bytes,
    upright,
    vips,
)
from impasto.image.shown import as_it_is
from impasto.tasks.upscaling.inference.metadata import Resolution
from impasto.tasks.upscaling.inference.png import uncompressed

IN_MEMORY_BYTES = 128 * 2**20  # of an enlarged picture; a larger one goes through a pipe or a file
_KEPT = ("exif-data", "xmp-data", "iptc-data", "icc-profile-data")
_PAGES = ("delay", "loop", "n-pages")
_TEXT = "png-comment-"
FORMATS = {"png": "png", "jpg": "jpg", "jpeg": "jpg", "webp": "webp", "tif": "tif", "tiff": "tif"} | {
    "avif": "avif",
    "gif": "gif",
}
_WITHOUT_PROFILE = ("gif",)
ANIMATED = ("gif", "webp")


@dataclass(frozen=True)
class Picture:
    """One picture, or one frame after the other where `frames` is more than 1.

    `image` is a libvips image of 8 or 16 bits with 1 or 3 bands of colour and perhaps one of alpha; an
    animation's frames lie below each other. `kept` are profile, EXIF and the like, by libvips's names, and
    `texts` those of a PNG. `notes` say what of the file is not as it was.
    """

    image: Any
    data: bytes = field(repr=False)  # the file
    format: str
    frames: int = 1
    kept: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    resolution: Resolution | None = None
    turned: bool = False
    bits: int = 8
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.image.width)

    @property
    def height(self) -> int:
        """Of one frame, in pixels."""
        return int(self.image.height) // self.frames


def open_picture(source: Source, max_pixels: int = MAX_PIXELS, target: str | None = None) -> Picture:
    """A picture to read from, upright; only the first of several frames where `target` holds but one.

    `target` is the format that it will be written in. Raises `ImageError`, here or while rows are read.
    """
    data = read_bytes(source)
    with explaining(data):
        image = open_image(data, max_pixels)
        found = header_of(data, image)
        check_size(found, max_pixels, 1)
        frames, notes = frames_of(data, image), list[str]()
        if frames > 1 and found.format in ANIMATED and (target is None or target in ANIMATED):
            _check_frames(found, frames, max_pixels)
            image = open_image(data, max_pixels, n=-1)
        elif frames > 1:
            notes.append(_about_frames(found, frames, target))
            frames = 1
        check_whole(data, found)
        kept = {name: image.get(name) for name in _KEPT if image.get_typeof(name)}
        kept |= {name: image.get(name) for name in _PAGES if frames > 1 and image.get_typeof(name)}
        texts = {
            name.split("-", 3)[3]: image.get(name) for name in image.get_fields() if name.startswith(_TEXT)
        }
        known = (image.xres, image.yres) if image.get_typeof("resolution-unit") else None
        turn, bits = orientation(image), _bits(image)
        if known and turn >= 5:
            known = known[1], known[0]
        image, changed = as_it_is(upright(image), keep_profile=target not in _WITHOUT_PROFILE)
        if not image.get_typeof("icc-profile-data"):
            kept.pop("icc-profile-data", None)
        notes += changed
    about = (kept, texts, known, turn > 1, bits, tuple(notes))
    return Picture(image, data, found.format, frames, *about)


def _bits(image: Any) -> int:
    """Of each number in the file."""
    usual = 8 if image.format == "uchar" else 16
    return int(image.get("bits-per-sample")) if image.get_typeof("bits-per-sample") else usual


def _check_frames(found: Header, frames: int, max_pixels: int) -> None:
    if frames > MAX_FRAMES:
        raise ImageError(f"is too long: {frames:,} frames, the limit is {MAX_FRAMES:,}")
    if found.width * found.height * frames > max_pixels:
        raise ImageError(
            f"is too large: its {frames:,} frames have {found.width * found.height * frames:,} pixels"
        )


def _about_frames(found: Header, frames: int, target: str | None) -> str:
    if found.format in ANIMATED:
        return f"only the first of its {frames:,} frames is kept: {target} holds one, gif and webp hold all"
    parts = {"tiff": "pages", "png": "frames"}.get(found.format, "pictures")
    hint = "; save an animated PNG as WebP to have all" if found.format == "png" else ""
    return f"only the first of its {frames:,} {parts} is read{hint}"


class RowReader:
    """Reads each row of an image once; a decoder that cannot go back need not.

    `data` is the file that the image comes from: what a decoder has to complain of is put in its terms.
    """

    def __init__(self, image: Any, data: bytes = b"") -> None:
        self.image = image
        self.data = data
        self._region = vips().Region.new(image)
        self._dtype = np.uint16 if image.format == "ushort" else np.uint8
        self._held = np.zeros((0, image.width, image.bands), self._dtype)
        self._top = 0

    def take(self, start: int, stop: int) -> NDArray[Any]:
        """Rows [start, stop): (n, W, bands) of 8 or 16 bits. `start` must never go back.

        Raises `ImageError` for what cannot be decoded.
        """
        bottom = self._top + len(self._held)
        if stop > bottom:
            with explaining(self.data):
                read = self._region.fetch(0, bottom, self.image.width, stop - bottom)
            fresh = np.frombuffer(read, self._dtype).reshape(-1, self.image.width, self.image.bands)
            self._held = np.concatenate((self._held, fresh))
        self._held = self._held[start - self._top :]
        self._top = start
        return self._held[: stop - start]


def fits_in_memory(width: int, height: int, like: Any) -> bool:
    """Whether an image of that size, of the kind that `like` is, may be held as a whole."""
    return width * height * int(like.bands) * (2 if like.format == "ushort" else 1) <= IN_MEMORY_BYTES


@contextmanager
def collected(
    rows: Iterator[NDArray[Any]], width: int, height: int, like: Any, folder: Path
) -> Iterator[Any]:
    """A libvips image of rows, of the kind that `like` is.

    What would not fit well in memory goes through a file in `folder` that is removed afterwards.

    Args:
        rows: The rows from the top, (n, width, bands) each, `height` of them in all.
        width: Width of the image, in px.
        height: Height of the image, in px.
        like: A libvips image: the new one has its bands, format and interpretation.
        folder: Where a temporary file may be made.
    """
    pyvips = vips()
    if fits_in_memory(width, height, like):
        data = b"".join(part.tobytes() for part in rows)
        image = pyvips.Image.new_from_memory(data, width, height, like.bands, like.format)
        yield image.copy(interpretation=like.interpretation)
        return
    with temporary_folder(folder / "rows") as temporary:
        path = temporary / "rows"
        with path.open("wb") as file:
            for part in rows:
                part.tofile(file)
        image = pyvips.Image.rawload(
            os.fsencode(path), width, height, like.bands, format=like.format, access="sequential"
        )
        yield image.copy(interpretation=like.interpretation)


def write_rows(
    rows: Iterator[NDArray[Any]], width: int, height: int, like: Any, save: Callable[[Any], None]
) -> None:
    """Have `save` write a libvips image of rows while they are made.

    Nothing of it is ever held as a whole, in memory or in a file.

    Args:
        rows: The rows from the top, (n, width, bands) each, `height` of them in all.
        width: Width of the image, in px.
        height: Height of the image, in px.
        like: A libvips image: the new one has its bands and format.
        save: Writes the image. It runs in a thread of its own, so that Ctrl-C is heard here.

    Raises:
        Exception: What `rows` or `save` raise.
    """
    pipe = _Pipe()
    with ThreadPoolExecutor(1) as pool:
        saving = pool.submit(lambda: save(pipe.image()))
        try:
            for data in uncompressed(rows, width, height, like.bands, deep=like.format == "ushort"):
                pipe.put(data, saving)
        except BaseException:
            pipe.cut = True  # what `save` has of the picture is no picture, and it says so
            raise
        finally:
            pipe.close(saving)
        saving.result()


class _Pipe:
    """From one thread to libvips's, with little in it at a time."""

    def __init__(self) -> None:
        self.cut = False
        self._parts: queue.Queue[bytes | None] = queue.Queue(2)
        self._part, self._at = b"", 0
        self._source = vips().SourceCustom()  # must live as long as its image
        self._source.on_read(self._read)

    def image(self) -> Any:
        """What is put in, as it comes."""
        # Decoders wait for the whole only where they must; a PNG's rows are given as they come.
        image = vips().Image.pngload_source(self._source, access="sequential", fail_on="truncated")
        return image.copy(xres=1, yres=1)  # libvips's own, of an image that knows no size on paper

    def put(self, data: bytes, reader: "Future[None]") -> None:
        """Wait for room. Raises what the reader raised where it has given up."""
        while True:
            try:
                self._parts.put(data, timeout=0.1)
                return
            except queue.Full:
                if reader.done():
                    reader.result()
                    raise OSError("what writes the picture stopped before its end") from None

    def close(self, reader: "Future[None]") -> None:
        """Nothing more comes."""
        while not reader.done():
            try:
                self._parts.put(None, timeout=0.1)
                return
            except queue.Full:
                continue

    def _read(self, size: int) -> bytes:
        if self._at == len(self._part):
            self._part, self._at = (None if self.cut else self._parts.get()) or b"", 0
        data = self._part[self._at : self._at + size]
        self._at += len(data)
        return data


def resized(image: Any, width: int, height: int) -> Any:
    """To exactly that size, by Lanczos; colour counts by its alpha, so that what is hidden stays hidden."""
    if (image.width, image.height) == (width, height):
        return image
    alpha, kind, space = image.bands in (2, 4), image.format, image.interpretation
    top = 65535 if kind == "ushort" else 255
    if alpha:
        image = image.premultiply(max_alpha=top)
    image = image.resize(width / image.width, vscale=height / image.height)
    if alpha:
        image = image.unpremultiply(max_alpha=top)
    return image.rint().cast(kind).copy(interpretation=space)
