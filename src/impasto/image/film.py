"""Films: their frames as pixels with their times, and pixels as films, through PyAV (FFmpeg)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError, InputError
from impasto.image.decoding import MAX_PIXELS, Header, check_size
from impasto.image.video import need_av

Pixels = NDArray[Any]
"""(H, W, 3), uint8 or uint16."""

_SUFFIXES = "mp4 m4v mkv mov webm avi mpg mpeg ts m2ts mts wmv flv 3gp ogv"
SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())
CONTAINERS = {"mp4": "mp4", "mkv": "matroska", "mov": "mov", "webm": "webm"}
"""What films are written as: suffix -> FFmpeg's name. All else becomes mkv, which holds nearly any sound."""

# Of each codec: FFmpeg's encoder, its options, and the quality where none is asked for.
CODECS: dict[str, tuple[str, dict[str, str], int]] = {
    "h264": ("libx264", {"preset": "medium"}, 17),
    "h265": ("libx265", {"preset": "medium", "x265-params": "log-level=error"}, 20),
    "vp9": ("libvpx-vp9", {"deadline": "good", "cpu-used": "4", "row-mt": "1", "b": "0"}, 24),
}
HOLDS = {"webm": ("vp9",)}  # containers that do not hold every codec
MOST_CRF = {"vp9": 63}  # the worst quality there is; of the others it is 51

# FFmpeg also has formats that are lists of other files, near or far (HLS, concat, SDP): what comes in may be
# one, whatever its name. So the formats that are opened are named here, and nothing but files is.
_OPENED = {
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg",
    "protocol_whitelist": "file",
}
_NAMES = "MP4, MOV, Matroska, WebM, AVI, MPEG, ASF (WMV), FLV or Ogg"

# Matrices by FFmpeg's AVColorSpace: numbers of swscale's tables. 0 is RGB, 2 is "unspecified".
_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_BT709, _BT601 = 1, 6
_GLOBAL_HEADER = 1 << 22  # the encoder's settings once for the file, as MP4 wants them, not in every part
_FULL = 2  # of AVColorRange; 1 is limited
_SMOOTH = 0x4 | 0x2000 | 0x4000 | 0x40000  # bicubic, all of the chroma, and no shortcuts in rounding
_HEAD_BYTES = 1 << 10
_STILL = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"jxl ")


@dataclass(frozen=True)
class Colours:
    """How a film's numbers mean colours, in FFmpeg's numbers (ITU-T H.273); `full` is the range 0 to 255."""

    matrix: int
    primaries: int
    transfer: int
    full: bool


@dataclass(frozen=True)
class Film:
    """What is known of a film before its frames are read.

    `width` and `height` are those that are seen: turned by `rotation` degrees. `frames` is an estimate, 0
    where there is none; `time_base` are the seconds of one unit of a frame's time; `notes` say what will not
    stay as it is. Frames with more pixels than `max_pixels` are damage.
    """

    path: Path
    width: int
    height: int
    frames: int
    rate: Fraction
    time_base: Fraction
    deep: bool  # more than 8 bits
    layout: str  # of the chroma: "420", "422" or "444"
    rotation: int
    aspect: Fraction  # of a pixel: width over height
    colours: Colours
    interlaced: bool
    notes: tuple[str, ...]
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True)
class Frame:
    """The pixels, and the time in units of the film's `time_base`."""

    pixels: Pixels
    time: int


def is_film(path: Path) -> bool:
    """Whether a file begins as a film does; what cannot be opened is none. Animations are pictures."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return head[4:8] != b"ftyp" or head[8:12] not in _STILL
    if head[:4] == b"RIFF":
        return head[8:12] == b"AVI "
    if head[:1] == b"G" and head[188:189] == b"G":  # MPEG-TS; a GIF has no second G there
        return head[:3] != b"GIF"
    if head[4:5] == b"G" and head[196:197] == b"G":  # the same with four bytes of time before each packet
        return True
    starts = b"\x1aE\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3", b"0&\xb2u\x8ef\xcf\x11", b"FLV\1", b"OggS"
    return head.startswith(starts)


def open_film(path: Path, max_pixels: int = MAX_PIXELS) -> Film:
    """Read a film's headers and its first frame.

    Raises `ImageError` where there is no frame that can be read, or one of more than `max_pixels`, and
    `MissingDependencyError`.
    """
    with _opened(path, max_pixels) as (container, stream):
        first = next(_decoded(container, stream), None)
        if first is None:
            raise ImageError(
                "has no picture that can be read: it is empty, damaged or locked,"
                f" or its pictures have more than {max_pixels / 1e6:.4g} megapixels"
            )
        turned = first.rotation % 180 != 0
        width, height = (first.height, first.width) if turned else (first.width, first.height)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        notes = [
            words
            for words, holds in (
                ("its fields are put together: it was interlaced", first.interlaced_frame),
                ("its transparency is not kept", "a" in first.format.name.removeprefix("gray")[:4]),
            )
            if holds
        ]
        return Film(
            path,
            width,
            height,
            _count(container, stream, rate),
            Fraction(rate),
            Fraction(stream.time_base or 1 / Fraction(rate)),
            first.format.components[0].bits > 8,
            _layout(first.format),
            first.rotation,
            1 / Fraction(aspect) if turned else Fraction(aspect),
            _colours(first),
            first.interlaced_frame,
            tuple(notes),
            max_pixels,
        )


def read_frames(
    film: Film, skip: int = 0, tell: Callable[[str], None] = print, seconds: float | None = None
) -> Iterator[Frame]:
    """The frames in the order they are shown, upright; their times always grow.

    What is damaged is passed over.

    Args:
        film: The film.
        skip: How many frames to leave out at the beginning.
        tell: Is told, in words, how much was damaged.
        seconds: End after so much of the film. None: read all of it.

    Raises:
        ImageError: The file cannot be opened any more.
    """
    damaged = 0

    def count(_: Exception) -> None:
        nonlocal damaged
        damaged += 1

    with _opened(film.path, film.max_pixels) as (container, stream):
        frames = _decoded(container, stream, count)
        if film.interlaced:
            frames = _deinterlaced(frames, stream)
        first = last = None
        for number, frame in enumerate(frames):
            last = time = _time(frame, film, last)
            first = time if first is None else first
            if seconds is not None and (time - first) * film.time_base >= seconds - 1e-6:
                break
            if number >= skip:
                yield Frame(_pixels(frame, film), time)
    if damaged:
        tell(f"it is damaged: {damaged:,} of its packets could not be read")


class FilmWriter:
    """Frames to one file without sound, as MP4, which keeps every time exactly.

    Use as a context; the file is whole after it.
    """

    def __init__(self, path: Path, like: Film, size: tuple[int, int], codec: str, crf: int | None) -> None:
        """Begin a film of `size` (width, height; both even) with times, colours and depth of `like`.

        Raises `InputError` for a size that the codec does not have.
        """
        av = load_av()
        encoder, options, usual = CODECS[codec]
        # Where a part begins is kept in this unit, by default a millisecond.
        exact = {"movie_timescale": str(like.time_base.denominator)}
        self._film = av.open(str(path), "w", format="mp4", options=exact)
        self._stream = self._film.add_stream(encoder, rate=like.rate, options=dict(options))
        context = self._stream.codec_context
        context.time_base = like.time_base
        context.width, context.height = size
        context.flags |= _GLOBAL_HEADER
        context.pix_fmt = pixel_format(like, encoder)
        context.sample_aspect_ratio = like.aspect
        context.options = {**options, "crf": str(usual if crf is None else crf)}
        colours = like.colours
        context.colorspace, context.color_primaries = colours.matrix, colours.primaries
        context.color_trc, context.color_range = colours.transfer, 2 if colours.full else 1
        self._colours, self._av = colours, av
        try:
            self._film.start_encoding()
        except av.error.FFmpegError as error:
            self._film.close()
            if isinstance(error, OSError):
                raise
            raise InputError(
                f"a film of {size[0]:,} x {size[1]:,} px cannot be encoded as {codec}",
                "choose a smaller --scale",
            ) from None

    def __enter__(self) -> "FilmWriter":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._add(None)
        finally:
            self._film.close()

    def write(self, frame: Frame) -> None:
        """Add a frame of the film's size; times must grow.

        Raises `ImageError` for times that no film can have.
        """
        deep = frame.pixels.dtype == np.uint16
        picture = self._av.VideoFrame.from_ndarray(
            np.ascontiguousarray(frame.pixels), format="rgb48le" if deep else "rgb24"
        )
        context = self._stream.codec_context
        encoded = picture.reformat(
            format=context.pix_fmt,
            dst_colorspace=_MATRIX[self._colours.matrix],
            src_color_range=_FULL,
            dst_color_range=2 if self._colours.full else 1,
            interpolation=_SMOOTH,
        )
        encoded.pts, encoded.time_base = frame.time, context.time_base
        encoded.pict_type = 0
        self._add(encoded)

    def _add(self, encoded: Any) -> None:
        try:
            self._film.mux(self._stream.encode(encoded))
        except self._av.error.FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise ImageError(f"is damaged: its frames cannot be written: {_reason(error)}") from None


def pixel_format(like: Film, encoder: str) -> str:
    """The encoder's format that is nearest to the film's depth and chroma."""
    known = {found.name for found in load_av().Codec(encoder, "w").video_formats}
    deep = "10le" if like.deep else ""
    for name in (f"yuv{like.layout}p{deep}", f"yuv420p{deep}", "yuv420p"):
        if name in known:
            return name
    raise InputError(f"the encoder {encoder} takes no usual pictures")


def load_av() -> Any:
    """The package PyAV. Raises `MissingDependencyError` with what to do."""
    return need_av("films need the package PyAV", "pip install 'impasto[video]'")


@contextmanager
def open_container(path: Path, max_pixels: int = MAX_PIXELS) -> Iterator[Any]:
    """A film's container, of a format that holds films itself: no other file is opened, nothing is fetched.

    Raises `ImageError` for other formats, for what is damaged, and `MissingDependencyError`.
    """
    av = load_av()
    try:
        # A path that begins with "/" names no protocol, whatever the file is called.
        options = {**_OPENED, "max_pixels": str(max_pixels)}
        container = av.open(str(path.absolute()), options=options, metadata_errors="replace")
    except av.error.ArgumentError:  # so FFmpeg calls what is not on the list
        raise ImageError(f"is no film that can be read: it is not {_NAMES}") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ImageError(f"is no film that can be read: {_reason(error)}") from None
    with container:
        yield container


@contextmanager
def _opened(path: Path, max_pixels: int) -> Iterator[tuple[Any, Any]]:
    """The container and its first stream of moving pictures. Raises `ImageError` where there is none."""
    with open_container(path, max_pixels) as container:
        covers = load_av().stream.Disposition.attached_pic
        stream = next((s for s in container.streams.video if not s.disposition & covers), None)
        if stream is None:
            raise ImageError("has sound and no pictures" if container.streams.audio else "has no pictures")
        context = stream.codec_context
        if context is None:
            raise ImageError("has pictures of a kind that cannot be read")
        if context.width * context.height:  # else its frames say it, or they are too large
            check_size(Header("film", context.width, context.height), max_pixels, 1)
        context.options = {"max_pixels": str(max_pixels)}  # of the frames, whatever the header says
        stream.thread_type = "AUTO"
        yield container, stream


def _decoded(
    container: Any, stream: Any, damaged: Callable[[Exception], None] | None = None
) -> Iterator[Any]:
    """Every frame that can be decoded; `damaged` is told of every packet that cannot."""
    error_type = load_av().error.FFmpegError
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except error_type as error:  # the file breaks off
            if damaged:
                damaged(error)
            packet = None
        try:
            yield from (packet.decode() if packet is not None else stream.codec_context.decode(None))
        except error_type as error:
            if damaged and not isinstance(error, EOFError):
                damaged(error)
        if packet is None:
            return


def _deinterlaced(frames: Iterator[Any], stream: Any) -> Iterator[Any]:
    """Whole pictures from fields, as many as before (bwdif, Weston's three-field filter)."""
    av = load_av()
    first = next(frames, None)
    if first is None:
        return
    graph = av.filter.Graph()
    source = graph.add_buffer(template=stream)
    fields = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    end = graph.add("buffersink")
    source.link_to(fields)
    fields.link_to(end)
    graph.configure()
    for frame in chain((first,), frames, (None,)):
        source.push(frame)
        while True:
            try:
                yield end.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break


def _time(frame: Any, film: Film, last: int | None) -> int:
    """When it is shown, in units of the film's time: later than the one before, whatever the file says."""
    step = max(1, round(1 / (film.rate * film.time_base)))
    if frame.pts is None:
        return 0 if last is None else last + step
    time = round(frame.pts * Fraction(frame.time_base or film.time_base) / film.time_base)
    return time if last is None or time > last else last + 1


def _pixels(frame: Any, film: Film) -> Pixels:
    """(H, W, 3), in the full range and upright; a frame of another size is brought to that of the first."""
    turned = film.rotation % 180 != 0
    width, height = (film.height, film.width) if turned else (film.width, film.height)
    shown = frame.reformat(
        width=width,
        height=height,
        format="rgb48le" if film.deep else "rgb24",
        src_colorspace=_MATRIX.get(film.colours.matrix),
        src_color_range=2 if film.colours.full else 1,
        dst_color_range=_FULL,
        interpolation=_SMOOTH,
    )
    upright: Pixels = np.rot90(shown.to_ndarray(), film.rotation // 90)
    return upright


def _colours(frame: Any) -> Colours:
    """The film's, and for what it does not say what players take it for: by its size."""
    large = frame.height > 576 or frame.width >= 1280
    usual = _BT709 if large else _BT601
    matrix = int(frame.colorspace)
    if matrix not in _MATRIX:
        matrix = usual
    full = int(frame.color_range) == 2 or frame.format.name.startswith("yuvj") or _is_rgb(frame)
    if _is_rgb(frame):
        matrix, full = _BT709, False  # what is written is YUV in any case
    known = [
        usual if value in (0, 2) else value for value in (int(frame.color_primaries), int(frame.color_trc))
    ]
    return Colours(matrix, known[0], known[1], full)


def _is_rgb(frame: Any) -> bool:
    return bool(frame.format.is_rgb)


def _layout(format_: Any) -> str:
    """How finely colour is kept, as the digits of FFmpeg's formats."""
    if format_.is_rgb:
        return "444"
    chroma = [c for c in format_.components if c.is_chroma]
    if not chroma:
        return "420"
    across, down = (side(64) for side in (format_.chroma_width, format_.chroma_height))
    return {(64, 64): "444", (32, 64): "422"}.get((across, down), "420")


def _count(container: Any, stream: Any, rate: Fraction) -> int:
    """How many frames there are, as far as the headers say."""
    if stream.frames:
        return int(stream.frames)
    seconds = stream.duration * stream.time_base if stream.duration else None
    if seconds is None and container.duration:
        seconds = Fraction(container.duration, 1_000_000)
    return round(seconds * rate) if seconds else 0


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
