"""Decoding: a file's bytes become a lazy libvips image, upright, in sRGB, with every failure explained.

Only `images.py` uses this; it is apart to keep each of the two readable at one sitting.
"""

import contextlib
import functools
import io
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from impasto.errors import ImageError

Source = Path | bytes

MAX_PIXELS = 200_000_000

_VIPS_FORMATS = frozenset(("jpeg", "png", "webp", "tiff", "gif", "heif", "svg"))
_PILLOW_FORMATS = ("BMP", "DIB", "PPM", "JPEG2000", "QOI")  # what this libvips cannot read and Pillow can
_TRUNCATED = ("premature end", "truncat", "unexpected end", "read error", "bad seek", "not enough data")
_ENDS = {b"\x89PNG": b"IEND", b"\xff\xd8\xff": b"\xff\xd9"}


@dataclass(frozen=True)
class Header:
    """What a file says of itself. Width and height are in pixels, upright."""

    format: str
    width: int
    height: int

    @property
    def is_drawing(self) -> bool:
        """A drawing (SVG) has no pixels of its own: it is rendered at the size that is wanted."""
        return self.format == "svg"


@functools.cache
def vips() -> Any:
    """The libvips binding, loaded when first needed (0.1 s)."""
    import pyvips

    # A cached operation would keep whole files alive and could hand out a picture that failed halfway.
    pyvips.cache_set_max(0)
    return pyvips


def read_bytes(source: Source) -> bytes:
    """The file's bytes; never empty. Raises `ImageError`."""
    try:
        if isinstance(source, Path):
            if not stat.S_ISREG(source.stat().st_mode):  # a pipe would block for ever
                raise ImageError("is a folder" if source.is_dir() else "is not a regular file")
            source = source.read_bytes()
    except FileNotFoundError:
        raise ImageError("does not exist") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise ImageError(f"cannot be opened: {reason}") from None
    if not source:
        raise ImageError("is empty")
    return source


@contextlib.contextmanager
def explaining(data: bytes) -> Iterator[None]:
    """Turn whatever a decoder raises into an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError:
        raise ImageError("needs more memory than there is") from None
    except Exception as error:  # Pillow's plugins raise nearly every kind there is
        raise ImageError(_reason(getattr(error, "detail", "") or str(error), data)) from None


def _reason(detail: str, data: bytes) -> str:
    first = next((line.strip() for line in detail.splitlines() if line.strip()), "unknown error")
    first = re.sub(r"^(\w+: )+", "", first)  # which part of which library it was
    text = detail.lower()
    if data[4:8] == b"ftyp" and ("codec" in text or "unsupported" in text or "plugin" in text):
        return "is HEIC with a codec this libvips lacks; save it as JPEG, PNG or AVIF"
    if data[:4] == b"RIFF" and len(data) < int.from_bytes(data[4:8], "little") + 8:
        return f"is truncated: {len(data)} of {int.from_bytes(data[4:8], 'little') + 8} bytes"
    if _has_no_end(data):  # libvips keeps one log for all threads: its words may be about another file
        return "is truncated"
    if any(sign in text for sign in _TRUNCATED):
        return "is truncated" if "seek" in first or "scanline" in first else f"is truncated: {first}"
    return f"cannot be decoded: {first}"


def _has_no_end(data: bytes) -> bool:
    """Whether the format says how it ends, and these bytes do not hold that end."""
    return any(data.startswith(start) and end not in data for start, end in _ENDS.items())


def open_image(data: bytes, max_pixels: int = MAX_PIXELS, **options: Any) -> Any:
    """A lazy vips image: no pixel is decoded, except through Pillow, which `max_pixels` bounds."""
    pyvips = vips()
    if data[:2] == b"\x1f\x8b":  # svgz: a small file may unpack to gigabytes
        raise ImageError("is not a picture Impasto can read")
    try:
        # "error", not the default: half a picture must be refused, not read as grey. `thumbnail_buffer`
        # ignores this option, which is why it is not used here.
        image = pyvips.Image.new_from_buffer(data, "", access="sequential", fail_on="error", **options)
    except pyvips.Error as error:
        # The message is the binding's own; the detail comes from a log that all threads share and clear, and
        # may be another file's or nothing.
        if error.message != "unable to load from buffer":
            raise
        return _open_with_pillow(data, max_pixels)
    if _format(image) not in _VIPS_FORMATS:  # libvips also takes its own files, tables and raw numbers
        raise ImageError("is not a picture Impasto can read")
    return image


def may_be_picture(head: bytes) -> bool:
    """Whether a file that begins with these bytes may be a picture: for what comes without an end."""
    pyvips = vips()
    if pyvips.vips_lib.vips_foreign_find_load_buffer(head, len(head)) != pyvips.ffi.NULL:
        return True
    pyvips.vips_lib.vips_error_clear()
    return _pillow_plugin(head) is not None


def _format(image: Any) -> str:
    name: str = image.get("vips-loader").split("load")[0]
    return name


def _pillow_plugin(data: bytes) -> tuple[str, Any] | None:
    """The name and the plugin of a format that Pillow reads here, by the first bytes."""
    from PIL import Image

    Image.init()
    for name in _PILLOW_FORMATS:
        factory, accepts = Image.OPEN.get(name, (None, None))
        if factory is not None and (accepts is None or accepts(data[:16]) is True):
            return name, factory
    return None


def _open_with_pillow(data: bytes, max_pixels: int) -> Any:
    from PIL import Image

    if (found := _pillow_plugin(data)) is not None:
        name, factory = found
        # The plugin itself and not `Image.open`, whose warning of large pictures is a process-wide setting.
        picture: Image.Image = factory(io.BytesIO(data), "")
        check_size(Header(name.lower(), *picture.size), max_pixels, 1)
        if picture.mode not in ("1", "L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I"):
            picture = picture.convert("RGBA" if "A" in picture.mode else "RGB")
        pixels = np.asarray(picture.convert("L") if picture.mode == "1" else picture)
        if pixels.dtype.kind == "i":  # mode I: 16 bits in 32
            pixels = pixels.clip(0, 65535).astype(np.uint16)
        image = vips().Image.new_from_array(
            np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("=")))
        )
        image = image.copy(interpretation=_interpretation(image.bands, deep=pixels.dtype.itemsize > 1))
        image.set_type(vips().GValue.gstr_type, "vips-loader", f"{name.lower()}load")
        if profile := picture.info.get("icc_profile"):
            image.set_type(vips().GValue.blob_type, "icc-profile-data", profile)
        return image
    raise ImageError("is not a picture Impasto can read")


def header_of(data: bytes, image: Any) -> Header:
    """The header of an opened image, turned as its rotation flag says."""
    name = _format(image)
    if name == "heif":
        name = "avif" if data[8:12] in (b"avif", b"avis") else "heic"
    turned = _orientation(image) >= 5
    width, height = (image.height, image.width) if turned else (image.width, image.height)
    return Header(name, width, height)


def check_size(found: Header, max_pixels: int, min_side_px: int) -> None:
    """Refuse what would not fit in memory, and what is too small to be a picture. Raises `ImageError`."""
    area = found.width * found.height
    if area > max_pixels:
        raise ImageError(
            f"is too large: {found.width} x {found.height} = {area / 1e6:.4g} megapixels,"
            f" the limit is {max_pixels / 1e6:.4g}"
        )
    if min(found.width, found.height) < min_side_px and not found.is_drawing:
        raise ImageError(
            f"is too small: {found.width} x {found.height} px, at least {min_side_px} are needed"
        )


def _orientation(image: Any) -> int:
    return int(image.get("orientation")) if image.get_typeof("orientation") else 1


def upright(image: Any) -> Any:
    """Turned and mirrored as the camera's rotation flag says."""
    # Turning reads out of order, which a sequential decoder cannot do.
    return image.copy_memory().autorot() if _orientation(image) > 1 else image


def _interpretation(bands: int, deep: bool) -> str:
    return ("grey16" if deep else "b-w") if bands < 3 else ("rgb16" if deep else "srgb")


def to_srgb(image: Any) -> Any:
    """8-bit sRGB with three bands, or four when there is alpha."""
    profiled = bool(image.get_typeof("icc-profile-data"))
    if image.format == "uchar" and image.interpretation == "srgb" and image.bands in (3, 4) and not profiled:
        return image  # by far the most common, and each libvips operation costs Python 0.1 ms
    image = _as_integers(image)
    name = image.interpretation
    bands = {"b-w": 1, "grey16": 1, "cmyk": 4}.get(name, 3)
    colour = image.extract_band(0, n=bands) if image.bands > bands else image
    alpha = image.extract_band(bands) if image.bands > bands else None
    deep = image.format == "ushort"
    converted = None
    if profiled:
        with contextlib.suppress(vips().Error):  # a broken profile is no reason to lose the picture
            converted = colour.icc_transform("srgb", embedded=True, intent="relative", depth=8)
    if converted is None and deep and name in ("grey16", "rgb16"):
        converted = _halved(colour).copy(interpretation=_interpretation(bands, deep=False))
    colour = (converted or colour).colourspace("srgb")
    if colour.bands == 1:
        colour = colour.bandjoin([colour, colour])
    colour = colour.cast("uchar").copy(interpretation="srgb")
    if alpha is None:
        return colour
    return colour.bandjoin(_halved(alpha) if deep else alpha.cast("uchar"))


def _halved(image: Any) -> Any:
    """16 bits to 8, rounding: 65535 is 255 and 257 is 1."""
    return (image * (1 / 257)).rint().cast("uchar")


def _as_integers(image: Any) -> Any:
    """8 or 16 bits in a colour space that libvips can convert; wider numbers are scaled, never clipped."""
    if "complex" in image.format:
        raise ImageError("holds complex numbers")
    if image.interpretation in ("lab", "labs", "labq", "xyz", "lch", "yxy", "hsv"):
        return image.colourspace("srgb")
    known = image.interpretation in ("b-w", "srgb", "cmyk", "grey16", "rgb16")
    if image.format == "uchar":
        return image if known else image.copy(interpretation=_interpretation(image.bands, deep=False))
    if image.format != "ushort":
        numbers = np.asarray(image.numpy())
        if not np.isfinite(numbers).all():
            raise ImageError("holds numbers that are not finite")
        # What white is worth is not written in such files: 1 for floats, else the next usual maximum.
        usual = (1.0, 255.0, 65535.0) if numbers.dtype.kind == "f" else (255.0, 65535.0)
        white = next((maximum for maximum in usual if numbers.max() <= maximum), 2.0**32 - 1)
        numbers = np.rint(numbers * np.float32(65535.0 / white)).clip(0, 65535).astype(np.uint16)
        scaled = vips().Image.new_from_array(numbers.reshape(image.height, image.width, image.bands))
        if image.get_typeof("icc-profile-data"):
            scaled.set_type(vips().GValue.blob_type, "icc-profile-data", image.get("icc-profile-data"))
        image = scaled.copy(interpretation=image.interpretation)
    if image.interpretation == "cmyk":
        return image
    return image.copy(interpretation=_interpretation(image.bands, deep=True))
