"""Films: frames, times, colours and depth go through a file and come back; what is no film is told."""

import socket
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from impasto.errors import ImageError, InputError
from impasto.image.film import (
    CODECS,
    Colours,
    Film,
    FilmWriter,
    Frame,
    is_film,
    open_container,
    open_film,
    read_frames,
)
from impasto.image.remux import SoundError, join, streams_kept
from tests.films import SIZE, moving_square, write_film, write_huge_film
from tests.pictures import painting

av = pytest.importorskip("av")


def frames_of(path):
    film = open_film(path)
    return film, list(read_frames(film, tell=pytest.fail))


def seconds(film, frames):
    return [float(frame.time * film.time_base) for frame in frames]


def test_a_film_is_known_by_its_first_bytes(tmp_path):
    for suffix in ("mp4", "mkv", "mov", "avi", "ts", "mpg", "flv"):
        assert is_film(write_film(tmp_path / f"a.{suffix}", sound=False)), suffix
    from PIL import Image

    for suffix in ("png", "gif", "webp", "avif", "tif", "jpg"):
        Image.fromarray(painting()).save(tmp_path / f"a.{suffix}")
        assert not is_film(tmp_path / f"a.{suffix}"), suffix
    (tmp_path / "empty.mp4").touch()
    assert not is_film(tmp_path / "empty.mp4")
    assert not is_film(tmp_path / "none.mp4")


def test_frames_and_times_of_a_usual_film(tmp_path):
    film, frames = frames_of(write_film(tmp_path / "a.mp4", frames=12))
    assert (film.width, film.height, film.frames, film.rate) == (*SIZE, 12, 25)
    assert seconds(film, frames) == pytest.approx([i / 25 for i in range(12)])
    for i, frame in enumerate(frames):
        assert np.abs(frame.pixels.astype(int) - moving_square(i)).mean() < 6
    assert [f.time for f in read_frames(film, skip=7)] == [f.time for f in frames[7:]]


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_a_turned_film_stands_upright(tmp_path, turn):
    film, frames = frames_of(write_film(tmp_path / "a.mp4", frames=2, rotation=turn))
    expected = np.rot90(moving_square(1), turn // 90)
    assert (film.height, film.width) == expected.shape[:2] == frames[1].pixels.shape[:2]
    assert np.abs(frames[1].pixels.astype(int) - expected).mean() < 6


def test_frames_that_last_differently_long_keep_their_times(tmp_path):
    times = [0, 40, 80, 200, 240, 1000]
    film, frames = frames_of(write_film(tmp_path / "a.mkv", frames=6, times=times))
    assert seconds(film, frames) == pytest.approx([t / 1000 for t in times])


def test_more_than_eight_bits_stay(tmp_path):
    film, frames = frames_of(write_film(tmp_path / "a.mkv", frames=2, pixel_format="yuv420p10le"))
    assert film.deep
    assert frames[0].pixels.dtype == np.uint16
    assert np.abs(frames[0].pixels / 257.0 - moving_square(0)).mean() < 6


def test_an_interlaced_film_gets_whole_pictures_and_says_so(tmp_path):
    film, frames = frames_of(write_film(tmp_path / "a.mkv", frames=6, interlaced=True))
    assert film.interlaced
    assert any("interlaced" in words for words in film.notes)
    assert len(frames) == 6


def test_a_film_that_breaks_off_gives_what_there_is(tmp_path):
    whole = write_film(tmp_path / "a.mkv", frames=40, sound=False)
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) * 6 // 10])
    frames = list(read_frames(open_film(whole), tell=lambda words: None))
    assert 5 < len(frames) < 40


def test_damage_in_the_middle_is_passed_over_and_told(tmp_path):
    path = write_film(tmp_path / "a.ts", frames=60, sound=False)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(data)
    frames = list(read_frames(open_film(path), tell=lambda words: None))
    times = [frame.time for frame in frames]
    assert 10 < len(frames) <= 60
    assert times == sorted(set(times))


def test_what_has_no_pictures_is_told(tmp_path):
    (tmp_path / "text.mp4").write_bytes(b"\0\0\0\x18ftypisom" + b"no film" * 100)
    with pytest.raises(ImageError, match="no film that can be read"):
        open_film(tmp_path / "text.mp4")
    with pytest.raises(ImageError, match="sound and no pictures"):
        open_film(write_film(tmp_path / "sound.mp4", frames=0, only_sound=True))
    whole = write_film(tmp_path / "a.mp4", frames=3)
    data = whole.read_bytes()
    start = data.index(b"mdat") + 4
    whole.write_bytes(
        data[:start] + bytes(len(data) - start) if data.index(b"moov") < start else data[:start]
    )
    with pytest.raises(ImageError):
        open_film(whole)


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile a.ts\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 33\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"/>',
    ],
)
@pytest.mark.parametrize("name", ["film.mp4", "film.m3u8"])
def test_a_list_of_other_files_is_no_film_and_opens_none(tmp_path, name, text):
    write_film(tmp_path / "a.ts", sound=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        path = tmp_path / name
        path.write_text(text.format(url=f"http://127.0.0.1:{server.getsockname()[1]}"))
        assert not is_film(path)
        for read in (open_film, lambda path: streams_kept(path, "mkv")):
            with pytest.raises(ImageError, match="no film that can be read"):
                read(path)
        with pytest.raises(TimeoutError):
            server.accept()


def test_what_ffmpeg_takes_for_a_list_is_one(tmp_path):
    """Or the test above says nothing: FFmpeg itself follows this one, by whatever name."""
    write_film(tmp_path / "a.ts", sound=False)
    (tmp_path / "film.mp4").write_text("ffconcat version 1.0\nfile a.ts\n")
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert next(film.decode(video=0)).width == SIZE[0]


def test_a_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "a.ts", sound=False)
    write_film(tmp_path / "b.ts", sound=False).rename("concat:a.ts|a.ts")
    write_film(tmp_path / "c.mp4", sound=False).rename("12:30.mp4")
    for name in ("concat:a.ts|a.ts", "12:30.mp4"):
        assert open_film(Path(name)).width == SIZE[0]
    with pytest.raises(ImageError):
        open_film(Path("concat:a.ts|none.ts"))


def test_frames_that_are_too_large_are_refused_before_they_are_decoded(tmp_path):
    path = write_film(tmp_path / "a.mp4", frames=3, sound=False)
    for side in (15_000, 30_000):
        with pytest.raises(ImageError, match="or its pictures have more than 200 megapixels"):
            open_film(write_huge_film(tmp_path / "huge.avi", side))
    with pytest.raises(ImageError):
        open_film(path, max_pixels=SIZE[0] * SIZE[1] - 1)
    assert open_film(path, max_pixels=SIZE[0] * SIZE[1]).frames == 3


def test_a_size_that_the_codec_does_not_have_is_told(tmp_path):
    with pytest.raises(InputError, match="a film of 16,400 x 48 px cannot be encoded as h264"):
        FilmWriter(tmp_path / "a.mp4", LIKE, (16_400, 48), "h264", None)


def test_a_title_in_another_encoding_costs_nothing(tmp_path):
    path = write_film(tmp_path / "a.mkv", frames=2)
    path.write_bytes(path.read_bytes().replace(b"squares", b"squ\xe9res"))
    assert open_film(path).frames == open_film(path).frames
    assert streams_kept(path, "mkv").streams


LIKE = Film(
    path=None, width=64, height=48, frames=0, rate=Fraction(30000, 1001), time_base=Fraction(1, 30000),
    deep=False, layout="420", rotation=0, aspect=Fraction(4, 3), colours=Colours(1, 1, 1, full=False),
    interlaced=False, notes=(),
)  # fmt: skip


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_colours_stay_in_every_space_and_range(tmp_path, matrix, full):
    """Flat patches, so that nothing but the numbers' meaning counts."""
    from dataclasses import replace

    like = replace(LIKE, colours=Colours(matrix, 1, 1, full=full))
    patches = [(250, 20, 30), (20, 200, 40), (30, 40, 220), (128, 128, 128), (255, 255, 255), (0, 0, 0)]
    pixels = np.repeat(np.repeat(np.array([patches[:3], patches[3:]], np.uint8), 24, 0), 24, 1)[:, :72]
    with FilmWriter(tmp_path / "a.mp4", like, (72, 48), "h264", 0) as writer:
        writer.write(Frame(pixels, 0))
    film, (frame,) = frames_of(tmp_path / "a.mp4")
    assert (film.colours, film.aspect) == (like.colours, Fraction(4, 3))
    middles = frame.pixels[12::24, 12::24].reshape(-1, 3).astype(int)
    assert np.abs(middles - patches).max() <= 3


@pytest.mark.parametrize("codec", CODECS)
def test_parts_become_one_film_with_the_sound_of_another(tmp_path, codec):
    source = write_film(tmp_path / "a.mp4", frames=20, rate=Fraction(30))
    film, frames = frames_of(source)
    parts = []
    for start in (0, 7, 14):
        parts.append(tmp_path / f"{start}.mp4")
        with FilmWriter(parts[-1], film, SIZE, codec, 10) as writer:
            for frame in frames[start : start + 7]:
                writer.write(frame)
    for container in ("mkv", "mp4", "mov"):
        if container == "mov" and codec == "vp9":
            continue
        target = tmp_path / f"joined.{container}"
        join(parts, source, streams_kept(source, container), target, container)
        joined, found = frames_of(target)
        # Matroska counts milliseconds, and from where its sound begins to be decoded.
        exact = 1.1e-3 if container == "mkv" else 1e-5
        steps = np.diff(seconds(joined, found)), np.diff(seconds(film, frames))
        assert steps[0] == pytest.approx(steps[1], abs=exact)
        assert (
            max(np.abs(a.pixels.astype(int) - b.pixels).mean() for a, b in zip(found, frames, strict=True))
            < 5
        )
        with av.open(str(target)) as here, av.open(str(source)) as there:
            sounds = [b"".join(bytes(p) for p in f.demux(f.streams.audio[0])) for f in (here, there)]
            assert here.metadata["title"] == "squares"
        assert sounds[0] == sounds[1]


def test_sound_that_a_container_cannot_hold_is_refused_before_the_work(tmp_path):
    with pytest.raises(InputError, match="cannot hold the sound"):
        streams_kept(write_film(tmp_path / "a.mp4"), "webm")


def test_sound_that_nothing_holds_is_told_with_what_to_do(tmp_path):
    source = write_film(tmp_path / "a.wmv", frames=10, codec="wmv2", sound_codec="wmav2")
    for container, hint in (("mp4", "end --out in .mkv"), ("mkv", "convert it to AAC")):
        with pytest.raises(SoundError, match=hint):
            streams_kept(source, container)


def test_sound_that_is_damaged_is_left_out_and_counted(tmp_path):
    """Its packets go back in time, which no container takes."""
    source, pictures = write_film(tmp_path / "a.mkv", frames=20), write_film(tmp_path / "b.mp4", sound=False)
    times = {"dts": 0}

    class Damaged:
        """A film whose packets of sound all begin at once."""

        def __init__(self, film):
            self._film = film

        def __getattr__(self, name):
            return getattr(self._film, name)

        def demux(self, streams):
            for packet in self._film.demux(streams):
                if packet.dts is not None:
                    times["dts"] -= 1
                    packet.dts = packet.pts = times["dts"]
                yield packet

    from contextlib import contextmanager

    from impasto.image import remux

    @contextmanager
    def opened(path):
        with open_container(path) as film:
            yield Damaged(film) if path == source else film

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remux, "open_container", opened)
        damaged = join([pictures], source, streams_kept(source, "mp4"), tmp_path / "c.mp4", "mp4")
    assert damaged > 0
    assert len(frames_of(tmp_path / "c.mp4")[1]) == 12
