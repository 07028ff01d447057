"""Pictures larger: what they are stays, seams are invisible, bad ones cost themselves alone."""

import io
import json
import re
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import pyvips
import torch
from PIL import Image, ImageCms

import impasto
from impasto import outputs
from impasto.errors import CheckpointError, ImageError, InputError
from impasto.nn.compact import spread_colour
from impasto.tasks.upscaling.inference import batch, upscale
from impasto.tasks.upscaling.inference.batch import plan_jobs, upscale_all
from impasto.tasks.upscaling.inference.upscale import PictureUpscaler
from impasto.tasks.upscaling.inference.upscalers import load_upscaler, zoo_names
from tests.pictures import painting
from tests.small_models import tiny_model


@pytest.fixture
def upscaler(tiny):
    return load_upscaler(tiny, engine="torch")


def write(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def vips_of(path):
    return pyvips.Image.new_from_file(str(path))


def test_a_picture_becomes_a_larger_one(upscaler, tmp_path):
    upscaler.engine.low = False  # in float32, also where bfloat16 is quicker
    pixels = painting()
    given = (Image.fromarray(pixels), write(tmp_path / "a.png", pixels), str(tmp_path / "a.png"))
    made = [np.asarray(upscaler(picture)) for picture in given]
    assert made[0].shape == (160, 224, 3)
    assert all(np.array_equal(made[0], other) for other in made[1:])
    with torch.inference_mode():
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
        right = upscaler.network(x).add(1).mul(127.5).clamp(0, 255)[0].permute(1, 2, 0).numpy()
    # Tiles, memory layout and number of threads are others here, so the last bits of float32 may be, too:
    # what lies halfway between two levels may be rounded to either.
    assert np.abs(made[0] - right).max() <= 0.5 + 0.01


@pytest.mark.parametrize("low", [False, True])
def test_no_seam(upscaler, low):
    """The tiled picture is the untiled one to the level."""
    upscaler.engine.low = low
    picture = Image.fromarray(painting(70, 90))
    whole = np.asarray(upscaler(picture)).astype(int)
    upscaler.tile = 36
    tiled = np.asarray(upscaler(picture)).astype(int)
    assert np.abs(whole - tiled).max() <= 1
    assert (whole != tiled).mean() < 0.001


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (300, 3), (7, 5)])
def test_any_size(upscaler, size):
    made = upscaler(Image.fromarray(painting(*size)))
    assert made.size == (4 * size[1], 4 * size[0])


@pytest.mark.parametrize(
    ("scale", "expected"), [(1, (56, 40)), (2.7, (151, 108)), (4, (224, 160)), (9.5, (532, 380))]
)
def test_any_scale(upscaler, scale, expected):
    assert upscaler(Image.fromarray(painting()), scale=scale).size == expected


def test_a_box_to_fit(upscaler, tmp_path):
    source = write(tmp_path / "a.png", painting())
    assert upscaler.file(source, tmp_path / "b.png", fit=(100, 1000)) == (100, 71)


@pytest.mark.parametrize("scale", [0, 0.5, 65, float("nan"), float("inf"), -1])
def test_scales_out_of_range(upscaler, scale):
    with pytest.raises(InputError, match="out of range"):
        upscaler(Image.fromarray(painting(8, 8)), scale=scale)


def test_x2(tmp_path):
    made = load_upscaler(tiny_model(tmp_path / "two", scale=2), engine="torch")(
        Image.fromarray(painting(7, 9))
    )
    assert made.size == (18, 14)


def test_colours_do_not_shift(upscaler):
    pixels = painting()
    made = np.asarray(upscaler(Image.fromarray(pixels)), np.float64)
    small = made.reshape(40, 4, 56, 4, 3).mean((1, 3))
    assert np.abs((small - pixels).mean((0, 1))).max() < 3


# --- what a picture is, it stays


def test_grey_stays_grey(upscaler, tmp_path):
    source = write(tmp_path / "a.png", painting()[:, :, 0])
    upscaler.file(source, tmp_path / "b.png")
    made = vips_of(tmp_path / "b.png")
    assert (made.bands, made.interpretation) == (1, "b-w")


@pytest.mark.parametrize("colour", [False, True])
def test_sixteen_bits_stay(upscaler, tmp_path, colour):
    fine = painting().astype(np.uint16) * 257 + 100
    pixels = fine if colour else fine[:, :, :1]
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="rgb16" if colour else "grey16")
    image.write_to_file(str(tmp_path / "a.png"))
    upscaler.file(tmp_path / "a.png", tmp_path / "b.tif")
    made = vips_of(tmp_path / "b.tif")
    assert made.format == "ushort"
    assert made.bands == (3 if colour else 1)
    assert len(np.unique(made.numpy() % 257)) > 50  # more than 8 bits of levels
    assert abs(made.numpy().mean() - pixels.mean()) < 800
    upscaler.file(tmp_path / "a.png", tmp_path / "b.jpg")
    assert vips_of(tmp_path / "b.jpg").format == "uchar"


def test_alpha_without_a_halo(upscaler, tmp_path):
    pixels = np.zeros((40, 40, 4), np.uint8)
    rows, columns = np.mgrid[:40, :40]
    inside = np.hypot(rows - 20, columns - 20) < 12
    pixels[inside] = (230, 120, 40, 255)  # and black where nothing is seen
    upscaler.file(write(tmp_path / "a.png", pixels), tmp_path / "b.png")
    made = np.asarray(Image.open(tmp_path / "b.png"))
    assert made.shape == (160, 160, 4)
    seen = made[made[:, :, 3] > 8]
    assert np.abs(seen[:, :3].astype(int) - (230, 120, 40)).max() < 25
    assert made[80, 80, 3] > 250
    assert made[2, 2, 3] < 5


def test_alpha_on_paper(upscaler, tmp_path):
    pixels = np.zeros((16, 16, 4), np.uint8)
    upscaler.file(write(tmp_path / "a.png", pixels), tmp_path / "b.jpg")
    assert np.asarray(Image.open(tmp_path / "b.jpg")).mean() > 245


def test_grey_with_alpha(upscaler, tmp_path):
    pixels = np.dstack([painting()[:, :, 0], np.full((40, 56), 255, np.uint8)])
    source = tmp_path / "a.png"
    bands = [Image.fromarray(np.ascontiguousarray(band)) for band in np.moveaxis(pixels, 2, 0)]
    Image.merge("LA", bands).save(source)
    upscaler.file(source, tmp_path / "b.png")
    assert vips_of(tmp_path / "b.png").bands == 2


def test_profile_and_exif_stay_and_it_is_turned_once(upscaler, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a fir"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = write(tmp_path / "a.jpg", painting(), exif=exif, icc_profile=profile)
    upscaler.file(source, tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as made:
        assert made.size == (160, 224)
        assert made.getexif()[0x010E] == "a fir"
        assert made.getexif().get(0x0112, 1) == 1
        assert made.info["icc_profile"] == profile


@pytest.mark.parametrize("suffix", ["gif", "webp"])
@pytest.mark.parametrize("scale", [None, 3])
def test_animations_frame_by_frame(upscaler, tmp_path, suffix, scale):
    frames = [Image.fromarray(np.roll(painting(), 9 * i, 1)) for i in range(3)]
    options = {"save_all": True, "append_images": frames[1:], "duration": 120, "loop": 0}
    frames[0].save(tmp_path / f"a.{suffix}", **options)
    upscaler.file(tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}", scale=scale)
    with Image.open(tmp_path / f"b.{suffix}") as made:
        assert made.n_frames == 3
        assert made.size == (56 * (scale or 4), 40 * (scale or 4))
        made.seek(1)
        made.load()
        assert made.info["duration"] == 120
        second = np.asarray(made.convert("RGB"), float)
        alone = np.asarray(upscaler(frames[1], scale=scale), float)
        assert np.abs(second - alone).mean() < 12  # a GIF has 256 colours


@pytest.mark.parametrize("kind", ["CMYK", "P", "1"])
def test_other_modes_become_what_they_show(upscaler, tmp_path, kind):
    source = tmp_path / ("a.jpg" if kind == "CMYK" else "a.png")
    Image.fromarray(painting()).convert(kind).save(source)
    for picture in (source, Image.fromarray(painting()).convert(kind)):
        made = upscaler(picture)
        assert made.size == (224, 160)
        assert made.mode in ("RGB", "L")


# --- memory and disk


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("scale", [4, 3.3, 6])
def test_large_pictures_are_never_held_whole(upscaler, tmp_path, monkeypatch, mode, scale):
    source = tmp_path / "a.png"
    picture = Image.fromarray(painting(64, 32))
    picture = (
        Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257) if mode == "I;16" else picture
    )
    picture.convert(mode).save(source)
    upscaler.file(source, tmp_path / "whole.tif", scale=scale)
    used = []
    for name in ("pngload_source", "rawload"):
        real = getattr(pyvips.Image, name)
        monkeypatch.setattr(
            pyvips.Image, name, lambda *a, n=name, r=real, **k: (used.append(n), r(*a, **k))[1]
        )
    monkeypatch.setattr("impasto.tasks.upscaling.inference.pictures.IN_MEMORY_BYTES", 1000)
    out = tmp_path / "out"
    upscaler.file(source, out / "streamed.tif", scale=scale)
    assert used == (["rawload"] if scale > 4 else []) + ["pngload_source"]  # only the last pass is streamed
    assert (out / "streamed.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()
    assert [p.name for p in out.iterdir()] == ["streamed.tif"]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_a_png_with_a_start_of_ours_is_one_to_all_readers(upscaler, tmp_path, mode):
    """Pixels, profile, EXIF and kind are those of the same picture as TIFF."""
    picture = Image.fromarray(painting(64, 32))
    deep = Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257)
    exif = Image.Exif()
    exif[0x010E] = "a fir"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    kept = {"exif": exif} | ({"icc_profile": profile} if mode in ("RGB", "RGBA") else {})
    (deep if mode == "I;16" else picture.convert(mode)).save(tmp_path / "a.png", **kept)
    upscaler.tile = 40
    upscaler.file(tmp_path / "a.png", tmp_path / "own.png")
    upscaler.file(tmp_path / "a.png", tmp_path / "b.tif")
    meant = vips_of(tmp_path / "b.tif")
    vips_of(tmp_path / "b.tif").pngsave(str(tmp_path / "vips.png"))
    made, theirs = vips_of(tmp_path / "own.png"), vips_of(tmp_path / "vips.png")
    assert np.array_equal(made.numpy(), meant.numpy())
    for name in ("bands", "format", "interpretation"):
        assert getattr(made, name) == getattr(theirs, name)
    with Image.open(tmp_path / "own.png") as read:
        read.load()  # another reader, which checks every sum
        assert read.getexif()[0x010E] == "a fir"
        assert read.info.get("icc_profile") == kept.get("icc_profile")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_stream_that_breaks_leaves_nothing(upscaler, tmp_path, monkeypatch, suffix):
    monkeypatch.setattr("impasto.tasks.upscaling.inference.pictures.IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr("impasto.tasks.upscaling.inference.strips.PART_BYTES", 4000)
    picture, target = write(tmp_path / "a.png", painting(300, 20)), tmp_path / f"b.{suffix}"
    upscaler.tile = 40
    others = set(threading.enumerate())  # a test before may still be ending a thread of its own

    def fail(done, total):
        if done * 2 > total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscaler.file(picture, target, progress=fail)
    full = OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(
            "impasto.tasks.upscaling.inference.saving._save", lambda *_: (_ for _ in ()).throw(full)
        )
        with pytest.raises(OSError, match="No space left"):
            upscaler.file(picture, target)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    left = set(threading.enumerate()) - others
    assert not [t for t in left if t.name.startswith("ThreadPool")]
    upscaler.file(picture, target)
    with Image.open(target) as made:
        assert made.size == (80, 1200)


def test_without_memory_the_tile_is_halved(upscaler, tmp_path):
    told, real = [], upscaler.engine

    class Small:
        name = "torch"
        tile_pixels, at_once = 10_000, 1

        def __call__(self, pictures):
            if pictures.shape[2] > 60:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")
            return real(pictures)

    upscaler.engine, upscaler.warn, upscaler.tile = Small(), told.append, 100
    assert upscaler(Image.fromarray(painting(130, 130))).size == (520, 520)
    assert told == ["there is no memory for tiles of 100 x 100 px: they have 50 x 50 px now"]


def test_an_engine_may_have_two_tiles_in_work(upscaler, tmp_path):
    real, lock, inside, most = upscaler.engine, threading.Lock(), [], []
    both, refused, alone = threading.Barrier(2), [], []
    scarce = Image.fromarray(painting(130, 130))
    upscaler.tile = 50
    meant = upscaler(scarce)

    class Two:
        name, tile_pixels, at_once = "torch", 10_000, 2

        def __call__(self, pictures):
            with lock:
                inside.append(1)
                most.append(len(inside))
                call = len(most)
                if refused and np.array_equal(pictures, refused[0]):
                    alone.append(len(inside))
            if call in (3, 4):  # behind the first tiles, and with more to come
                both.wait(120)
            with lock:
                made = real(pictures)
                inside.pop()
            if call == 4:  # there is no memory for two
                refused.append(pictures)
                raise MemoryError
            return made

    two = PictureUpscaler(upscaler.network, "two", Two(), upscaler.choice, tile=50)
    assert np.array_equal(np.asarray(two(scarce)), np.asarray(meant))
    assert max(most) == 2
    assert alone == [1]


def test_another_failure_of_the_engine_is_not_hidden(upscaler):
    class Fails:
        name = "torch"
        tile_pixels, at_once = 10_000, 1

        def __call__(self, pictures):
            raise RuntimeError("broken")

    upscaler.engine = Fails()
    with pytest.raises(RuntimeError, match="broken"):
        upscaler(Image.fromarray(painting()))


def test_a_failed_write_leaves_nothing(upscaler, tmp_path):
    source = write(tmp_path / "a.png", painting(8, 8))
    target = tmp_path / "target.png"
    target.mkdir()
    with pytest.raises(OSError, match=r"."):
        upscaler.file(source, target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "target.png"]


def test_formats_that_cannot_hold_it(upscaler, tmp_path):
    source = write(tmp_path / "a.png", painting(1, 4200))
    with pytest.raises(InputError, match="a webp can be 16,383 px long"):
        upscaler.file(source, tmp_path / "b.webp")
    with pytest.raises(InputError, match="cannot be written"):
        upscaler.file(source, tmp_path / "b.bmp")


def test_too_large_and_broken_inputs(upscaler, tmp_path):
    source = write(tmp_path / "a.png", painting())
    with pytest.raises(ImageError, match="too large"):
        upscaler.file(source, tmp_path / "b.png", max_pixels=100)
    whole = source.read_bytes()
    for name, data in {"cut.png": whole[: len(whole) // 2], "empty.png": b"", "text.png": b"hello"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ImageError):
            upscaler.file(tmp_path / name, tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


def test_spread_colour():
    colour, alpha = torch.zeros(1, 3, 9, 9), torch.zeros(1, 1, 9, 9)
    colour[..., 4, 4], alpha[..., 4, 4] = 0.5, 1
    torch.testing.assert_close(spread_colour(colour, alpha), torch.full_like(colour, 0.5))
    assert torch.equal(spread_colour(colour, 0 * alpha), colour)
    alpha[..., 0, 0] = 0.04  # faint: its colour is no more chosen than a hidden one
    assert spread_colour(colour, alpha)[0, 0, 0, 0] == 0
    torch.testing.assert_close(spread_colour(colour, alpha, 0.05), torch.full_like(colour, 0.5))


# --- many pictures


@pytest.fixture
def folder(tmp_path):
    given = tmp_path / "given"
    (given / "sub").mkdir(parents=True)
    for i, name in enumerate(("a.png", "b.jpg", "sub/c.webp", "sub/a.png")):
        write(given / name, painting(10, 12, seed=i))
    (given / "notes.txt").write_text("no picture")
    (given / ".hidden.png").write_bytes(b"")
    return given


def test_a_folder_keeps_its_structure(upscaler, folder, tmp_path):
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    jobs = plan_jobs([str(folder)], tmp_path / "out")
    seen = []
    outcomes = upscale_all(
        upscaler, jobs, watch=lambda tally, outcome: seen.append((tally.pixels_done, outcome))
    )
    made = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("[!.]*.*"))
    assert made == ["a.png", "b.jpg", "sub/a.png", "sub/c.webp"]
    (bad,) = (o for o in outcomes if o.error)
    assert bad.job.source.name == "bad.png"
    assert [o.job for o in outcomes] == jobs
    assert seen[-1][0] == 4 * 120
    assert sum(outcome is not None for _, outcome in seen) == 5


def test_patterns_files_and_formats(folder, tmp_path):
    out = tmp_path / "out"
    jobs = plan_jobs([str(folder / "*.*g"), str(folder / "sub" / "c.webp")], out, "tif")
    assert [j.target.name for j in jobs] == ["a.tif", "b.tif", "c.tif"]
    assert plan_jobs([str(folder / "**" / "*.webp")], out)[0].target == out / "c.webp"


def test_one_name_with_several_suffixes(tmp_path):
    (tmp_path / "given").mkdir()
    for name in ("a.bmp", "a.png", "a.jpg", "b.bmp"):
        Image.fromarray(painting(8, 8)).save(tmp_path / "given" / name)

    def names(*options):
        return [job.target.name for job in plan_jobs([str(tmp_path / "given")], tmp_path / "out", *options)]

    assert names() == ["a.bmp.png", "a.jpg", "a.png", "b.png"]
    assert names("png") == ["a.bmp.png", "a.jpg.png", "a.png", "b.png"]
    assert names("webp") == ["a.bmp.webp", "a.jpg.webp", "a.png.webp", "b.webp"]


def test_results_are_never_enlarged_again(folder, tmp_path):
    """Neither where they go to nor, for other targets, what is listed as ours; what is left out is told."""
    large, told = folder / "larger", []
    first = plan_jobs([str(folder)], large)
    for job in first:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        write(job.target, painting(20, 24))
        outputs.record(job.target.parent, [job.target.name])
    assert plan_jobs([str(folder)], large, warn=told.append) == first
    assert "1 folder that the results go to ('" in told[0]
    assert [j.source for j in plan_jobs([str(folder)], tmp_path / "o", warn=told.append)] == [
        j.source for j in first
    ]
    assert "4 pictures that Impasto wrote ('" in told[1]
    pattern = str(folder / "**" / "c.webp")
    assert [j.source for j in plan_jobs([pattern], tmp_path / "o", warn=told.append)] == [
        folder / "sub" / "c.webp"
    ]
    assert "1 picture that Impasto wrote ('" in told[2]
    on_purpose = plan_jobs([str(large)], tmp_path / "o", warn=told.append)
    assert len(on_purpose) == 4
    assert plan_jobs([str(large / "a.png")], tmp_path / "o", warn=told.append)[0].source == large / "a.png"
    assert len(told) == 3


def test_links_and_private_folders_are_as_for_training(folder, tmp_path):
    (tmp_path / "outside").mkdir()
    for place in (folder / "@eaDir", folder / "__MACOSX", tmp_path / "outside"):
        place.mkdir(exist_ok=True)
        write(place / "d.png", painting(8, 8))
    (folder / "._a.png").write_bytes(b"")
    (folder / "linked").symlink_to(tmp_path / "outside", target_is_directory=True)
    (folder / "sub" / "round").symlink_to(folder, target_is_directory=True)
    told = []
    jobs = plan_jobs([str(folder)], tmp_path / "out", warn=told.append)
    below = {job.target.relative_to(tmp_path / "out").as_posix() for job in jobs}
    assert below == {"a.png", "b.jpg", "sub/c.webp", "sub/a.png", "linked/d.png"}
    for words in ("2 system folders", "1 file of macOS", "1 link to a folder", "1 hidden file"):
        assert words in told[0]


@pytest.mark.parametrize(
    ("inputs", "out", "words"),
    [
        (["run"], "out", "is a run or a model"),
        (["run/**/@eaDir/*.png"], "out", "no file that"),
        (["nothing.png"], "out", "there is no file or folder"),
        (["given/*.xyz"], "out", "there is no file or folder"),
        (["given"], "given", "would be written over"),
        (["given/a.png", "given/sub/a.png"], "out", "would both become"),
        (["given"], "given/a.png", "cannot go into the one file"),
        (["empty"], "out", "no pictures"),
    ],
)
def test_what_cannot_be_planned(folder, tmp_path, monkeypatch, inputs, out, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "run" / "samples" / "@eaDir").mkdir(parents=True)
    for name in ("config.json", "events.jsonl", "samples/1.png", "samples/@eaDir/1.png"):
        (tmp_path / "run" / name).touch()
    with pytest.raises(InputError, match=words):
        plan_jobs(inputs, batch.Path(out))


def test_what_is_there_already(upscaler, folder, tmp_path):
    jobs = plan_jobs([str(folder / "a.png")], tmp_path / "out")
    jobs[0].target.parent.mkdir()
    jobs[0].target.write_bytes(b"mine")
    assert "is there already" in upscale_all(upscaler, jobs)[0].error
    assert upscale_all(upscaler, jobs, existing="skip")[0].skipped
    assert jobs[0].target.read_bytes() == b"mine"
    assert upscale_all(upscaler, jobs, existing="replace")[0].size == (48, 40)


def test_a_full_disk_costs_the_picture(upscaler, folder, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upscale, "write", full)
    (outcome,) = upscale_all(upscaler, plan_jobs([str(folder / "a.png")], tmp_path / "out"))
    assert "No space left" in outcome.error


def test_pictures_take_turns_in_the_engine(upscaler, folder, tmp_path):
    inside, real = [], upscaler.engine

    class Alone:
        name = "torch"
        tile_pixels, at_once = 10_000, 1

        def __call__(self, pictures):
            inside.append(1)
            time.sleep(0.01)
            assert inside == [1]
            made = real(pictures)
            inside.pop()
            return made

    alone = replace(upscaler, engine=Alone())  # a new one: how many may enter is settled when it is made
    outcomes = upscale_all(alone, plan_jobs([str(folder)], tmp_path / "out"), workers=4)
    assert all(outcome.size for outcome in outcomes)


# --- models


def test_models_that_are_none(tmp_path, tiny):
    with pytest.raises(CheckpointError, match="there is no model 'nope'"):
        load_upscaler("nope")
    (tmp_path / "fake.pth").write_bytes(b"not a model")
    with pytest.raises((CheckpointError, impasto.InputError), match=r"fake.pth|spandrel"):
        load_upscaler(tmp_path / "fake.pth")
    damaged = tiny_model(tmp_path / "damaged")
    tree = json.loads((damaged / "model.json").read_text())
    tree["config"]["model"]["channels"] = 9
    (damaged / "model.json").write_text(json.dumps(tree))
    with pytest.raises(CheckpointError, match="was changed"):
        load_upscaler(damaged)
    with pytest.raises(CheckpointError, match="it makes pictures larger"):
        impasto.load(tiny)


def test_a_model_of_the_community(tmp_path, upscaler):
    spandrel = pytest.importorskip("spandrel")
    from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact

    torch.manual_seed(0)
    net = SRVGGNetCompact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2)
    torch.save(net.state_dict(), tmp_path / "theirs.pth")
    assert spandrel
    theirs = load_upscaler(tmp_path / "theirs.pth", engine="torch")
    assert theirs.name == "theirs"
    picture = painting(20, 30)
    made = np.asarray(theirs(Image.fromarray(picture)))
    x = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        right = net(x).clamp(0, 1).mul(255).round().byte()[0].permute(1, 2, 0).numpy()
    assert np.abs(made.astype(int) - right).max() <= 1


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    pytest.importorskip("spandrel")

    class Evil:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w').close()",))

    torch.save({"params": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="cannot be used"):
        load_upscaler(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


def test_names_of_the_zoo_are_models():
    for name in zoo_names():
        assert re.fullmatch(r"[a-z0-9-]+", name)


def test_bytes_are_a_picture_too(upscaler):
    buffer = io.BytesIO()
    Image.fromarray(painting(6, 5)).save(buffer, "PNG")
    assert upscaler(buffer.getvalue()).size == (20, 24)


class Counting:
    """An engine that counts its tiles."""

    def __init__(self, engine):
        self.engine, self.tiles = engine, 0
        self.name, self.tile_pixels, self.at_once = engine.name, engine.tile_pixels, engine.at_once

    def __call__(self, pictures):
        self.tiles += 1
        return self.engine(pictures)


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_work_that_is_cancelled_ends_at_the_next_tile(tiny, tmp_path, suffix):
    upscaler = load_upscaler(tiny, engine="torch", tile=40)
    upscaler.engine = Counting(upscaler.engine)
    Image.fromarray(painting(400, 400)).save(tmp_path / "a.png")

    def check():
        if upscaler.engine.tiles > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscaler.file(tmp_path / "a.png", tmp_path / "out" / f"a.{suffix}", check=check)
    assert upscaler.engine.tiles < 12  # of some 400: those that were in work or ahead
    assert list(tmp_path.glob("out/*")) == []


def test_ctrl_c_in_python_ends_pictures_in_work_at_their_next_tile(tiny, tmp_path, monkeypatch):
    from impasto.tasks.upscaling.inference import batch

    upscaler = load_upscaler(tiny, engine="torch", tile=40)
    upscaler.engine = Counting(upscaler.engine)
    for name in "abc":
        Image.fromarray(painting(400, 400)).save(tmp_path / f"{name}.png")

    def interrupted(*_, **__):
        while upscaler.engine.tiles < 3:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "wait", interrupted)
    jobs = plan_jobs([str(tmp_path)], tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        upscale_all(upscaler, jobs)
    assert upscaler.engine.tiles < 200  # of some 1,200
    assert list((tmp_path / "out").glob("*")) == []
