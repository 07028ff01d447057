"""Small films for tests: a square that moves over a ramp of colours, with a tone."""

import struct
from fractions import Fraction

import numpy as np

SIZE = (64, 48)
_INTERLACED = 0x40000 | 0x20000000  # of FFmpeg's flags: encode fields, estimate their motion
_CODECS = {".avi": "mpeg4", ".mpg": "mpeg2video", ".flv": "flv"}
_SOUNDS = {".avi": "mp3", ".webm": "libopus"}


def moving_square(number, size=SIZE):
    """(H, W, 3) uint8."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    pixels = np.stack((x * 255 // width, y * 255 // height, np.full_like(x, 128)), 2).astype(np.uint8)
    left = 4 + 2 * number % (width - 16)
    pixels[12:24, left : left + 12] = (255, 255, 0)
    return pixels


def write_film(
    path,
    frames=12,
    *,
    size=SIZE,
    picture=moving_square,
    rate=25,
    times=None,
    pixel_format="yuv420p",
    rotation=0,
    interlaced=False,
    sound=True,
    only_sound=False,
    crf="12",
    sound_codec=None,
    codec=None,
):
    """Write such a film; `times` are those of its frames in milliseconds."""
    import av

    with av.open(str(path), "w") as film:
        film.metadata["title"] = "squares"
        stream = None
        if not only_sound:
            codec = codec or _CODECS.get(path.suffix, "libx264")
            stream = film.add_stream(codec, rate=rate, options={"crf": crf, "g": "12"})
            (stream.width, stream.height), stream.pix_fmt = size, pixel_format
            if times:
                stream.codec_context.time_base = Fraction(1, 1000)
            if interlaced:
                stream.codec_context.flags |= _INTERLACED
            if rotation:
                stream.set_display_rotation(rotation)
        tone = None
        if sound:
            tone = film.add_stream(sound_codec or _SOUNDS.get(path.suffix, "aac"), rate=48000, layout="mono")
            tone.bit_rate = 96_000
        for number in range(frames if stream else 0):
            frame = av.VideoFrame.from_ndarray(picture(number, size), format="rgb24")
            if times:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            film.mux(stream.encode(frame))
        if stream:
            film.mux(stream.encode())
        if tone:
            length = 48000 * max(frames, 5) // int(rate) // 960 * 960
            wave = (np.sin(np.arange(length) * 2 * np.pi * 440 / 48000) * 8000).astype(np.int16)
            for start in range(0, length, 960):
                part = av.AudioFrame.from_ndarray(
                    wave[None, start : start + 960], format="s16", layout="mono"
                )
                part.sample_rate, part.pts = 48000, start
                film.mux(tone.encode(part))
            film.mux(tone.encode())
    return path


def write_huge_film(path, side):
    """Write an AVI whose header says that each of its raw frames has so many pixels a side."""
    data = bytearray(
        write_film(path, frames=2, codec="rawvideo", pixel_format="bgr24", sound=False).read_bytes()
    )
    struct.pack_into("<2i", data, data.index(b"strf") + 12, side, side)
    path.write_bytes(data)
    return path
