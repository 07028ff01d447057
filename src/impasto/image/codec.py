"""The one door between picture files and tensors.

Whatever a file holds (16 bits, CMYK, a colour profile, alpha, a palette, a rotation flag, a drawing), what
comes in is sRGB, upright, uint8 and shaped (H, W, C). Anything else is refused with an `ImageError` whose
message is the reason alone.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from impasto.image.decoding import (
    MAX_PIXELS,
    Header,
    check_size,
    check_whole,
    explaining,
    header_of,
    open_image,
    read_bytes,
    read_header,
    upright,
)
from impasto.image.files import encode, grid, read_metadata, save, save_animation
from impasto.image.shown import to_srgb

if TYPE_CHECKING:
    import torch

__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "Header",
    "encode",
    "fit_cover",
    "fit_shape",
    "fit_square",
    "grid",
    "header",
    "read",
    "read_bytes",
    "read_metadata",
    "save",
    "save_animation",
    "to_tensor",
    "to_uint8",
]

Pixels = npt.NDArray[np.uint8]
Source = Path | bytes
Channels = Literal[1, 3, 4]
Shape = tuple[int, int]
"""Height and width in pixels."""

MAX_ASPECT = 4
_SUFFIXES = "jpg jpeg jpe jfif png webp gif tif tiff bmp dib avif heic heif svg jp2 j2k qoi pbm pgm ppm pnm"
SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())


def header(source: Source) -> Header:
    """Format and size, without decoding the pixels. Raises `ImageError`."""
    data = read_bytes(source)
    with explaining(data):
        return read_header(data)


def read(
    source: Source, *, channels: Channels = 3, background: str = "#ffffff", max_pixels: int = MAX_PIXELS
) -> Pixels:
    """The whole picture at its own size: (H, W, channels) uint8 sRGB.

    Of an animation, this is the first frame.

    Args:
        source: The file, or its bytes.
        channels: 1 for luma, 3 for colour, 4 for colour and alpha. Alpha is flattened unless it is 4.
        background: The colour that alpha is flattened on, as "#rrggbb".
        max_pixels: Refuse pictures of more pixels.

    Raises:
        ImageError: The picture is too large, or it cannot be read.
    """
    data = read_bytes(source)
    with explaining(data):
        image = open_image(data, max_pixels)
        found = header_of(data, image)
        check_size(found, max_pixels, 1)
        check_whole(data, found)
        return _pixels(to_srgb(upright(image)), channels, background, None)


def fit_square(source: Source, size: int, **how: Any) -> Pixels:
    """The picture in a square: (size, size, channels) uint8 sRGB. Further arguments are `fit_shape`'s."""
    return fit_shape(source, (size, size), **how)


def fit_shape(
    source: Source,
    shape: Shape,
    *,
    channels: Channels = 3,
    fit: Literal["crop", "letterbox", "stretch"] = "crop",
    background: str = "#ffffff",
    max_pixels: int = MAX_PIXELS,
    min_side_px: int = 1,
) -> Pixels:
    """The picture in a shape: (*shape, channels) uint8 sRGB.

    Small pictures are enlarged.

    Args:
        source: The file, or its bytes.
        shape: Height and width in pixels.
        channels: 1 for luma, 3 for colour, 4 for colour and alpha. Alpha is flattened unless it is 4.
        fit: "crop" keeps the centre, "letterbox" pads, "stretch" squeezes.
        background: The colour that alpha is flattened on and "letterbox" pads with, as "#rrggbb". With 4
            channels the padding is transparent.
        max_pixels: Refuse pictures of more pixels. An SVG counts at the size at which it is rendered.
        min_side_px: Refuse pictures with a shorter side, except SVG.

    Raises:
        ImageError: The picture is too large or too small, or it cannot be read.
    """
    data = read_bytes(source)
    with explaining(data):
        image = _load_for(data, shape, fit != "letterbox", max_pixels, min_side_px)
        height, width = shape
        if fit == "crop":
            has, wanted = _scale(image, shape, cover=True)
            image = _centre(image, round(width * has / wanted), round(height * has / wanted))
        elif fit == "letterbox":
            has, wanted = _scale(image, shape, cover=False)
            width, height = (max(1, round(side * wanted / has)) for side in (image.width, image.height))
        picture = _pixels(image, channels, background, (width, height))
    if picture.shape[:2] == shape:
        return picture
    return _pad(picture, shape, background)


def fit_cover(
    source: Source,
    shape: Shape,
    *,
    channels: Channels = 3,
    background: str = "#ffffff",
    max_pixels: int = MAX_PIXELS,
    min_side_px: int = 1,
) -> Pixels:
    """The picture scaled until it just covers a shape: (h, w, channels) uint8 sRGB, one side as in `shape`.

    Where the other side would be more than 4 times as long as in `shape` the centre is kept.

    Args:
        source: The file, or its bytes.
        shape: Height and width in pixels.
        channels: 1 for luma, 3 for colour, 4 for colour and alpha. Alpha is flattened unless it is 4.
        background: The colour that alpha is flattened on, as "#rrggbb".
        max_pixels: Refuse pictures of more pixels. An SVG counts at the size at which it is rendered.
        min_side_px: Refuse pictures with a shorter side, except SVG.

    Raises:
        ImageError: The picture is too large or too small, or it cannot be read.
    """
    data = read_bytes(source)
    with explaining(data):
        image = _load_for(data, shape, True, max_pixels, min_side_px)
        has, wanted = _scale(image, shape, cover=True)
        most = (round(MAX_ASPECT * side * has / wanted) for side in reversed(shape))
        width, height = map(min, (image.width, image.height), most)
        size = round(width * wanted / has), round(height * wanted / has)
        return _pixels(_centre(image, width, height), channels, background, size)


def to_tensor(pixels: Pixels, device: "torch.device | None" = None) -> "torch.Tensor":
    """(B, H, W, C) uint8 -> (B, C, H, W) float32 in [-1, 1]; 0 is exactly -1 and 255 exactly 1.

    On `device` (the CPU by default), where the numbers are also made: a quarter of the bytes travel there.
    """
    import torch

    if not pixels.flags.writeable:  # torch shares the memory, and warns of what it must not write to
        pixels = pixels.copy()
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def to_uint8(images: "torch.Tensor") -> Pixels:
    """(B, C, H, W) in [-1, 1] -> (B, H, W, C) uint8: the exact inverse, rounding and clamping."""
    # Rounded by NumPy, which uses one thread: PyTorch wakes all of them to round even a small picture, and
    # waits for those whose cores other programs keep busy.
    scaled = images.detach().float().add(1.0).mul_(127.5).permute(0, 2, 3, 1).to("cpu").contiguous().numpy()
    np.rint(scaled, out=scaled)
    return scaled.clip(0, 255, out=scaled).astype(np.uint8)


def _scale(image: Any, shape: Shape, *, cover: bool) -> tuple[int, int]:
    """How many pixels of a picture, or of its header, become how many, where it just covers a shape, or just
    fits into it."""  # fmt: skip
    height, width = shape
    by_width = image.width * height <= image.height * width
    return (image.width, width) if by_width == cover else (image.height, height)


def _load_for(data: bytes, shape: Shape, cover: bool, max_pixels: int, min_side_px: int) -> Any:
    """A picture in sRGB, decoded no larger than a good reduction to `shape` needs."""
    image = open_image(data, max_pixels)
    found = header_of(data, image)
    if found.is_drawing:
        has, wanted = _scale(found, shape, cover=cover)
        scale = wanted / has
        check_size(Header("svg", round(found.width * scale), round(found.height * scale)), max_pixels, 1)
        return to_srgb(open_image(data, scale=scale))
    check_size(found, max_pixels, min_side_px)
    check_whole(data, found)
    # The decoder's own reduction is a box filter: leave it at least twice the size for a good one to finish.
    # Which side is which is not known before the picture is upright.
    shrink = next((s for s in (8, 4, 2) if min(found.width, found.height) >= 2 * s * max(shape)), 1)
    if found.format == "jpeg" and shrink > 1:
        image = open_image(data, shrink=shrink)
    return to_srgb(upright(image))


def _centre(image: Any, width: int, height: int) -> Any:
    if (width, height) == (image.width, image.height):
        return image
    return image.crop((image.width - width) // 2, (image.height - height) // 2, width, height)


def _pixels(image: Any, channels: Channels, background: str, size: tuple[int, int] | None) -> Pixels:
    """Flatten, resize to (width, height) and fetch as (H, W, channels) uint8."""
    if channels != 4 and image.bands == 4:
        image = image.flatten(background=list(bytes.fromhex(background.removeprefix("#"))))
    if size and size != (image.width, image.height):
        # Weighting colour by alpha keeps what is hidden under transparent pixels from bleeding out as a halo.
        weighted = image.premultiply() if image.bands == 4 else image
        image = weighted.resize(size[0] / image.width, vscale=size[1] / image.height)
        if image.bands == 4:
            image = image.unpremultiply().rint().cast("uchar")
    if channels == 4 and image.bands == 3:
        image = image.bandjoin(255)
    if channels == 1:
        image = image.recomb([[0.2126, 0.7152, 0.0722]]).rint().cast("uchar")
    pixels = np.frombuffer(image.write_to_memory(), np.uint8)
    return pixels.reshape(image.height, image.width, channels)


def _pad(picture: Pixels, shape: Shape, background: str) -> Pixels:
    height, width, channels = picture.shape
    red, green, blue = bytes.fromhex(background.removeprefix("#"))
    fill = {1: [round(0.2126 * red + 0.7152 * green + 0.0722 * blue)], 3: [red, green, blue], 4: [0, 0, 0, 0]}
    padded = np.full((*shape, channels), fill[channels], np.uint8)
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    padded[top : top + height, left : left + width] = picture
    return padded
