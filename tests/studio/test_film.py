"""Films on the page: a beginning to look at, all of it when asked, and nothing of what strangers may try."""

import re
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

gradio = pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'impasto[studio]'")
av = pytest.importorskip("av")

from impasto.image.film import open_film
from impasto.studio.film_headers import claimed_samples
from impasto.studio.page import film, upscale
from impasto.studio.page.context import PageContext
from impasto.studio.page.words import LANGUAGES
from impasto.studio.problems import Refused
from impasto.studio.settings import Limits, Settings
from impasto.studio.studio import open_studio
from tests.films import SIZE, write_film, write_huge_film
from tests.studio.conftest import wait_for

LARGER = 4 * SIZE[0], 4 * SIZE[1]


@pytest.fixture
def open_context(workspace):
    """A function that gives the page's context, over a studio with some limits."""
    opened = []

    def open_it(language="en", **limits):
        opened.append(open_studio(Settings((workspace,), limits=Limits(**limits))))
        return PageContext(opened[-1], language)

    yield open_it
    for studio in opened:
        studio.close()


def enlarge(context, *paths, scale=0):
    """What the tab shows in the end, by name."""
    steps = upscale._enlarge(
        context, [str(p) for p in paths], "larger", scale, "png", "torch", lambda *_, **__: None
    )
    *_, end = steps
    slider, downloads, video, whole, stop, asked = end.values
    return SimpleNamespace(
        pair=slider["value"], downloads=downloads, video=video["value"], more=whole["visible"], asked=asked,
        words=end.words, stop=stop["visible"],
    )  # fmt: skip


def enlarge_all(context, asked):
    """The film to see, the files that are offered, and what is said."""
    *_, end = film._enlarge_all(context, asked)
    return (*end.values, end.words)


def kinds(path):
    with av.open(str(path)) as made:
        return [f"{s.codec_context.name} {getattr(s, 'pix_fmt', '')}".strip() for s in made.streams]


def left_behind(context):
    """Files in the page's folder, hidden ones too."""
    return [path for path in context.out.rglob("*") if path.is_file()]


def test_the_beginning_then_all_of_it(open_context, tmp_path):
    context = open_context()
    source = write_film(tmp_path / "my cat.mkv", frames=90)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    shown = enlarge(context, source, tmp_path / "a.png")
    assert (open_film(Path(shown.video)).frames, shown.more, shown.stop) == (75, True, True)
    assert kinds(shown.video) == ["h264 yuv420p", "aac"]
    assert "its first 3 seconds, 256 × 192 px" in shown.words
    assert re.search(r"takes about \d+ min\.", shown.words)
    assert shown.pair is not None
    assert [Path(path).name for path in shown.downloads] == ["a-1.png"]
    video, downloads, words = enlarge_all(context, shown.asked)
    assert [Path(path).name for path in downloads] == ["my-cat.mp4", "a-1.png"]
    assert video["value"] == downloads[0]
    made = open_film(Path(downloads[0]))
    assert (made.width, made.height, made.frames) == (*LARGER, 90)
    assert "my cat.mkv is done" in words
    assert {Path(path) for path in (*downloads, shown.video)} <= set(left_behind(context))
    assert not list(context.out.rglob("*.parts"))


def test_a_short_film_is_made_at_once(open_context, tmp_path):
    shown = enlarge(open_context(), write_film(tmp_path / "a.mp4", frames=5), scale=2)
    assert (shown.more, shown.asked, shown.pair) == (False, None, None)
    assert shown.downloads == [shown.video]
    assert "min." not in shown.words


def test_one_film_at_a_time(open_context, tmp_path):
    one, other = (write_film(tmp_path / name, frames=2) for name in ("a.mp4", "b.mp4"))
    assert "b.mp4: one film at a time" in enlarge(open_context(), one, other).words


def test_sound_that_mp4_cannot_hold_makes_it_mkv_to_download(open_context, tmp_path):
    context = open_context()
    source = write_film(tmp_path / "a.mkv", frames=5, sound_codec="tta")
    shown = enlarge(context, source)
    assert kinds(shown.video) == ["h264 yuv420p"]
    assert "the whole film becomes MKV" in shown.words
    assert (shown.more, shown.downloads) == (True, [])
    video, downloads, words = enlarge_all(context, shown.asked)
    assert "value" not in video
    assert Path(downloads[0]).name == "a.mkv"
    assert kinds(downloads[0]) == ["h264 yuv420p", "tta"]
    assert "browsers do not play" in words


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv444p"])
def test_browsers_get_8_bits(open_context, tmp_path, pixel_format):
    shown = enlarge(open_context(), write_film(tmp_path / "a.mkv", frames=3, pixel_format=pixel_format))
    assert kinds(shown.video)[0] == "h264 yuv420p"
    assert ("more than 8 bits" in shown.words) == ("10" in pixel_format)


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def with_header(path, name, offset, *numbers):
    """A film with other numbers in its header, after a box's name."""
    data = bytearray(path.read_bytes())
    struct.pack_into(f">{len(numbers)}I", data, data.rindex(name) + offset, *numbers)
    path.write_bytes(data)
    return path


def raw(path, side):
    return write_huge_film(path.with_suffix(".avi"), side).rename(path)


def written(path, data):
    path.write_bytes(data)
    return path


HOSTILE = {
    "empty": (lambda path: written(path, b""), "empty", "空文件"),
    "text": (lambda path: written(path, b"no film"), "not a picture", "不是可读取的图片"),
    "playlist": (
        lambda path: written(path, b"ffconcat version 1.0\nfile /etc/passwd\n"),
        "not a picture",
        "不是可读取的图片",
    ),
    "only the first bytes": (
        lambda path: written(path, b"\0\0\0\x18ftypisom" + b"no film" * 99),
        "damaged, or no film",
        "已损坏",
    ),
    "truncated": (lambda path: cut(write_film(path, frames=9), 0.5), "damaged, or no film", "已损坏"),
    "sound": (lambda path: write_film(path, only_sound=True), "has sound and no pictures", "只有声音"),
    "large": (lambda path: raw(path, 15_000), "have more than 16 megapixels", "超过 16 百万像素"),
    "sound that nothing holds": (
        lambda path: write_film(
            path.with_suffix(".wmv"), frames=9, codec="wmv2", sound_codec="wmav2"
        ).rename(path),
        "neither MP4 nor MKV",
        "都无法容纳其声音",
    ),
    "huge": (lambda path: raw(path, 30_000), "have more than 16 megapixels", "超过 16 百万像素"),
    "a million frames": (
        lambda path: with_header(write_film(path, frames=9), b"stsz", 8, 1, 80_000_000),
        "is too long",
        "视频过长",
    ),
    "a million frames, in a fragment": (
        lambda path: written(
            path, write_film(path, frames=9).read_bytes() + fragment(80_000_000)
        ),
        "is too long",
        "视频过长",
    ),
}  # fmt: skip


def fragment(frames):
    box = lambda name, inside: struct.pack(">I", 8 + len(inside)) + name + inside  # noqa: E731
    run = box(b"trun", struct.pack(">III", 1, frames, 0))
    return box(b"moof", box(b"traf", box(b"tfhd", struct.pack(">4I", 0x20018, 1, 512, 1)) + run))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_bad_film_ends_in_a_sentence(open_context, tmp_path, kind, language):
    write, *said = HOSTILE[kind]
    context = open_context(language)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    shown = enlarge(context, write(tmp_path / "film.mp4"), tmp_path / "a.png")
    assert said[language == "zh"] in shown.words
    assert "film.mp4" in shown.words
    assert [Path(path).suffix for path in shown.downloads] == [".png"]
    assert (shown.video, shown.more, shown.asked) == (None, False, None)
    wait_for(lambda: context.studio.films.in_work == 0, 20)


def test_what_is_wrong_with_a_film_is_said_in_chinese(open_context, tmp_path):
    context = open_context("zh")
    film_ = write_film(tmp_path / "a.mkv", frames=6, interlaced=True, sound_codec="tta")
    for words in (
        enlarge(context, film_).words,
        enlarge_all(context, film.Asked(film_, "larger", 0, "torch"))[2],
    ):
        assert not re.search(r"[a-z]{4,}", re.sub(r"<[^>]+>|a\.mkv|mpasto", "", words))
        assert "隔行" in words


def test_a_film_that_breaks_off_is_made_as_far_as_it_goes(open_context, tmp_path):
    context = open_context()
    source = cut(write_film(tmp_path / "a.mkv", frames=40, sound=False), 0.6)
    assert 5 < open_film(Path(enlarge(context, source).video)).frames < 40


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"film_frame_pixels": 40_000}, "would have 256 x 192 px"),
        ({"film_bytes": 100}, "is larger than"),
        ({"upload_bytes": 100}, "is larger than"),
        ({"film_pixels": 10 * 256 * 192}, "is too long"),  # more frames than the beginning may have
        ({"films": 0}, "other films are in work"),
    ],
)
def test_films_have_limits(open_context, tmp_path, limits, said):
    context = open_context(**limits)
    shown = enlarge(context, write_film(tmp_path / "a.mp4", frames=70))
    assert said in shown.words
    assert shown.video is None
    wait_for(lambda: left_behind(context) == [], 20)


def test_the_default_allows_a_minute_of_720p():
    limits = Limits()
    assert limits.film_frame_pixels >= 16 * 1280 * 720
    assert limits.film_pixels >= 60 * 30 * 16 * 1280 * 720


def test_too_long_a_film_has_a_beginning_alone(open_context, tmp_path):
    context = open_context(film_pixels=80 * 256 * 192)
    source = write_film(tmp_path / "a.mp4", frames=90)
    shown = enlarge(context, source)
    assert (open_film(Path(shown.video)).frames, shown.more) == (75, False)
    assert "takes 3.2 seconds of this size" in shown.words
    with pytest.raises(gradio.Error, match="is too long"):
        enlarge_all(context, film.Asked(source, "larger", 0, "torch"))
    with pytest.raises(gradio.Error, match="not there any more"):
        enlarge_all(context, film.Asked(tmp_path / "gone.mp4", "larger", 0, "torch"))


def test_a_header_that_says_too_little_does_not_help(open_context, tmp_path):
    context = open_context(film_pixels=80 * 256 * 192)
    source = write_film(tmp_path / "a.ts", frames=200)
    with pytest.raises(gradio.Error, match="is too long"):
        enlarge_all(context, film.Asked(source, "larger", 0, "torch"))


def test_who_leaves_ends_it(open_context, tmp_path):
    context = open_context(film_frame_pixels=90_000)
    source = write_film(tmp_path / "a.mp4", frames=90)
    steps = film._enlarge_all(context, film.Asked(source, "larger", 0, "torch"))
    next(steps)
    wait_for(lambda: (next(steps), left_behind(context))[1], 60)
    with pytest.raises(gradio.Error, match="other films are in work"):
        film._begin(context, film.Asked(source, "larger", 0, "torch"), None)
    steps.close()
    wait_for(lambda: list(context.out.iterdir()) == [], 20)
    wait_for(lambda: context.studio.films.in_work == 0, 20)
    assert context.studio.queue.load["running"] == 0


def test_a_full_queue_does_not_lose_what_was_begun(open_context):
    context = open_context()
    turns, enter, asked = [], context.studio.queue.enter, []

    def full_at_first(*given):
        asked.append(given)
        if len(asked) in (1, 3):
            raise Refused(429, "2 pieces of work are waiting already")
        return enter(*given)

    context.studio.queue.enter = full_at_first
    list(context.take_turns(lambda check: turns.append(1) or len(turns) == 3, lambda: None))
    assert (len(turns), len(asked)) == (3, 5)


def test_others_get_their_turn(open_context, tmp_path, monkeypatch):
    from impasto.studio import films

    monkeypatch.setattr(films, "TURN_SECONDS", 0.0)
    context = open_context()
    entered, enter = [], context.studio.queue.enter
    context.studio.queue.enter = lambda *given: entered.append(1) or enter(*given)
    shown = enlarge(context, write_film(tmp_path / "a.mp4", frames=6))
    assert len(entered) > 6
    assert open_film(Path(shown.video)).frames == 6


def test_without_pyav_the_page_says_what_to_install(open_context, tmp_path, monkeypatch):
    context = open_context()
    source = write_film(tmp_path / "a.mp4", frames=3)
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    assert "pip install &#39;impasto[video]&#39;" in enlarge(context, source).words


def test_samples_that_a_header_claims_are_counted(tmp_path):
    path = write_film(tmp_path / "a.mp4", frames=9)
    assert claimed_samples(path) == 0  # each has its size in the file
    assert claimed_samples(written(tmp_path / "b", path.read_bytes() + fragment(7) + fragment(5))) == 12
    assert claimed_samples(with_header(path, b"stsz", 8, 1, 1_000_000)) == 1_000_000
    inside = b"\0\0\0\x20mdat" + b"stsz" + b"\xff" * 20
    assert claimed_samples(written(tmp_path / "b", inside)) == 0  # pictures
    assert claimed_samples(written(tmp_path / "b", b"\0\0\0\x10moovcmov\0\0\0\0")) == float("inf")
    for other in (b"", b"\0", b"\0\0\0\1moov", write_film(tmp_path / "a.mkv", frames=2).read_bytes()):
        assert claimed_samples(written(tmp_path / "b", other)) == 0
