"""One picture, larger: its tiles through an engine, put together row by row in bounded memory."""

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import InputError
from impasto.files import temporary_folder
from impasto.image.decoding import MAX_PIXELS, Source, vips
from impasto.nn.compact import Upscaler
from impasto.tasks.upscaling.inference.engines import Choice, Engine
from impasto.tasks.upscaling.inference.enlarger import TileEnlarger
from impasto.tasks.upscaling.inference.lookahead import Lookahead, ending_early
from impasto.tasks.upscaling.inference.pictures import (
    FORMATS,
    Picture,
    RowReader,
    collected,
    fits_in_memory,
    open_picture,
    resized,
    write_rows,
)
from impasto.tasks.upscaling.inference.saving import losses, write
from impasto.tasks.upscaling.inference.strips import Strip
from impasto.tasks.upscaling.inference.tiles import Plan, good_tile, plan, smallest_tile

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)` in pixels of the picture, once for each tile."""

Check = Callable[[], None]
"""Called before each tile; what it raises ends the work."""

STRIP_BYTES = 104 * 2**20  # of one row of tiles, enlarged
MOST_SCALE = 64.0
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_TIFF_MODES = ("I", "F", "CMYK", "LAB")
MOST_OUTPUT_PIXELS = 2**34


@dataclass
class PictureUpscaler:
    """An upscaler with an engine. `impasto.load_upscaler` makes one; call it with a picture.

    `warn` is told, in words, what had to be done differently than asked.
    """

    network: Upscaler
    name: str
    engine: Engine
    choice: Choice
    tile: int | None = None  # None: as large as is good
    warn: Callable[[str], None] = print
    _turn: threading.Semaphore = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._turn = threading.BoundedSemaphore(self.engine.at_once)

    def __call__(self, picture: "str | Source | Image.Image", scale: float | None = None) -> Image.Image:
        """The picture `scale` times larger (the network's own scale when left out), as RGB or grey.

        A Pillow picture is taken for what its file would be: turned as its EXIF says, in the colours of its
        profile. Raises `ImageError` for what cannot be read, `InputError` for a scale out of range.
        """
        with temporary_folder() as folder:
            path = folder / "picture.png"
            source = Path(picture) if isinstance(picture, str) else picture
            if isinstance(source, Image.Image):
                source = saved(source, folder)
            self.file(source, path, scale=scale)
            with Image.open(path) as made:
                made.load()
                return made

    def file(
        self,
        source: Source,
        target: Path,
        *,
        scale: float | None = None,
        fit: tuple[int, int] | None = None,
        format_: str | None = None,
        quality: int = 95,
        max_pixels: int = MAX_PIXELS,
        progress: Progress | None = None,
        check: Check | None = None,
        note: Callable[[str], None] | None = None,
    ) -> tuple[int, int]:
        """Write the enlarged picture to `target`, which it replaces.

        Args:
            source: The picture: a file, or its bytes.
            target: The file to write.
            scale: How many times larger. None: the network's own scale.
            fit: Width and height of the box to fill, in place of a scale. None: `scale` counts.
            format_: Format to write, one of `FORMATS`. None: that of the suffix of `target`.
            quality: Quality of lossy formats, 1 to 100.
            max_pixels: A picture with more pixels is refused.
            progress: Is told how many pixels of the picture are done, in the last pass. None: nobody is told.
            check: Is called before each tile; what it raises ends the work. None: nothing ends it.
            note: Is told, in words, what of the picture cannot stay as it is. None: `warn` is told.

        Returns:
            Width and height of the enlarged picture; of one frame, where it has several.

        Raises:
            ImageError: The picture cannot be read.
            InputError: What is asked cannot be done.
            OSError: The disk cannot hold the file.
        """
        kind = FORMATS.get(format_ or target.suffix.lower().removeprefix("."))
        if kind is None:
            raise InputError(f"'{target.name}' cannot be written", f"end it in one of: {', '.join(FORMATS)}")
        picture = open_picture(source, max_pixels, kind)
        width, height = wanted_size(picture, self.network.scale, scale, fit)
        for words in (*picture.notes, *losses(picture, kind)):
            (note or self.warn)(words)
        passes = max(1, math.ceil(math.log(width / picture.width, self.network.scale) - 1e-6))

        def save(image: Any) -> None:
            if picture.frames == 1:
                image = resized(image, width, height)
            write(picture, image, target, kind, quality)

        with ExitStack() as stack:
            image = picture.image
            for number in range(passes):
                last = number == passes - 1
                told = progress if last else None  # the last is by far the longest
                rows = self._rows(RowReader(image, picture.data), picture.frames, told, check)
                size = image.width * self.network.scale, image.height * self.network.scale
                if last and picture.frames == 1:  # written while the next tiles are enlarged
                    write_rows(rows, *size, image, save)
                    return width, height
                image = stack.enter_context(collected(rows, *size, image, target.parent))
            if picture.frames > 1 and image.width != width:
                rows = resized_frames(RowReader(image), width, height, picture.frames)
                whole = width, height * picture.frames
                image = stack.enter_context(collected(rows, *whole, image, target.parent))
            save(image)
        return width, height

    def pixels(self, pixels: NDArray[Any], check: Check | None = None) -> NDArray[Any]:
        """Pixels (H, W, 1 to 4), uint8 or uint16, at the network's own scale; `check` as in `file`."""
        image = vips().Image.new_from_array(np.ascontiguousarray(pixels))
        return np.concatenate(list(self._rows(RowReader(image), 1, None, check)))

    def _rows(
        self, reader: RowReader, frames: int, progress: Progress | None, check: Check | None
    ) -> Iterator[NDArray[Any]]:
        """The enlarged rows, from the top: (n, scale W, bands) each, in as many bits as the image has."""
        image, scale = reader.image, self.network.scale
        height = image.height // frames
        with ending_early(ThreadPoolExecutor(self.engine.at_once)) as pool:
            if check:
                check()
            work = Lookahead(TileEnlarger(self.engine, self._turn), self.engine.at_once, pool)
            cut, first = self._begin(reader, height, work)
            ahead = work.in_order(tiles_of(reader, cut, height, frames), first)
            done, total = 0, frames * len(cut.rows) * len(cut.columns)
            for _ in range(frames):
                strip = Strip(image, scale)
                for row, below in zip_longest(cut.rows, cut.rows[1:]):
                    strip.extend((row.stop - row.start) * scale)
                    for column in cut.columns:
                        if check:
                            check()
                        strip.add(next(ahead), row, column)
                        done += 1
                        if progress:
                            progress(image.height * image.width * done // total, image.height * image.width)
                    yield from strip.take(((below.start if below else row.stop) - row.start) * scale)

    def _begin(self, reader: RowReader, height: int, work: Lookahead) -> tuple[Plan, list[NDArray[Any]]]:
        """The plan of a frame of `height` that there is memory for, and its first tiles, enlarged."""
        image, reach = reader.image, self.network.reach
        tile = (self.tile, self.tile) if self.tile else None
        tile = tile or tile_for(image, height, self.network, self.engine.tile_pixels)
        while True:
            cut = plan(height, image.width, tile, reach)
            source = reader.take(0, cut.rows[0].stop)
            columns = cut.columns[: self.engine.at_once]
            try:
                return cut, work.together([source[:, column.start : column.stop] for column in columns])
            except (MemoryError, RuntimeError) as error:
                down, across = (max(side // 2, smallest_tile(reach)) for side in tile)
                if "memory" not in f"{error} {type(error).__name__}".lower() or (down, across) == tile:
                    raise
                before, now = f"{tile[1]} x {tile[0]}", f"{across} x {down}"
                self.warn(f"there is no memory for tiles of {before} px: they have {now} px now")
                tile = down, across


def tile_for(image: Any, height: int, network: Upscaler, pixels: int) -> tuple[int, int]:
    """The height and width of the tiles that an image is best cut into.

    Args:
        image: The libvips image.
        height: Height of one of its frames, in px.
        network: The network that enlarges.
        pixels: Most pixels of a tile.
    """
    scale = network.scale
    row_bytes = Strip(image, scale).row_bytes * scale
    if not fits_in_memory(image.width * scale, height * scale, image):
        pixels = pixels * 3 // 4  # its strip takes much, and columns more cost it little
    return good_tile(height, image.width, network.reach, pixels=pixels, rows=STRIP_BYTES // row_bytes)


def saved(picture: Image.Image, folder: Path) -> Path:
    """A file with the picture, its profile and its EXIF. Raises `InputError` for a kind that has none."""
    plain = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}.get(picture.mode)
    tiff = picture.mode in _TIFF_MODES
    path = folder / ("given.tif" if tiff else "given.png")
    try:
        if plain or not (tiff or picture.mode in _PNG_MODES):
            picture = picture.convert(plain or "RGB")
        kept: dict[str, Any] = {"exif": picture.getexif(), "icc_profile": picture.info.get("icc_profile")}
        picture.save(path, **{name: value for name, value in kept.items() if value})
    except (ValueError, KeyError, OSError) as error:
        raise InputError(
            f"a Pillow picture of mode {picture.mode} cannot be enlarged: {error}", "convert('RGB') it first"
        ) from None
    return path


def tiles_of(reader: RowReader, cut: Plan, height: int, frames: int) -> Iterator[NDArray[Any]]:
    """The pixels of each tile, frame by frame and row by row.

    Args:
        reader: Reads the image, in which frames lie below each other.
        cut: The tiles of one frame.
        height: Height of a frame, in px.
        frames: How many frames there are.
    """
    for top in range(0, frames * height, height):
        for row in cut.rows:
            source = reader.take(top + row.start, top + row.stop)
            yield from (source[:, column.start : column.stop] for column in cut.columns)


def wanted_size(
    picture: Picture, own: int, scale: float | None, fit: tuple[int, int] | None
) -> tuple[int, int]:
    """The width and height, in px, that a scale, or a box to fill, asks for.

    Args:
        picture: The picture to enlarge.
        own: The scale where neither of the others is given.
        scale: How many times larger, 1 to 64. None: `own`.
        fit: Width and height of a box that the picture shall fill and not leave, in place of a scale. None:
            `scale` counts.

    Raises:
        InputError: The scale is out of range, or there would be too many pixels.
    """
    scale = wanted_scale(picture.width, picture.height, own, scale, fit)
    width, height = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    if width * height * picture.frames > MOST_OUTPUT_PIXELS:
        raise InputError(f"{width:,} x {height:,} pixels are too many", "choose a smaller --scale")
    return width, height


def wanted_scale(
    width: int, height: int, own: int, scale: float | None, fit: tuple[int, int] | None
) -> float:
    """How many times larger a picture of `width` x `height` px becomes; see `wanted_size`."""
    if fit is not None:
        scale = min(fit[0] / width, fit[1] / height)
    scale = float(own) if scale is None else scale
    if not (math.isfinite(scale) and 1 <= scale <= MOST_SCALE):
        asked = f"scale {scale:g}" if fit is None else f"to fit {fit[0]} x {fit[1]} is scale {scale:.3g} and"
        raise InputError(f"{asked} is out of range", f"from 1 to {MOST_SCALE:g}")
    return scale


def resized_frames(reader: RowReader, width: int, height: int, frames: int) -> Iterator[NDArray[Any]]:
    """Each of the frames below each other at another size: their edges must not run into each other.

    One is in memory at a time: libvips keeps a quarter of a megabyte for each part of a joined picture.

    Args:
        reader: Reads the image, in which frames lie below each other.
        width: New width, in px.
        height: New height of a frame, in px.
        frames: How many frames there are.
    """
    like = reader.image
    old = like.height // frames
    for number in range(frames):
        rows = reader.take(number * old, (number + 1) * old)
        frame = vips().Image.new_from_memory(rows.tobytes(), like.width, old, like.bands, like.format)
        made = resized(frame.copy(interpretation=like.interpretation), width, height).numpy()
        yield made.reshape(height, width, like.bands)
