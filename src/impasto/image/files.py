"""Writing pictures: whole or not at all, with what they are written inside them."""

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from impasto.errors import ImageError, InputError
from impasto.files import write_bytes_atomically

Pixels = npt.NDArray[np.uint8]

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_ANIMATIONS = {".webp": "WEBP", ".gif": "GIF"}
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
EXIF_IFD, USER_COMMENT = 0x8769, 0x9286
_ASCII = b"ASCII\0\0\0"


def save(pixels: Pixels, path: Path, *, metadata: Mapping[str, str] | None = None, quality: int = 95) -> None:
    """Write a picture as PNG, JPEG or WebP; the file is complete or absent.

    A JPEG has no alpha: it is flattened on white.

    Args:
        pixels: The picture, (H, W, C) uint8, C of 1, 3 or 4.
        path: Where to write. The suffix is the format.
        metadata: Texts that go inside the file; `read_metadata` gives them back. None writes nothing.
        quality: Of JPEG and WebP, from 0 to 100. PNG ignores it.

    Raises:
        InputError: The suffix is another one, or the format cannot hold the picture or its metadata.
        OSError: The file cannot be written.
        ValueError: `pixels` has another shape or type.
    """
    write_bytes_atomically(path, encode(pixels, path.name, metadata=metadata, quality=quality))


def encode(
    pixels: Pixels, name: str, *, metadata: Mapping[str, str] | None = None, quality: int = 95
) -> bytes:
    """What `save` writes to a file of this name.

    Args:
        pixels: The picture, (H, W, C) uint8, C of 1, 3 or 4.
        name: The name of the file. Its suffix is the format: PNG, JPEG or WebP.
        metadata: Texts that go inside the file. None writes nothing.
        quality: Of JPEG and WebP, from 0 to 100. PNG ignores it.

    Raises:
        InputError: The suffix is another one, or the format cannot hold the picture or its metadata.
        ValueError: `pixels` has another shape or type.
    """
    kind = _kind(name, _FORMATS)
    picture = to_pil(pixels)
    buffer = io.BytesIO()
    try:
        options: dict[str, Any] = {} if kind == "PNG" else {"quality": quality}
        if metadata:
            options |= _embedded(kind, metadata)
        if kind == "JPEG" and picture.mode == "RGBA":
            white = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(white, picture).convert("RGB")
        picture.save(buffer, kind, **options)
    except ValueError as error:  # 64 kB of EXIF at most, Latin keys in a PNG, a largest side
        raise InputError(f"'{name}' cannot be written: {error}", "write a PNG, with short names") from None
    return buffer.getvalue()


def read_metadata(path: Path) -> dict[str, str]:
    """What `save` put inside the file, enlarged or not; empty for a picture that carries nothing.

    Raises `ImageError`.
    """
    data = path.read_bytes() if path.is_file() else b""
    try:
        # The plugins themselves and not `Image.open`, whose warning of large pictures is process-wide.
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            png = PngImagePlugin.PngImageFile(io.BytesIO(data))
            texts = {str(key): str(value) for key, value in png.text.items()}
            # What was a JPEG or WebP has it in its EXIF.
            return _mapping(png.getexif().get_ifd(EXIF_IFD).get(USER_COMMENT)) | texts
        if data[:3] == b"\xff\xd8\xff":
            exif = JpegImagePlugin.JpegImageFile(io.BytesIO(data)).getexif()
        elif data[:4] == b"RIFF":
            exif = WebPImagePlugin.WebPImageFile(io.BytesIO(data)).getexif()
        else:
            raise ImageError("is not a PNG, JPEG or WebP picture" if path.is_file() else "does not exist")
        comment = exif.get_ifd(EXIF_IFD).get(USER_COMMENT, b"")
    except ImageError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly every kind there is
        raise ImageError(f"cannot be decoded: {error}") from None
    return _mapping(comment)


def grid(pixels: Pixels, columns: int | None = None, gap: int = 2) -> Pixels:
    """A contact sheet: (N, H, W, C) uint8 -> (H', W', C), row by row, on white, near-square by default."""
    count, height, width, channels = pixels.shape
    if not count:
        raise ValueError("a contact sheet needs at least one picture")
    columns = min(columns or math.ceil(math.sqrt(count * height / width)), count)
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8)
    for index, picture in enumerate(pixels):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def save_animation(
    frames: Pixels,
    path: Path,
    *,
    fps: float = 10,
    hold_last_seconds: float = 1.0,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write an endless animation as .webp or .gif; the file is complete or absent.

    Args:
        frames: The pictures, (N, H, W, C) uint8, C of 1, 3 or 4.
        path: Where to write. The suffix is the format.
        fps: Frames per second.
        hold_last_seconds: How long the last frame is shown.
        metadata: Texts that go inside a WebP; a GIF has no place for them. None writes nothing.

    Raises:
        InputError: The suffix is another one.
        OSError: The file cannot be written.
        ValueError: There is no frame, or `frames` has another shape or type.
    """
    kind = _kind(path.name, _ANIMATIONS)
    pictures = [to_pil(frame) for frame in frames]
    if not pictures:
        raise ValueError("an animation needs at least one frame")
    durations = [round(1000 / fps)] * (len(pictures) - 1) + [round(1000 * hold_last_seconds)]
    options: dict[str, Any] = {"quality": 90, "method": 4} if kind == "WEBP" else {"optimize": True}
    if metadata and kind == "WEBP":
        options |= _embedded(kind, metadata)
    if len(pictures) == 1:
        durations = durations[:1]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, kind, save_all=True, append_images=pictures[1:], duration=durations, loop=0, **options
    )
    write_bytes_atomically(path, buffer.getvalue())


def _embedded(kind: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Pillow's options: text chunks in a PNG, else one EXIF comment that holds it all as JSON."""
    if kind == "PNG":
        chunks = PngImagePlugin.PngInfo()
        for key, value in metadata.items():
            chunks.add_itxt(key, value)
        return {"pnginfo": chunks}
    exif = Image.Exif()
    exif[EXIF_IFD] = {USER_COMMENT: comment_of(metadata)}
    return {"exif": exif}


def comment_of(metadata: Mapping[str, str]) -> bytes:
    """The EXIF comment that holds a mapping, as `read_metadata` reads it."""
    return _ASCII + json.dumps(dict(metadata)).encode("ascii")


def _kind(name: str, kinds: Mapping[str, str]) -> str:
    kind = kinds.get(Path(name).suffix.lower())
    if kind is None:
        raise InputError(f"'{name}' cannot be written", f"end the name in one of: {', '.join(sorted(kinds))}")
    return kind


def to_pil(pixels: Pixels) -> Image.Image:
    """(H, W, C) uint8 as a Pillow picture of mode L, RGB or RGBA."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in _MODES:
        raise ValueError(f"expected (H, W, 1|3|4) uint8, got {pixels.shape} {pixels.dtype}")
    height, width, channels = pixels.shape
    return Image.frombytes(_MODES[channels], (width, height), pixels.tobytes())


def from_pil(picture: Image.Image) -> Pixels:
    """The reverse: a Pillow picture of mode L, RGB or RGBA as (H, W, C) uint8."""
    if picture.mode not in _MODES.values():
        raise ValueError(f"expected a picture of mode L, RGB or RGBA, got {picture.mode}")
    return np.asarray(picture).reshape(picture.height, picture.width, -1)


def _mapping(comment: object) -> dict[str, str]:
    """The mapping in an EXIF comment of ours; somebody else's comment is not an error."""
    if not isinstance(comment, bytes) or not comment.startswith(_ASCII):
        return {}
    try:
        found = json.loads(comment[len(_ASCII) :].decode("ascii"))
    except (ValueError, RecursionError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
