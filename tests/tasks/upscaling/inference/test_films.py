"""A film, larger: whole, with its sound and times, and what was done before a kill is not done again."""

import numpy as np
import pytest
from PIL import Image

import impasto
from impasto.errors import InputError
from impasto.image.film import open_film, read_frames
from impasto.tasks.upscaling.inference import films
from impasto.tasks.upscaling.inference.batch import plan_jobs, upscale_all
from impasto.tasks.upscaling.inference.films import PART, plan_film, upscale_film
from tests.films import SIZE, moving_square, write_film
from tests.pictures import painting
from tests.small_models import tiny_model

av = pytest.importorskip("av")


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory):
    return impasto.load_upscaler(tiny_model(tmp_path_factory.mktemp("model"), scale=2), engine="torch")


def enlarge(upscaler, source, target, **settings):
    plan = plan_film(source, target.suffix[1:], 2, **settings)
    notes = []
    size = upscale_film(upscaler, plan, target, note=notes.append)
    return size, notes


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_every_frame_at_its_time_with_the_sound(tmp_path, upscaler):
    source = write_film(tmp_path / "a.mp4", frames=PART + 6)
    size, notes = enlarge(upscaler, source, tmp_path / "big.mp4")
    film = open_film(tmp_path / "big.mp4")
    assert (film.width, film.height) == size == (2 * SIZE[0], 2 * SIZE[1])
    before, after = (list(read_frames(open_film(p))) for p in (source, tmp_path / "big.mp4"))
    assert len(after) == len(before) == PART + 6
    assert [f.time * film.time_base for f in after] == [f.time * open_film(source).time_base for f in before]
    for number in (0, 30, PART + 5):
        expected = moving_square(number).repeat(2, 0).repeat(2, 1).astype(int)
        assert np.abs(after[number].pixels - expected).mean() < 20
    with av.open(str(tmp_path / "big.mp4")) as made:
        assert made.streams.audio[0].codec_context.name == "aac"
    assert notes == []
    assert hidden(tmp_path) == []


def test_it_goes_on_after_the_last_part(tmp_path, upscaler, monkeypatch):
    source = write_film(tmp_path / "a.mp4", frames=2 * PART + 10, sound=False)
    target = tmp_path / "big.mp4"
    plan = plan_film(source, "mp4", 2)

    def progress(done, total):
        if done > (PART + 8) * SIZE[0] * SIZE[1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale_film(upscaler, plan, target, progress=progress, note=pytest.fail)
    assert not target.exists()
    (parts,) = tmp_path.glob(".big.mp4.*.parts")
    assert [path.name for path in parts.glob("*.mp4")] == [f"{0:08}-{PART:08}.mp4"]
    read = []

    def spied(film, skip, *others):
        read.append(skip)
        return read_frames(film, skip, *others)

    monkeypatch.setattr(films, "read_frames", spied)
    notes = []
    upscale_film(upscaler, plan, target, note=notes.append)
    assert read == [PART]
    assert notes == [f"goes on after frame {PART}, where an earlier run ended"]
    assert len(list(read_frames(open_film(target)))) == 2 * PART + 10
    assert hidden(tmp_path) == []


def test_other_settings_do_not_take_the_parts_of_these(tmp_path, upscaler):
    source = write_film(tmp_path / "a.mp4", frames=8, sound=False)
    one, other = (plan_film(source, "mp4", 2, crf=crf) for crf in (10, 30))
    folders = {
        films.Parts(tmp_path / "big.mp4", films.identity(plan, upscaler)).folder for plan in (one, other)
    }
    assert len(folders) == 2
    assert upscale_film(upscaler, one, tmp_path / "big.mp4") == (2 * SIZE[0], 2 * SIZE[1])
    assert hidden(tmp_path) == []  # with those of the other settings


@pytest.mark.parametrize(("settings", "size"), [({"scale": 1.5}, (96, 72)), ({"fit": (101, 999)}, (100, 76))])
def test_any_size_comes_out_even(tmp_path, upscaler, settings, size):
    source = write_film(tmp_path / "a.mp4", frames=3)
    assert enlarge(upscaler, source, tmp_path / "big.mkv", **settings)[0] == size


def test_more_than_eight_bits_become_h265_of_ten(tmp_path, upscaler):
    source = write_film(tmp_path / "a.mkv", frames=3, pixel_format="yuv420p10le")
    enlarge(upscaler, source, tmp_path / "big.mkv")
    assert open_film(tmp_path / "big.mkv").deep
    with av.open(str(tmp_path / "big.mkv")) as made:
        assert made.streams.video[0].codec_context.name == "hevc"


def test_a_trial_of_the_beginning(tmp_path, upscaler):
    source = write_film(tmp_path / "a.mp4", frames=50)
    enlarge(upscaler, source, tmp_path / "big.mp4", seconds=0.4)
    assert len(list(read_frames(open_film(tmp_path / "big.mp4")))) == 10
    with av.open(str(tmp_path / "big.mp4")) as made:
        sound = made.streams.audio[0]
        assert 0.3 < float(sound.duration * sound.time_base) < 0.5


def test_a_folder_of_films_and_pictures(tmp_path, upscaler):
    folder = tmp_path / "mixed"
    folder.mkdir()
    write_film(folder / "a.mp4", frames=3)
    write_film(folder / "b.avi", frames=3)
    Image.fromarray(painting()).save(folder / "c.png")
    (folder / "program.ts").write_text("const x = 1")
    (folder / "broken.mkv").write_bytes(b"\x1aE\xdf\xa3 nothing")
    jobs = plan_jobs([str(folder)], tmp_path / "big")
    assert [job.target.name for job in jobs] == ["a.mp4", "b.mkv", "broken.mkv", "c.png"]
    outcomes = {outcome.job.source.name: outcome for outcome in upscale_all(upscaler, jobs, crf=20)}
    assert outcomes["a.mp4"].size == outcomes["b.avi"].size == (128, 96)
    assert outcomes["c.png"].size == (112, 80)
    assert "no film that can be read" in outcomes["broken.mkv"].error
    assert plan_jobs([str(folder / "a.mp4")], tmp_path / "big", "webm")[0].target.name == "a.webm"
    assert plan_jobs([str(folder / "c.png")], tmp_path / "big", "webm")[0].target.name == "c.png"
    for source, target in (("a.mp4", "x.png"), ("c.png", "x.mp4")):
        with pytest.raises(InputError, match="would be"):
            plan_jobs([str(folder / source)], tmp_path / target)


def test_what_is_asked_is_looked_at_before_the_work(tmp_path, upscaler):
    source = write_film(tmp_path / "a.mp4", frames=3)
    with pytest.raises(InputError, match="cannot hold the sound"):
        plan_film(source, "webm", 2)
    silent = write_film(tmp_path / "b.mp4", frames=3, sound=False)
    with pytest.raises(InputError, match="cannot be h264"):
        plan_film(silent, "webm", 2, codec="h264")
    for wrong, match in (
        ({"scale": 100}, "out of range"),
        ({"crf": 60}, "out of range"),
        ({"codec": "x"}, "no codec"),
    ):
        with pytest.raises(InputError, match=match):
            plan_film(silent, "mp4", 2, **wrong)
    assert enlarge(upscaler, silent, tmp_path / "big.webm")[0] == (128, 96)
