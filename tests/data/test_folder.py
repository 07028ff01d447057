import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from impasto import outputs
from impasto.config.shared import DataConfig, ImageConfig
from impasto.data import cache
from impasto.data.folder import open_folder
from impasto.data.opening import open_to_compare
from impasto.data.scan import scan_folder
from impasto.errors import DataError
from impasto.files import cache_folder
from impasto.image import codec

SMALL = ImageConfig(size=16)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for index in range(60):
        theme = root / ("wide" if index % 3 == 0 else "tall")
        theme.mkdir(exist_ok=True)
        shape = (20, 36, 3) if index % 3 == 0 else (48, 20, 3)
        pixels = np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(theme / f"{index:02}.png")
    for path in root.rglob("*.png"):
        os.utime(path, ns=(10**18, 10**18))
    return root


def only_cache() -> Path:
    (folder,) = (cache_folder() / "pixels").iterdir()
    return folder


@pytest.mark.parametrize("fit", ["crop", "letterbox"])
def test_what_is_served_is_what_the_door_gives(pictures: Path, fit: str) -> None:
    found = open_folder(pictures, DataConfig(fit=fit, background="#336699"), SMALL, seed=0)
    assert (len(found.train_indices), len(found.holdout_indices)) == (44, 16)
    served = found.pixels.take(np.arange(60))
    for index in (0, 17, 59):
        path = pictures / found.scan.pictures[index].path
        direct = codec.fit_square(path, 16, fit=fit, background="#336699")
        np.testing.assert_array_equal(served[index], direct)


def test_random_crop_moves_along_the_long_side(pictures: Path) -> None:
    found = open_folder(pictures, DataConfig(fit="random-crop"), SMALL, seed=0)
    for index in (0, 59):  # tall and wide
        whole = codec.fit_cover(pictures / found.scan.pictures[index].path, (16, 16))
        slack = max(whole.shape[:2]) - 16
        for offset, step in ((0.0, 0), (0.999, slack), (None, slack // 2)):
            window = found.pixels.take(np.array([index]), None if offset is None else np.array([offset]))[0]
            expected = whole[step : step + 16] if whole.shape[0] > 16 else whole[:, step : step + 16]
            np.testing.assert_array_equal(window, expected)
    one, other = found.batches(64, 0).next(), found.batches(64, 1).next()
    assert one.shape == other.shape == (64, 16, 16, 3)


WIDE = ImageConfig(size=16, width=24)


@pytest.mark.parametrize("fit", ["crop", "letterbox"])
def test_pictures_of_another_shape_are_what_the_door_gives(pictures: Path, fit: str) -> None:
    found = open_folder(pictures, DataConfig(fit=fit), WIDE, seed=0)
    served = found.pixels.take(np.arange(60))
    assert served.shape == (60, 16, 24, 3)
    for index in (0, 59):
        path = pictures / found.scan.pictures[index].path
        np.testing.assert_array_equal(served[index], codec.fit_shape(path, (16, 24), fit=fit))
    assert found.batches(4, 0).next().shape == (4, 16, 24, 3)


def test_random_crop_of_another_shape_moves_along_what_is_too_long(pictures: Path) -> None:
    found = open_folder(pictures, DataConfig(fit="random-crop"), WIDE, seed=0)
    for index in (0, 59):
        whole = codec.fit_cover(pictures / found.scan.pictures[index].path, (16, 24))
        slack = np.array(whole.shape[:2]) - (16, 24)
        assert (slack >= 0).all()
        assert slack.any()
        for offset, (down, across) in ((0.0, (0, 0)), (0.999, slack), (None, slack // 2)):
            moved = None if offset is None else np.array([[offset, offset]])
            window = found.pixels.take(np.array([index]), moved)[0]
            np.testing.assert_array_equal(window, whole[down : down + 16, across : across + 24])


def test_windows_are_cut_from_pictures_that_just_cover_a_shape(tmp_path: Path) -> None:
    for index in range(30):
        pixels = np.random.default_rng(index).integers(0, 256, (90, 120 if index else 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index:02}.png")
    for width, sides in ((None, (64, 85)), (96, (72, 96))):
        data = DataConfig(fit="windows", reduced_px=64, reduced_width=width)
        found = open_folder(tmp_path, data, ImageConfig(size=48), seed=0)
        assert found.pixels.whole(1).shape == (*sides, 3)
    assert found.pixels.whole(0).shape == (90, 60, 3)  # narrower than the shape: as it is


def test_caches_of_squares_have_the_names_that_they_had() -> None:
    """What was decoded by an earlier version is not decoded again."""
    data = DataConfig()
    old = hashlib.blake2b(b'[[2, 16, 3, "crop", "#ffffff"], ["a"]]', digest_size=16).hexdigest()
    assert cache.key_of(["a"], data, SMALL) == old
    assert cache.key_of(["a"], data, ImageConfig(size=16, width=16)) == old
    names = [cache.key_of(["a"], data, ImageConfig(size=h, width=w)) for h, w in ((16, 24), (24, 16))]
    assert len({old, *names}) == 3


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels(pictures: Path, channels: int) -> None:
    found = open_folder(pictures, DataConfig(), ImageConfig(size=16, channels=channels), seed=0)
    assert found.batches(4, 0).next().shape == (4, 16, 16, channels)


def test_the_second_start_decodes_nothing(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_folder(pictures, DataConfig(), SMALL, seed=0)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a picture was read again")

    monkeypatch.setattr(codec, "read_bytes", refuse)
    monkeypatch.setattr(codec, "fit_shape", refuse)
    second = open_folder(pictures, DataConfig(), SMALL, seed=0)
    np.testing.assert_array_equal(first.train_array(), second.train_array())
    assert first.fingerprint == second.fingerprint


def test_the_fingerprint_follows_content(pictures: Path, tmp_path: Path) -> None:
    first = open_folder(pictures, DataConfig(), SMALL, seed=0)
    assert open_folder(pictures, DataConfig(), SMALL, seed=1).fingerprint != first.fingerprint
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(pictures, copy)
    assert open_folder(copy, DataConfig(), SMALL, seed=0).fingerprint == first.fingerprint
    next(copy.rglob("*.png")).unlink()
    assert open_folder(copy, DataConfig(), SMALL, seed=0).fingerprint != first.fingerprint


@pytest.mark.parametrize("fit", ["crop", "random-crop"])
@pytest.mark.parametrize("damage", ["short", "long", "gone", "index", "index-gone"])
def test_a_damaged_cache_is_made_again(pictures: Path, fit: str, damage: str) -> None:
    data = DataConfig(fit=fit)
    before = open_folder(pictures, data, SMALL, seed=0).train_array().copy()
    pixels, shapes = only_cache() / "pixels.bin", only_cache() / "shapes.npy"
    match damage:
        case "short":
            pixels.write_bytes(pixels.read_bytes()[:-7])
        case "long":
            pixels.write_bytes(pixels.read_bytes() + b"x")
        case "gone":
            pixels.unlink()
        case "index":
            shapes.write_bytes(shapes.read_bytes()[:100])
        case "index-gone":
            shapes.unlink()
    np.testing.assert_array_equal(open_folder(pictures, data, SMALL, seed=0).train_array(), before)
    only_cache()  # and nothing is left beside it


def test_a_killed_writer_leaves_nothing_that_is_believed(pictures: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from impasto.config.shared import DataConfig, ImageConfig\n"
        "from impasto.data.folder import open_folder\n"
        "def slow(stage, done, total):\n"
        "    if stage.startswith('decoding') and done == 20:\n"
        "        print('halfway', flush=True)\n"
        "        time.sleep(60)\n"
        "open_folder(Path(sys.argv[1]), DataConfig(), ImageConfig(size=16), seed=0, progress=slow)\n"
    )
    command = [sys.executable, "-c", script, str(pictures)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "halfway\n"
        writer.send_signal(signal.SIGKILL)
    leftovers = list((cache_folder() / "pixels").iterdir())
    assert [path.suffix for path in leftovers] == [".tmp"]
    elsewhere = leftovers[0].with_name(f".{'0' * 32}.{'0' * 8}-1-{'0' * 8}.tmp")  # another machine's
    elsewhere.mkdir()
    found = open_folder(pictures, DataConfig(), SMALL, seed=0)
    direct = codec.fit_square(pictures / found.scan.pictures[59].path, 16)
    np.testing.assert_array_equal(found.pixels.take(np.array([59]))[0], direct)
    assert not leftovers[0].exists()
    assert elsewhere.exists()  # it might be alive
    os.utime(elsewhere, (time.time() - 90_000,) * 2)
    open_folder(pictures, DataConfig(fit="letterbox"), SMALL, seed=0)
    assert not elsewhere.exists()


def test_a_full_disk_is_explained(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match="MiB are needed") as caught:
        open_folder(pictures, DataConfig(), SMALL, seed=0)
    assert "IMPASTO_CACHE" in caught.value.hint
    assert list((cache_folder() / "pixels").iterdir()) == []


def test_a_picture_that_changes_between_scan_and_decoding_is_named(tmp_path: Path) -> None:
    for index in range(3):
        Image.new("RGB", (16, 16), (index, 0, 0)).save(tmp_path / f"{index}.png")
    scan = scan_folder(tmp_path)
    Image.new("RGB", (16, 16), "white").save(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"'1\.png' has changed"):
        cache.open_pixels(scan, DataConfig(), SMALL)
    (tmp_path / "1.png").unlink()
    with pytest.raises(DataError, match=r"'1\.png' does not exist"):
        cache.open_pixels(scan, DataConfig(), SMALL)


def test_pixels_cannot_be_written_to(pictures: Path) -> None:
    found = open_folder(pictures, DataConfig(), SMALL, seed=0)
    with pytest.raises(ValueError, match="read-only"):
        found.pixels.array[0] = 0
    taken = found.train_array()
    taken[:] = 0  # a copy


def test_views_of_a_data_set(pictures: Path) -> None:
    found = open_folder(pictures, DataConfig(), SMALL, seed=0)
    everything = found.train_array()
    assert everything.shape == (44, 16, 16, 3)
    np.testing.assert_array_equal(found.train_array(np.array([3, 5])), everything[[3, 5]])
    drawn = found.train_pixels(10, seed=1)
    assert len(np.unique(drawn.reshape(10, -1), axis=0)) == 10
    np.testing.assert_array_equal(drawn, found.train_pixels(10, seed=1))
    assert len(found.train_pixels(1000, seed=1)) == 44
    assert found.holdout_pixels().shape == (16, 16, 16, 3)
    assert found.holdout_pixels(5).shape == (5, 16, 16, 3)
    assert found.themes == ("tall", "wide")
    assert found.theme_matrix.shape == (60, 2)
    assert found.theme_matrix.sum(axis=0).tolist() == [40, 20]
    assert found.statistics["themes"] == {"tall": 40, "wide": 20}


def test_batches_say_which_pictures_they_hold(pictures: Path) -> None:
    found = open_folder(pictures, DataConfig(), SMALL, seed=0)
    batches = found.batches(50, 0)
    pixels = batches.next()
    indices, _ = batches.served()
    np.testing.assert_array_equal(pixels, found.pixels.take(indices))
    wide = [found.scan.pictures[i].theme == "wide" for i in indices]
    np.testing.assert_array_equal(found.theme_matrix[indices], np.column_stack((np.logical_not(wide), wide)))


def test_balance_moves_what_is_shown_and_nothing_else(pictures: Path) -> None:
    plain, even = (open_folder(pictures, DataConfig(balance=b), SMALL, seed=0) for b in (0.0, 1.0))
    np.testing.assert_array_equal(plain.holdout_indices, even.holdout_indices)
    assert plain.fingerprint == even.fingerprint
    shares = []
    for dataset in (plain, even):
        batches = dataset.batches(4400, 0)
        batches.next()
        shares.append(dataset.theme_matrix[batches.served()[0]].mean(axis=0))
    np.testing.assert_allclose(shares[0], plain.theme_matrix[plain.train_indices].mean(axis=0))
    np.testing.assert_allclose(shares[1], [0.5, 0.5], atol=0.01)


def test_the_fingerprint_follows_themes(pictures: Path, tmp_path: Path) -> None:
    by_folder = open_folder(pictures, DataConfig(), SMALL, seed=0)
    assert (
        open_folder(pictures, DataConfig(themes="none"), SMALL, seed=0).fingerprint != by_folder.fingerprint
    )
    table = tmp_path / "t.csv"
    rows = [f"{p.path},{p.theme}" for p in by_folder.scan.pictures]
    table.write_text("\n".join(["file,theme", *rows]))
    by_table = open_folder(pictures, DataConfig(themes=str(table)), SMALL, seed=0)
    assert by_table.fingerprint == by_folder.fingerprint


def test_some_of_each_theme_are_among_those_that_are_drawn(pictures: Path) -> None:
    dataset = open_folder(pictures, DataConfig(), SMALL, seed=0)
    count, wide = len(dataset.train_indices), dataset.themes.index("wide")
    drawn = [dataset.some_to_train_on(12, seed, of_each_theme=6) for seed in range(20)]
    for places in drawn:
        assert len(set(places)) == 12
        assert set(places) <= set(dataset.train_indices)
        assert dataset.theme_matrix[places, wide].sum() == 6
    by_chance = [dataset.theme_matrix[dataset.some_to_train_on(12, s), wide].sum() for s in range(20)]
    assert min(by_chance) < 4
    everything = dataset.some_to_train_on(1_000, 0, of_each_theme=6)
    np.testing.assert_array_equal(everything, dataset.some_to_train_on(count, 0))
    assert len(everything) == count


@pytest.mark.parametrize("fit", ["crop", "random-crop"])
def test_palettes_are_found_once_and_are_those_of_the_pixels(
    pictures: Path, fit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from impasto.data import palette_cache
    from impasto.image.palettes import palettes_of

    found = open_folder(pictures, DataConfig(fit=fit), SMALL, seed=0)
    assert found.palettes.shape == (60, 5, 4)
    direct = palettes_of(codec.to_tensor(found.pixels.take(np.arange(60)))).numpy()
    np.testing.assert_allclose(found.palettes, direct, atol=1e-6)
    with pytest.raises(ValueError, match="read-only"):
        found.palettes[0] = 0

    def refuse(*_: object) -> None:
        raise AssertionError("found again")

    before = palette_cache.palettes_of_pixels
    monkeypatch.setattr(palette_cache, "palettes_of_pixels", refuse)
    again = open_folder(pictures, DataConfig(fit=fit), SMALL, seed=0)
    np.testing.assert_array_equal(again.palettes, found.palettes)
    with pytest.raises(ValueError, match="read-only"):
        again.palettes[0] = 0
    monkeypatch.setattr(palette_cache, "palettes_of_pixels", before)
    (kept,) = only_cache().glob("palettes-*")
    whole = kept.read_bytes()
    foreign = io.BytesIO()
    np.save(foreign, np.zeros((60, 3, 4), np.float32))
    for damaged in (whole[:100], b"", foreign.getvalue()):
        kept.write_bytes(damaged)  # made again
        mended = open_folder(pictures, DataConfig(fit=fit), SMALL, seed=0)
        np.testing.assert_array_equal(mended.palettes, found.palettes)
        assert kept.read_bytes() == whole


def test_dedupe_drops_copies(pictures: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(pictures, copy)
    shutil.copy(copy / "tall" / "01.png", copy / "tall" / "zz.png")
    assert len(open_folder(copy, DataConfig(), SMALL, seed=0).scan.pictures) == 61
    assert len(open_folder(copy, DataConfig(dedupe=True), SMALL, seed=0).scan.pictures) == 60


def test_another_folder_is_compared_without_the_tags_that_a_model_learned_from(pictures: Path) -> None:
    tagged = DataConfig(themes="tags")
    with pytest.raises(DataError, match="has tags"):
        open_folder(pictures, tagged, SMALL, seed=0)
    assert open_to_compare(pictures, tagged, SMALL, seed=0).themes == ()
    assert open_to_compare(pictures, DataConfig(), SMALL, seed=0).themes == ("tall", "wide")
    with pytest.raises(DataError):
        open_to_compare(pictures / "absent", tagged, SMALL, seed=0)


def test_a_run_among_its_pictures_changes_nothing(pictures: Path, tmp_path: Path) -> None:
    """So it can be resumed for ever: neither its sheets nor other results become pictures to learn from."""
    root = tmp_path / "pictures"
    shutil.copytree(pictures, root)
    before = open_folder(root, DataConfig(), SMALL, seed=0)
    for name in ("run/samples/000100.png", "run/history.webp", "larger/00.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "tall" / "01.png", root / name)
    for name in ("config.json", "events.jsonl"):
        (root / "run" / name).touch()
    outputs.record(root / "larger", ["00.png"])
    after = open_folder(root, DataConfig(), SMALL, seed=0)
    assert after.fingerprint == before.fingerprint
    assert after.themes == ("tall", "wide")
    assert before.notes == ()
    assert after.notes == (
        "Left out: 1 picture that Impasto wrote ('larger/00.png'), 1 part of a run or a model ('run').",
    )


def smooth(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((48, 48), Image.Resampling.BICUBIC)


def test_near_copies_and_mirror_images_are_on_one_side_of_the_split(tmp_path: Path) -> None:
    """Else a copy of a training picture would be near a held-out one, and pass for new."""
    for seed in range(40):
        smooth(seed).save(tmp_path / f"{seed:02}-a.png")
        smooth(seed).save(tmp_path / f"{seed:02}-b.jpg", quality=70)
        ImageOps.mirror(smooth(seed)).save(tmp_path / f"{seed:02}-c.png")
    sides = {}
    for together in ("near-copies", "copies"):
        found = open_folder(tmp_path, DataConfig(together=together), SMALL, seed=0)
        held = {found.scan.pictures[i].path[:2] for i in found.holdout_indices}
        trained = {found.scan.pictures[i].path[:2] for i in found.train_indices}
        sides[together] = held & trained
        assert found.notes == ()
    assert sides["near-copies"] == set()
    assert sides["copies"]


def test_a_folder_of_like_frames_says_that_new_cannot_be_told_from_copied(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(60):
        noise = rng.integers(-1, 2, (48, 48, 3))
        frame = np.clip(np.asarray(smooth(0), np.int64) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(frame).save(tmp_path / f"{index:02}.png")
    found = open_folder(tmp_path, DataConfig(), SMALL, seed=0)
    assert len(found.holdout_indices) == 16
    assert "near copies of each other" in found.notes[-1]
