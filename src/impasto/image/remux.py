"""Pictures that were encoded, and everything else of another film, as one film: nothing is encoded again."""

import contextlib
import heapq
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.errors import InputError
from impasto.image.film import CONTAINERS, load_av, open_container


class SoundError(InputError):
    """A container cannot hold the sound of a film."""


@dataclass(frozen=True)
class Kept:
    """Numbers of a film's streams that another container holds, and in words what it does not."""

    streams: tuple[int, ...]
    notes: tuple[str, ...]


def streams_kept(source: Path, container: str) -> Kept:
    """Which streams beside the pictures go into a container of `CONTAINERS`.

    Raises `SoundError` where its sound does not: nobody wants a film that has lost it; and `ImageError` for a
    film that cannot be read.
    """
    covers = load_av().stream.Disposition.attached_pic
    streams, lost = [], []
    with open_container(source) as old:
        held = _supported(container)
        for stream in old.streams:
            codec = stream.codec_context.name if stream.codec_context is not None else ""
            canonical = stream.codec_context.codec.canonical_name if codec else ""
            if stream.type in ("audio", "subtitle") and canonical in held:
                streams.append(stream.index)
            elif stream.type == "audio":
                raise _unheld(source, container, codec or "unknown")
            elif stream.type != "video" or stream.disposition & covers:
                lost.append(_WORDS.get(stream.type, "its other data"))
        if streams and not _takes(container, [old.streams[number] for number in streams]):
            raise _unheld(source, container, "damaged")
    return Kept(tuple(streams), tuple(f"{words} are not kept" for words in dict.fromkeys(lost)))


_WORDS = {"subtitle": "its subtitles", "video": "its cover pictures", "attachment": "its attached files"}


def _unheld(source: Path, container: str, codec: str) -> SoundError:
    hint = "end --out in .mkv, which holds nearly any" if container != "mkv" else "convert it to AAC first"
    return SoundError(
        f"a film that ends in .{container} cannot hold the sound of '{source.name}' ({codec})", hint
    )


def _takes(container: str, streams: Sequence[Any]) -> bool:
    """Whether streams go into a container, found out by trying: their headers may be damaged."""
    error = load_av().error.FFmpegError
    film = load_av().open(io.BytesIO(), "w", format=CONTAINERS[container])
    try:
        for stream in streams:
            film.add_stream_from_template(stream, opaque=True)
        film.start_encoding()
    except (error, ValueError):
        return False
    finally:
        with contextlib.suppress(error):  # there is nothing in it
            film.close()
    return True


def _supported(container: str) -> frozenset[str]:
    with load_av().open(io.BytesIO(), "w", format=CONTAINERS[container]) as film:
        return frozenset(film.supported_codecs)


def join(
    segments: Sequence[Path],
    source: Path,
    kept: Kept,
    target: Path,
    container: str,
    seconds: float | None = None,
) -> int:
    """Write the segments one after the other to `target`, with what is kept of `source`.

    Args:
        segments: Files of `FilmWriter`, in order.
        source: The film that sound, subtitles, chapters and texts are from.
        kept: Its streams that are copied, as `streams_kept` found them.
        target: Where to write. It is replaced.
        container: A name of `CONTAINERS`.
        seconds: How much of the sound and the rest is copied, from its beginning. None: all of it.

    Returns:
        How many packets of the sound and the rest are damaged, and left out.

    Raises:
        OSError: The disk cannot hold the film.
    """
    damaged = others = 0
    av = load_av()
    quick = {"movflags": "+faststart"} if container in ("mp4", "mov") else {}  # plays before all is there
    with (
        open_container(source) as old,
        open_container(segments[0]) as first,
        av.open(str(target), "w", format=CONTAINERS[container], options=quick) as film,
    ):
        pictures = film.add_stream_from_template(first.streams.video[0], opaque=True)
        copies = {i: film.add_stream_from_template(old.streams[i], opaque=True) for i in kept.streams}
        for number, copy in copies.items():
            copy.metadata.update(old.streams[number].metadata)
        film.metadata.update(old.metadata)
        if chapters := old.chapters():
            film.set_chapters(chapters)
        for _, _, packet in heapq.merge(
            _pictures(segments, pictures), _beside(old, copies, seconds), key=_when
        ):
            others += packet.stream is not pictures
            try:
                film.mux(packet)
            except (av.error.ArgumentError, av.error.InvalidDataError):
                # Of this packet, or of one that waited for it: pictures are of our own making and fine.
                damaged += 1
                if damaged > others:
                    raise
    return damaged


def _when(item: tuple[float, int, Any]) -> tuple[float, int]:
    return item[:2]


def _pictures(segments: Sequence[Path], stream: Any) -> Iterator[tuple[float, int, Any]]:
    """The packets of all segments, by the time at which they are decoded, which always grows."""
    last = None
    for path in segments:
        with open_container(path) as part:
            for packet in part.demux(part.streams.video[0]):
                if packet.dts is None:
                    continue
                if (
                    last is not None and packet.dts <= last
                ):  # a segment begins to decode before the last one ends
                    packet.dts = last + 1
                last = packet.dts
                packet.stream = stream
                yield float(packet.dts * packet.time_base), 0, packet


def _beside(old: Any, copies: dict[int, Any], seconds: float | None) -> Iterator[tuple[float, int, Any]]:
    """The packets of the copied streams, of so many seconds."""
    if not copies:
        return
    begins = (old.start_time or 0) / 1_000_000
    packets = old.demux([old.streams[number] for number in copies])
    while True:
        try:
            packet = next(packets)
        except (StopIteration, load_av().error.FFmpegError):  # its end, or where it breaks off
            return
        if packet.dts is None:
            continue
        when = float(packet.dts * packet.time_base)
        if seconds is not None and when - begins >= seconds:
            continue
        packet.stream = copies[packet.stream.index]
        yield when, 1, packet
