"""Decoding: a file's bytes become a lazy libvips image, with every failure explained.

What a file is, and how large, is known before a pixel of it is decoded. `shown.py` says what it shows.
"""

import contextlib
import functools
import io
import logging
import re
import stat
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from impasto.errors import ImageError
from impasto.image import jpeg, png_chunks, pnm, profiles

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Source = Path | bytes

MAX_PIXELS = 200_000_000

MAX_FRAMES = 2_000  # of an animation: each costs a pass of the network, however small it is

# Of libvips's loaders only these are open, and nothing is ever read by another: what it reads for its own
# sake (tables, its own files, microscopes) was never meant for files of strangers.
_LOADERS = ("Jpeg", "Png", "Webp", "Tiff", "Nsgif", "Heif", "Svg")
_VIPS_FORMATS = frozenset(("jpeg", "png", "webp", "tiff", "gif", "heif", "svg"))
_PILLOW_FORMATS = ("BMP", "DIB", "JPEG2000", "QOI")  # what this libvips cannot read and Pillow can
_SLOW_PIXELS = {"qoi": 16_000_000}  # decoded in Python, and nothing else runs meanwhile
_TRUNCATED = ("premature end", "truncat", "unexpected end", "read error", "bad seek", "not enough data")
_CHECKED_PIXELS = 100_000_000  # checking holds a picture's coefficients, up to 8 bytes for each pixel
_BOXES_BYTES = 2**16  # where an AVIF or HEIC says what its pixels are
_NUMBERS = "samples out of range"  # TIFF of 64-bit floats or complex numbers


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


_loading = threading.Lock()


def vips() -> Any:
    """The libvips binding, loaded when first needed (0.1 s)."""
    # A cache alone lets several threads load at once: one would block the loaders with which another reads.
    with _loading:
        return _load_vips()


@functools.cache
def _load_vips() -> Any:
    import pyvips

    # A cached operation would keep whole files alive and could hand out a picture that failed halfway.
    pyvips.cache_set_max(0)
    # Its warnings are told as errors where they matter; without a handler Python prints them all.
    logging.getLogger("pyvips").addHandler(logging.NullHandler())
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in (*_LOADERS, "Raw"):  # raw numbers: our own, see `collected`; no file is taken for them
        pyvips.operation_block_set(f"VipsForeignLoad{name}", False)
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
    if _NUMBERS in text:
        return "holds 64-bit or complex numbers; save it with 16 bits or 32-bit floats"
    if any(sign in text for sign in _TRUNCATED):
        return "is truncated" if "seek" in first or "scanline" in first else f"is truncated: {first}"
    return f"cannot be decoded: {first}"


def _has_no_end(data: bytes) -> bool:
    """Whether the format says how it ends, and these bytes do not hold that end."""
    if data.startswith(jpeg.SIGNATURE):
        return not jpeg.has_end(data)
    return data.startswith(png_chunks.SIGNATURE) and b"IEND" not in data


def open_image(data: bytes, max_pixels: int = MAX_PIXELS, **options: Any) -> Any:
    """A lazy vips image: no pixel is decoded, except by Pillow and by hand, which `max_pixels` bounds."""
    pyvips = vips()
    if data[:2] == b"\x1f\x8b":  # svgz: a small file may unpack to gigabytes
        raise ImageError("is not a picture Impasto can read")
    if (plain := pnm.read_header(data)) is not None:
        check_size(Header("ppm", plain.width, plain.height), max_pixels, 1)
        return _image_of(pnm.decode(data, plain), "ppm")
    if data.startswith(jpeg.SIGNATURE):
        data = jpeg.completed(data)
    try:
        # "error", not the default: half a picture must be refused, not read as grey. `thumbnail_buffer`
        # ignores this option, which is why it is not used here.
        image = pyvips.Image.new_from_buffer(data, "", access="sequential", fail_on="error", **options)
    except pyvips.Error as error:
        # The message is the binding's own; the detail comes from a log that all threads share and clear, and
        # may be another file's or nothing.
        if error.message != "unable to load from buffer":
            raise
        return _decoded_by_pillow(*_opened_by_pillow(data), max_pixels)
    if _format(image) not in _VIPS_FORMATS:
        raise ImageError("is not a picture Impasto can read")
    return _with_stated_colours(data, image)


def read_header(data: bytes) -> Header:
    """Format and size of a file, upright; no pixel of any format is decoded."""
    if (plain := pnm.read_header(data)) is not None:
        return Header("ppm", plain.width, plain.height)
    pyvips = vips()
    try:
        image = pyvips.Image.new_from_buffer(data, "", access="sequential")
    except pyvips.Error as error:
        if error.message != "unable to load from buffer" or data[:2] == b"\x1f\x8b":
            raise
        picture, name = _opened_by_pillow(data)
        return Header(name, *picture.size)
    return header_of(data, image)


def check_whole(data: bytes, found: Header) -> None:
    """Refuse a JPEG that is damaged or cut, as far as libjpeg can see it. Raises `ImageError`.

    The other formats have check sums, or their decoders see by themselves what is missing.
    """
    if found.format != "jpeg" or found.width * found.height > _CHECKED_PIXELS:
        return
    copy = jpeg.with_other_component(data)
    if copy is None:
        return
    ended = jpeg.has_end(data)
    shrink = 8 if min(found.width, found.height) >= 8 else 1
    if not (_decodes(copy, shrink) or _decodes(jpeg.without_padding(copy), shrink)):
        raise ImageError("is damaged: a part of its pixels is lost" if ended else "is truncated")
    if not ended and not jpeg.has_all_scans(data):
        raise ImageError("is truncated")


def _decodes(copy: bytes, shrink: int) -> bool:
    pyvips = vips()
    try:
        pyvips.Image.jpegload_buffer(copy, access="sequential", fail_on="warning", shrink=shrink).avg()
    except pyvips.Error:
        return False
    return True


def _with_stated_colours(data: bytes, image: Any) -> Any:
    """`image` with a profile where the file states its colours in numbers, and with a PNG's resolution."""
    name, profile = _format(image), None
    if name == "png":
        head = png_chunks.before_pixels(data)
        profile = profiles.stated_in_png(head, grey=image.bands < 3)
        if profile is None and image.bands < 3 and not image.get_typeof("icc-profile-data"):
            profile = png_chunks.profile(head)  # libpng passes over one for colour
        if (known := png_chunks.resolution(head)) is not None:
            image = image.copy(xres=known[0], yres=known[1])
            image.set_type(vips().GValue.gstr_type, "resolution-unit", "cm")
    elif name == "heif" and not image.get_typeof("icc-profile-data"):
        at = data.find(b"colrnclx", 0, _BOXES_BYTES)
        if at >= 0 and at + 12 <= len(data):
            profile = profiles.from_code_points(*struct.unpack_from(">HH", data, at + 8), grey=False)
    if profile is not None:
        image = image.copy()
        image.set_type(vips().GValue.blob_type, "icc-profile-data", profile)
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


def frames_of(data: bytes, image: Any) -> int:
    """How many frames or pages the file of an opened image has."""
    if _format(image) == "png":
        return png_chunks.frames(png_chunks.before_pixels(data))
    return int(image.get("n-pages")) if image.get_typeof("n-pages") else 1


def _pillow_plugin(data: bytes) -> tuple[str, Any] | None:
    """The name and the plugin of a format that Pillow reads here, by the first bytes."""
    from PIL import Image

    Image.init()
    for name in _PILLOW_FORMATS:
        factory, accepts = Image.OPEN.get(name, (None, None))
        if factory is not None and (accepts is None or accepts(data[:16]) is True):
            return name, factory
    return None


def _opened_by_pillow(data: bytes) -> "tuple[ImageFile, str]":
    """A picture that libvips cannot read, its pixels not decoded, and the name of its format."""
    found = _pillow_plugin(data)
    if found is None:
        raise ImageError("is not a picture Impasto can read")
    name, plugin = found
    # The plugin itself and not `Image.open`, whose warning of large pictures is a process-wide setting.
    return plugin(io.BytesIO(data), ""), name.lower()


def _decoded_by_pillow(picture: "ImageFile", name: str, max_pixels: int) -> Any:
    check_size(Header(name, *picture.size), min(max_pixels, _SLOW_PIXELS.get(name, max_pixels)), 1)
    plain: Any = picture
    if picture.mode not in ("1", "L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I"):
        plain = picture.convert("RGBA" if "A" in picture.mode else "RGB")
    pixels = np.asarray(plain.convert("L") if plain.mode == "1" else plain)
    if pixels.dtype.kind == "i":  # mode I: 16 bits in 32
        pixels = pixels.clip(0, 65535).astype(np.uint16)
    image = _image_of(pixels.astype(pixels.dtype.newbyteorder("=")), name)
    if profile := picture.info.get("icc_profile"):
        image.set_type(vips().GValue.blob_type, "icc-profile-data", profile)
    across, down = picture.info.get("dpi", (0, 0))
    if across > 0 and down > 0:
        image = image.copy(xres=across / 25.4, yres=down / 25.4)
        image.set_type(vips().GValue.gstr_type, "resolution-unit", "in")
    return image


def _image_of(pixels: "np.ndarray[Any, Any]", name: str) -> Any:
    image = vips().Image.new_from_array(np.ascontiguousarray(pixels))
    if pixels.dtype.kind == "u":
        image = image.copy(interpretation=interpretation(image.bands, deep=pixels.dtype.itemsize > 1))
    else:
        image = image.copy(interpretation="b-w" if image.bands < 3 else "srgb")
    image.set_type(vips().GValue.gstr_type, "vips-loader", f"{name}load")
    return image


def header_of(data: bytes, image: Any) -> Header:
    """The header of an opened image, turned as its rotation flag says."""
    name = _format(image)
    if name == "heif":
        name = "avif" if data[8:12] in (b"avif", b"avis") else "heic"
    turned = orientation(image) >= 5
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


def orientation(image: Any) -> int:
    """1 to 8, as EXIF has it."""
    return int(image.get("orientation")) if image.get_typeof("orientation") else 1


def upright(image: Any) -> Any:
    """Turned and mirrored as the camera's rotation flag says."""
    # Turning reads out of order, which a sequential decoder cannot do.
    return image.copy_memory().autorot() if orientation(image) > 1 else image


def interpretation(bands: int, deep: bool) -> str:
    """What libvips calls grey or colour of 8 bits, or of 16 (`deep`)."""
    return ("grey16" if deep else "b-w") if bands < 3 else ("rgb16" if deep else "srgb")
