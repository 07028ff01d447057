"""Pictures as they are, for enlarging: 8 or 16 bits, grey or colour, alpha, profile, EXIF; and written again.

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

from impasto.decoding import (
    MAX_PIXELS,
    Source,
    check_size,
    explaining,
    header_of,
    open_image,
    read_bytes,
    to_srgb,
    upright,
    vips,
)
from impasto.errors import ImageError, InputError
from impasto.files import replacing, temporary_folder
from impasto.inference.png import compressed, uncompressed

IN_MEMORY_BYTES = 128 * 2**20  # of an enlarged picture; a larger one goes through a pipe or a file
_KEPT = ("exif-data", "xmp-data", "iptc-data", "icc-profile-data")
_PAGES = ("delay", "loop", "n-pages")
_AS_THEY_ARE = ("b-w", "srgb", "grey16", "rgb16")
FORMATS = {"png": "png", "jpg": "jpg", "jpeg": "jpg", "webp": "webp", "tif": "tif", "tiff": "tif"} | {
    "avif": "avif",
    "gif": "gif",
}
_DEEP_FORMATS = ("png", "tif")
_MOST_SIDE_PX = {"jpg": 65_500, "webp": 16_383, "avif": 16_384, "gif": 65_535}
_OPAQUE_FORMATS = ("jpg",)
_ANIMATED = ("gif", "webp")


@dataclass(frozen=True)
class Picture:
    """One picture, or one frame after the other where `frames` is more than 1.

    `image` is a libvips image of 8 or 16 bits with 1 or 3 bands of colour and perhaps one of alpha; an
    animation's frames lie below each other. `kept` are profile, EXIF and the like, by libvips's names.
    """

    image: Any
    data: bytes = field(repr=False)  # the file
    format: str
    frames: int = 1
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.image.width)

    @property
    def height(self) -> int:
        """Of one frame, in pixels."""
        return int(self.image.height) // self.frames


def opened(source: Source, max_pixels: int = MAX_PIXELS) -> Picture:
    """A picture to read from, upright. Raises `ImageError`, here or while its rows are read."""
    data = read_bytes(source)
    with explaining(data):
        image = open_image(data, max_pixels)
        found = header_of(data, image)
        frames = int(image.get("n-pages")) if image.get_typeof("n-pages") else 1
        if frames > 1 and found.format in _ANIMATED:
            image = open_image(data, max_pixels, n=-1)
        else:
            frames = 1
        check_size(found, max_pixels, 1)
        if image.width * image.height > max_pixels:
            raise ImageError(f"is too large: its {frames} frames have {image.width * image.height:,} pixels")
        kept = {name: image.get(name) for name in _KEPT if image.get_typeof(name)}
        kept |= {name: image.get(name) for name in _PAGES if frames > 1 and image.get_typeof(name)}
        image = upright(image)
        if image.format not in ("uchar", "ushort") or image.interpretation not in _AS_THEY_ARE:
            image = to_srgb(image)
            kept.pop("icc-profile-data", None)
        if image.bands > 4 or (image.bands == 2 and image.interpretation in ("srgb", "rgb16")):
            image = image.extract_band(0, n=3 if image.bands > 4 else 1)
    return Picture(image, data, found.format, frames, kept)


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
    """A libvips image of `rows`, (n, width, bands) each, of the kind that `like` is.

    What would not fit well in memory goes through a file in `folder` that is removed afterwards.
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


def piped(
    rows: Iterator[NDArray[Any]], width: int, height: int, like: Any, save: Callable[[Any], None]
) -> None:
    """Have `save` write a libvips image of `rows`, (n, width, bands) each, while they are made.

    Nothing of it is ever held as a whole, in memory or in a file. `save` runs in a thread of its own, so that
    Ctrl-C is heard here. Raises what either side raises.
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


def write(picture: Picture, image: Any, path: Path, format_: str, quality: int) -> None:
    """Write `image` with what `picture` kept; the file is complete or absent.

    Raises `InputError` for what the format cannot hold, and `OSError` where the disk cannot.
    """
    most = _MOST_SIDE_PX.get(format_)
    longest = max(image.width, image.height // picture.frames)
    if most and longest > most:
        raise InputError(
            f"a {format_} can be {most:,} px long, and this would have {longest:,}", "--format png or tif"
        )
    if image.format == "ushort" and format_ not in _DEEP_FORMATS:
        grey = image.bands < 3
        image = (image * (1 / 257)).rint().cast("uchar").copy(interpretation="b-w" if grey else "srgb")
    if format_ in _OPAQUE_FORMATS and image.bands in (2, 4):
        image = image.flatten(background=255)
    image = _dressed(picture, image)
    pyvips = vips()
    if picture.frames > 1 and format_ in _ANIMATED:
        image.set_type(pyvips.GValue.gint_type, "page-height", image.height // picture.frames)
        if "delay" in picture.kept:
            image.set_type(pyvips.GValue.array_int_type, "delay", picture.kept["delay"])
        image.set_type(pyvips.GValue.gint_type, "loop", int(picture.kept.get("loop", 0)))
    try:
        with replacing(path) as temporary:
            _save(image, os.fsencode(temporary), format_, quality)  # a name need not be UTF-8
    except pyvips.Error as error:
        words = " ".join(error.detail.split()) or str(error)
        raise OSError(f"'{path}' cannot be written: {words}") from None


def write_png(
    picture: Picture, rows: Iterator[NDArray[Any]], width: int, height: int, path: Path, threads: int
) -> None:
    """Write `rows`, (n, width, bands) each, as a PNG with what `picture` kept, while they are made.

    libvips compresses in one thread, after the last row; here so many `threads` do it beside the network.
    The file is complete or absent. Raises `OSError` where the disk cannot.
    """
    pixel = vips().Image.black(1, 1, bands=picture.image.bands).cast(picture.image.format)
    pixel = pixel.copy(interpretation=picture.image.interpretation)
    like = _dressed(picture, pixel).pngsave_buffer()
    with replacing(path) as temporary, temporary.open("wb") as file:
        for data in compressed(rows, (width, height), like, threads):
            file.write(data)


def _dressed(picture: Picture, image: Any) -> Any:
    """`image` with the profile, EXIF and the like that `picture` kept."""
    image, pyvips = image.copy(), vips()
    for name, value in picture.kept.items():
        if isinstance(value, bytes):
            image.set_type(pyvips.GValue.blob_type, name, value)
    if "exif-data" in picture.kept:  # its pixels are upright now, and it must not say otherwise
        image.set_type(pyvips.GValue.gint_type, "orientation", 1)
    return image


def _save(image: Any, path: bytes, format_: str, quality: int) -> None:
    match format_:
        case "png":
            image.pngsave(path, compression=3, filter="up")  # half the size of no filter, in half the time
        case "jpg":
            image.jpegsave(
                path, Q=quality, optimize_coding=True, subsample_mode="off" if quality > 89 else "auto"
            )
        case "webp":
            image.webpsave(path, Q=quality, effort=4)
        case "tif":
            image.tiffsave(path, compression="deflate", predictor="horizontal", bigtiff=_is_huge(image))
        case "avif":
            image.heifsave(path, Q=quality, compression="av1", effort=4)
        case "gif":
            image.gifsave(path)
        case other:
            raise InputError(f"pictures cannot be written as '{other}'", f"one of: {', '.join(FORMATS)}")


def _is_huge(image: Any) -> bool:
    return bool(image.width * image.height * image.bands * 2 > 2**31)
