"""Enlarged pictures as files: profile, EXIF, texts and resolution as they were; whole or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from impasto import png_chunks
from impasto.decoding import interpretation, vips
from impasto.errors import InputError
from impasto.files import replacing
from impasto.inference import metadata
from impasto.inference.pictures import ANIMATED, FORMATS, Picture, RowReader
from impasto.inference.png import chunk, compressed

_DEEP_BITS = {"png": 16, "tif": 16, "avif": 12}
_MOST_SIDE_PX = {"jpg": 65_500, "webp": 16_383, "avif": 16_384, "gif": 65_535}
_OPAQUE_FORMATS = ("jpg",)
_WITHOUT_EXIF = ("tif", "gif")  # libvips writes none there
_UNKNOWN = 72 / 25.4  # pixels per millimetre: what EXIF means by unknown
_ROWS = 64  # that are written at once


def losses(picture: Picture, format_: str) -> list[str]:
    """What `picture` has and a file of this format cannot hold, in words."""
    told = []
    most = _DEEP_BITS.get(format_, 8)
    bits = picture.bits if 8 < picture.bits < 16 else 16
    if picture.image.format == "ushort" and bits > most:
        told.append(f"its {bits} bits become {most}: {format_} holds no more")
    alpha = picture.image.bands in (2, 4) and picture.format != "gif"  # libvips says that every GIF has it
    if alpha and format_ in _OPAQUE_FORMATS:
        told.append(f"what is transparent becomes white: {format_} has no alpha")
    if format_ in _WITHOUT_EXIF and ("exif-data" in picture.kept or picture.texts):
        told.append(f"its EXIF and texts are left out: they are not written into {format_}")
    return told


def write(picture: Picture, image: Any, path: Path, format_: str, quality: int, threads: int = 1) -> None:
    """Write `image` with what `picture` kept; the file is complete or absent.

    Raises `InputError` for what the format cannot hold, and `OSError` where the disk cannot.
    """
    most = _MOST_SIDE_PX.get(format_)
    height = image.height // picture.frames
    if most and max(image.width, height) > most:
        raise InputError(
            f"a {format_} can be {most:,} px long, and this would have {max(image.width, height):,}",
            "--format png or tif",
        )
    if format_ == "png":
        write_png(picture, rows_of(image), image.width, image.height, path, threads)
        return
    if image.format == "ushort" and format_ not in _DEEP_BITS:
        image = (
            (image * (1 / 257)).rint().cast("uchar").copy(interpretation=interpretation(image.bands, False))
        )
    if format_ in _OPAQUE_FORMATS and image.bands in (2, 4):
        image = image.flatten(background=255)
    exif = _exif(picture, image.width, height)
    image = _dressed(picture, image, (image.width, height))
    pyvips = vips()
    if picture.frames > 1 and format_ in ANIMATED:
        image.set_type(pyvips.GValue.gint_type, "page-height", height)
        if "delay" in picture.kept:
            image.set_type(pyvips.GValue.array_int_type, "delay", picture.kept["delay"])
        image.set_type(pyvips.GValue.gint_type, "loop", int(picture.kept.get("loop", 0)))
    try:
        with replacing(path) as temporary:
            _save(picture, image, exif, temporary, format_, quality)
    except pyvips.Error as error:
        words = " ".join(error.detail.split()) or str(error)
        raise OSError(f"'{path}' cannot be written: {words}") from None


def rows_of(image: Any) -> Iterator[NDArray[Any]]:
    """The rows of an image from the top, some at a time: (n, W, bands) each."""
    reader = RowReader(image)
    for top in range(0, image.height, _ROWS):
        yield reader.take(top, min(top + _ROWS, image.height))


def write_png(
    picture: Picture, rows: Iterator[NDArray[Any]], width: int, height: int, path: Path, threads: int
) -> None:
    """Write `rows`, (n, width, bands) each, as a PNG with what `picture` kept, while they are made.

    libvips compresses in one thread, after the last row; here so many `threads` do it beside the network.
    The file is complete or absent. Raises `OSError` where the disk cannot.
    """
    pixel = vips().Image.black(1, 1, bands=picture.image.bands).cast(picture.image.format)
    pixel = pixel.copy(interpretation=picture.image.interpretation)
    like = _dressed(picture, pixel, (width, height)).pngsave_buffer()
    said = metadata.png_chunks(_exif(picture, width, height), picture.resolution)
    about = b"".join(chunk(kind, data) for kind, data in said)
    if picture.format == "png":
        about += png_chunks.texts(picture.data)
    with replacing(path) as temporary, temporary.open("wb") as file:
        for data in compressed(rows, (width, height), like, threads, about):
            file.write(data)


def _exif(picture: Picture, width: int, height: int) -> bytes:
    """The EXIF to write; that which cannot be read is left out."""
    given = picture.kept.get("exif-data", b"")
    return metadata.exif_for(given, (width, height), picture.resolution, picture.texts) or b""


def _dressed(picture: Picture, image: Any, size: tuple[int, int]) -> Any:
    """`image` with the profile, XMP, IPTC and resolution that `picture` had, for a picture of `size`."""
    across, down = picture.resolution or (1.0, 1.0)
    image, pyvips = image.copy(xres=across, yres=down), vips()
    for name, value in picture.kept.items():
        if isinstance(value, bytes) and name != "exif-data":
            if name == "xmp-data":
                value = metadata.xmp_for(value, size, turned=picture.turned)
            image.set_type(pyvips.GValue.blob_type, name, value)
    if picture.resolution:
        image.set_type(pyvips.GValue.gstr_type, "resolution-unit", "in")
    return image


def _save(picture: Picture, image: Any, exif: bytes, path: Path, format_: str, quality: int) -> None:
    """Write a file; its EXIF is `exif`, and libvips invents none."""
    plain = {"keep": "xmp:iptc:icc:other"}
    if format_ in ("webp", "avif") and (exif or picture.resolution):  # libvips has the last word there
        plain = {}
        if exif:
            image.set_type(vips().GValue.blob_type, "exif-data", exif)
        if not picture.resolution:
            image = image.copy(xres=_UNKNOWN, yres=_UNKNOWN)
    name = os.fsencode(path)  # a name need not be UTF-8
    match format_:
        case "jpg":
            subsampling = "off" if quality > 89 else "auto"
            with path.open("wb") as file:
                behind = _Behind(file, metadata.jpeg_start(exif, picture.resolution))
                options = {"Q": quality, "optimize_coding": True, "subsample_mode": subsampling} | plain
                try:
                    image.jpegsave_target(behind.target, **options)
                except vips().Error:
                    if behind.error:
                        raise behind.error from None
                    raise
        case "webp":
            image.webpsave(name, Q=quality, effort=4, **plain)
        case "tif":
            image.tiffsave(
                name, compression="deflate", predictor="horizontal", bigtiff=_is_huge(image), **plain
            )
            if not picture.resolution:
                metadata.forget_tiff_resolution(path)
        case "avif":
            deep = image.format == "ushort"
            bits = 8 if not deep else 10 if picture.bits == 10 else 12
            image.heifsave(name, Q=quality, compression="av1", effort=4, bitdepth=bits, **plain)
        case "gif":
            image.gifsave(name, **plain)
        case other:
            raise InputError(f"pictures cannot be written as '{other}'", f"one of: {', '.join(FORMATS)}")


class _Behind:
    """Where libvips writes a JPEG: a file, with `start` in place of the marker that it begins with."""

    def __init__(self, file: BinaryIO, start: bytes) -> None:
        self.error: OSError | None = None
        self._file, self._start, self._left = file, start, 2
        self.target = vips().TargetCustom()
        self.target.on_write(self._write)

    def _write(self, data: Any) -> int:
        try:
            self._file.write(self._start)
            self._file.write(bytes(data)[self._left :])
        except OSError as error:  # libvips would only say that writing failed
            self.error = error
            return -1
        self._start, self._left = b"", max(0, self._left - len(data))
        return len(data)


def _is_huge(image: Any) -> bool:
    return bool(image.width * image.height * image.bands * 2 > 2**31)
