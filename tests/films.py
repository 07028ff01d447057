"""Small films for tests: a square that moves over a ramp of colours, with a tone."""

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
):
    """Write such a film; `times` are those of its frames in milliseconds."""
    import av

    with av.open(str(path), "w") as film:
        film.metadata["title"] = "squares"
        stream = None
        if not only_sound:
            codec = _CODECS.get(path.suffix, "libx264")
            stream = film.add_stream(codec, rate=rate, options={"crf": crf, "g": "12"})
            (stream.width, stream.height), stream.pix_fmt = size, pixel_format
            if times:
                stream.codec_context.time_base = Fraction(1, 1000)
            if interlaced:
                stream.codec_context.flags |= _INTERLACED
            if rotation:
                stream.set_display_rotation(rotation)
        tone = film.add_stream(_SOUNDS.get(path.suffix, "aac"), rate=48000) if sound else None
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
