"""Enlarged pictures as files: profile, EXIF, texts and resolution as they were; whole or not at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from impasto.errors import InputError
from impasto.files import replacing
from impasto.image import png_chunks
from impasto.image.decoding import interpretation, vips
from impasto.tasks.upscaling.inference import metadata
from impasto.tasks.upscaling.inference.pictures import ANIMATED, FORMATS, Picture

_DEEP_BITS = {"png": 16, "tif": 16, "avif": 12}
_MOST_SIDE_PX = {"jpg": 65_500, "webp": 16_383, "avif": 16_384, "gif": 65_535}
_OPAQUE_FORMATS = ("jpg",)
_WITHOUT_EXIF = ("tif", "gif")  # libvips writes none there
_UNKNOWN = 72 / 25.4  # pixels per millimetre: what EXIF means by unknown
_PNG_LEVEL = 2  # a twentieth more bytes than 3, in four fifths of the time


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


def write(picture: Picture, image: Any, path: Path, format_: str, quality: int) -> None:
    """Write `image` with what `picture` kept; the file is complete or absent.

    Args:
        picture: The picture that was enlarged.
        image: The libvips image to write; frames of an animation lie below each other.
        path: The file. It is replaced.
        format_: One of the values of `FORMATS`.
        quality: Quality of lossy formats, 1 to 100.

    Raises:
        InputError: The format cannot hold the image.
        OSError: The disk cannot hold the file.
    """
    most = _MOST_SIDE_PX.get(format_)
    height = image.height // picture.frames
    if most and max(image.width, height) > most:
        raise InputError(
            f"a {format_} can be {most:,} px long, and this would have {max(image.width, height):,}",
            "--format png or tif",
        )
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
            start = metadata.jpeg_start(exif, picture.resolution)
            with _behind(path, lambda made: start + made[2:] if len(made) > 1 else None) as target:
                image.jpegsave_target(
                    target, Q=quality, optimize_coding=True, subsample_mode=subsampling, **plain
                )
        case "png":
            about = metadata.png_start(exif, picture.resolution)
            if picture.format == "png":
                about += png_chunks.texts(picture.data)
            with _behind(path, lambda made: png_chunks.with_others(made, about)) as target:
                image.pngsave_target(target, compression=_PNG_LEVEL, filter="up", **plain)
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


@contextmanager
def _behind(path: Path, begin: Callable[[bytes], bytes | None]) -> Iterator[Any]:
    """Where libvips writes a file whose start is ours.

    `begin` gives what is written in place of the bytes that came so far, or None where it must see more.
    """
    came: bytes | None = b""
    failed: OSError | None = None

    def write(data: Any) -> int:
        nonlocal came, failed
        fresh = bytes(data)
        if came is not None:
            came += fresh
            fresh = begin(came) or b""
            came = None if fresh else came
        try:
            file.write(fresh)
        except OSError as error:  # libvips would only say that writing failed
            failed = error
            return -1
        return len(data)

    target = vips().TargetCustom()
    target.on_write(write)
    with path.open("wb") as file:
        try:
            yield target
        except vips().Error:
            if failed is not None:
                raise failed from None
            raise


def _is_huge(image: Any) -> bool:
    return bool(image.width * image.height * image.bands * 2 > 2**31)
