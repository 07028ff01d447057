"""Packed pictures are the folder's pictures; their order, their split and their place are exact."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import impasto
from impasto.cli import app
from impasto.config.shared import DataConfig, ImageConfig
from impasto.data import sharded
from impasto.data.opening import open_pictures
from impasto.data.packing import pack_folder
from impasto.data.scan import content_hash
from impasto.data.shards import INDEX, expand, find_shards, samples_in
from impasto.errors import DataError, InputError
from tests.small_runs import NETWORKS, SMALL

IMAGE = ImageConfig(size=16)
DATA = DataConfig()


@pytest.fixture
def packed(shapes: Path, tmp_path: Path) -> Path:
    pack_folder(shapes, tmp_path / "shards", DATA, IMAGE, per_shard=10)
    return tmp_path / "shards"


def opened(place: Path | str, data: DataConfig = DATA, image: ImageConfig = IMAGE):
    return open_pictures(place, data, image, seed=0)


def test_a_shard_holds_each_picture_with_what_is_known_of_it(shapes: Path, packed: Path) -> None:
    index = json.loads((packed / INDEX).read_text())
    assert (index["pictures"], index["themes"]) == (96, {"discs": 48, "squares": 48})
    assert [s["pictures"] for s in index["shards"]] == [10] * 9 + [6]
    files = {content_hash(p.read_bytes()): p for p in shapes.rglob("*.png")}
    for shard in find_shards(str(packed)).shards:
        for sample in samples_in(Path(shard.place), ""):
            path = files.pop(content_hash(sample.picture))
            assert sample.themes == (path.parent.name,)
        with tarfile.open(shard.place) as tar:
            about = json.load(tar.extractfile(tar.getnames()[1]))
        assert about["path"].split("/")[0] == about["themes"][0]
        assert about["palette"][0][0].startswith("#")
        assert sum(share for _, share in about["palette"]) == pytest.approx(1, abs=1e-3)
    assert files == {}


@pytest.mark.parametrize("fit", ["crop", "letterbox", "random-crop", "windows"])
def test_shards_are_the_same_pictures_as_the_folder(shapes: Path, packed: Path, fit: str) -> None:
    data = DataConfig(fit=fit)
    folder, shards = opened(shapes, data), opened(packed, data)
    assert shards.themes == folder.themes == ("discs", "squares")
    everything = np.arange(96)
    places = np.random.default_rng(0).random((96, 2))
    ours = {p.tobytes(): i for i, p in enumerate(shards.pixels.take(everything))}
    assert len(ours) == 96
    row = np.array([ours[p.tobytes()] for p in folder.pixels.take(everything)])
    np.testing.assert_array_equal(shards.pixels.take(row, places), folder.pixels.take(everything, places))
    np.testing.assert_array_equal(shards.pixels.whole(int(row[5])), folder.pixels.whole(5))
    np.testing.assert_array_equal(shards.theme_matrix[row], folder.theme_matrix)
    np.testing.assert_allclose(shards.palettes[row], folder.palettes, atol=1e-5)
    assert shards.statistics | {"train": 0, "holdout": 0} == folder.statistics | {"train": 0, "holdout": 0}


def test_an_epoch_serves_each_picture_once_and_goes_on_in_the_middle(packed: Path, monkeypatch) -> None:
    monkeypatch.setattr(sharded, "WINDOW", 3)
    dataset = opened(packed)
    count = len(dataset.train_indices)
    batches = dataset.batches(8, seed=5)
    order = batches.indices_at(np.arange(3 * count))
    for epoch in range(3):
        assert sorted(order[epoch * count : (epoch + 1) * count]) == sorted(dataset.train_indices)
    assert (order[:count] != order[count : 2 * count]).any()
    shards = np.searchsorted(dataset.pixels.bounds, order[:count], side="right")
    assert len(set(shards[:10])) == 3  # mixed, from as many shards as are open, and no more
    whole = [batches.next() for _ in range(30)]
    for _ in range(5):  # in the middle of an epoch
        (part := dataset.batches(8, seed=5)).next()
    part = dataset.batches(8, seed=5)
    for _ in range(5):
        part.next()
    resumed = opened(packed).batches(8, seed=1)
    resumed.load_state_dict(json.loads(json.dumps(part.state_dict())))
    for expected in whole[5:]:
        np.testing.assert_array_equal(resumed.next(), expected)


def test_processes_share_a_batch_without_overlap(packed: Path) -> None:
    dataset = opened(packed)
    alone = dataset.batches(8, seed=0)
    ranks = [dataset.batches(8, seed=0, rank=rank, world=4) for rank in range(4)]
    for _ in range(25):
        expected, parts = alone.next(), [batches.next() for batches in ranks]
        np.testing.assert_array_equal(np.stack(parts, 1).reshape(expected.shape), expected)


def test_rare_themes_come_more_often_if_asked(shapes: Path, tmp_path: Path) -> None:
    shutil.copytree(shapes, tmp_path / "few")
    for path in sorted((tmp_path / "few" / "discs").iterdir())[16:]:
        path.unlink()
    pack_folder(tmp_path / "few", tmp_path / "shards", DATA, IMAGE, per_shard=8)
    dataset = opened(tmp_path / "shards", DataConfig(balance=1))
    batches = dataset.batches(8, seed=0)
    served = batches.indices_at(np.arange(20 * len(dataset.train_indices)))
    assert dataset.themes_of(served).mean(0) == pytest.approx([0.5, 0.5], abs=0.05)
    some = dataset.some_to_train_on(20, 0, of_each_theme=8)
    assert (dataset.themes_of(some).sum(0) >= 8).all()


def test_copies_are_held_out_together(shapes: Path, tmp_path: Path) -> None:
    for i, path in enumerate(sorted(shapes.rglob("*.png"))[:40]):
        for copy in "abc":
            target = tmp_path / "copies" / f"{i}{copy}.png"
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)
    for least in (16, 17, 18):
        out = tmp_path / f"shards{least}"
        pack_folder(tmp_path / "copies", out, DATA, IMAGE, per_shard=50)
        dataset = opened(out, DataConfig(holdout_min_pictures=least))
        held = {p.tobytes() for p in dataset.holdout_pixels()}
        assert held.isdisjoint({p.tobytes() for p in dataset.train_array()})
        assert len(dataset.holdout_indices) == 18


def test_packing_goes_on_where_it_was_interrupted(shapes: Path, tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "shards"

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage.startswith("packing") and done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack_folder(shapes, out, DATA, IMAGE, per_shard=10, progress=interrupt)
    assert not (out / INDEX).exists()
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.tar")}
    assert len(before) == 4
    assert pack_folder(shapes, out, DATA, IMAGE, per_shard=10).written == 6
    assert all((out / name).stat().st_mtime_ns == when for name, when in before.items())
    assert pack_folder(shapes, out, DATA, IMAGE, per_shard=10).written == 0
    first = (out / "shard-000003.tar").read_bytes()
    (out / "shard-000003.tar").unlink()
    assert pack_folder(shapes, out, DATA, IMAGE, per_shard=10).written == 1
    assert (out / "shard-000003.tar").read_bytes() == first  # to the last bit
    assert sorted(p.name for p in out.iterdir() if not p.name.startswith(".lock"))[-1] == "shard-000009.tar"
    assert not list(out.glob(".*.tmp"))
    with pytest.raises(DataError, match="other pictures"):
        pack_folder(shapes, out, DATA, IMAGE, per_shard=11)
    with pytest.raises(DataError, match="not empty"):
        pack_folder(shapes, shapes, DATA, IMAGE)


def test_sets_packed_by_earlier_versions_are_read_and_kept(shapes: Path, packed: Path) -> None:
    """Version 0.1 wrote the count of all pictures before the themes."""
    now = json.loads((packed / INDEX).read_text())
    keys = ("format", "version", "pictures", "themes", "mean_colour", "shortest_side_px", "shards")
    assert set(now) == set(keys)
    assert {tuple(shard) for shard in now["shards"]} == {("name", "pictures", "bytes", "sha256", "contents")}
    before = opened(packed)
    (packed / INDEX).write_text(json.dumps({key: now[key] for key in keys}, indent=1))
    after = opened(packed)
    assert (after.fingerprint, after.themes, after.statistics) == (
        before.fingerprint,
        before.themes,
        before.statistics,
    )
    assert pack_folder(shapes, packed, DATA, IMAGE, per_shard=10).written == 0


def test_the_order_is_the_same_in_every_version(packed: Path) -> None:
    """Runs on shards that an earlier version began go on as they would have: figures of version 0.1."""
    dataset = opened(packed)
    served = dataset.batches(8, seed=5).indices_at(np.arange(0, 240, 20))
    assert served.tolist() == [37, 66, 80, 31, 79, 45, 64, 16, 41, 48, 30, 73]


def test_a_bad_picture_is_named_and_left_out(shapes: Path, tmp_path: Path) -> None:
    shutil.copytree(shapes, tmp_path / "pictures")
    whole = (tmp_path / "pictures" / "discs" / "001.png").read_bytes()
    (tmp_path / "pictures" / "discs" / "cut.png").write_bytes(whole[:60])
    (tmp_path / "pictures" / "notes.txt").write_text("mine")
    words = ["pack", str(tmp_path / "pictures"), "--out", str(tmp_path / "shards")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert "96 pictures in 1 shard" in done.output
    assert "discs/cut.png" in done.output
    again = CliRunner().invoke(app, [*words, "--json"])
    assert json.loads(again.output)["written"] == 0
    assert list(json.loads(again.output)["rejected"]) == ["discs/cut.png"]


def test_damage_is_told_and_never_trained_on(packed: Path) -> None:
    dataset = opened(packed)
    path = packed / "shard-000007.tar"
    raw = bytearray(path.read_bytes())
    raw[600] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"shard-000007.*checksum"):
        dataset.train_array()
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        opened(packed).train_array()


def test_shards_of_others_need_no_index(packed: Path, shapes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    paths = sorted(shapes.rglob("*.png"))
    for number in range(2):
        with tarfile.open(folder / f"x-{number}.tar", "w") as tar:
            for i, path in enumerate(paths[number * 48 : number * 48 + 48]):
                for suffix, raw in (("png", path.read_bytes()), ("cls", str(i % 2).encode())):
                    entry = tarfile.TarInfo(f"some/{i:04}.image.{suffix}")
                    entry.size = len(raw)
                    tar.addfile(entry, io.BytesIO(raw))
            entry = tarfile.TarInfo("some/broken.png")
            entry.size = 9
            tar.addfile(entry, io.BytesIO(b"no image."))
    for place in (folder, f"{folder}/x-{{0..1}}.tar", f"{folder}/x-{{0,1}}.tar"):
        dataset = opened(place)
        assert dataset.themes == ("0", "1")
        assert (len(dataset.train_indices), len(dataset.holdout_indices)) == (80, 16)
        assert [r.path for r in dataset.scan.rejected] == ["x-0.tar:some/broken", "x-1.tar:some/broken"]
    with pytest.raises(DataError, match=r"no shard .*x-2\.tar"):
        opened(f"{folder}/x-{{0..2}}.tar")
    (folder / "x-1.tar").write_bytes((folder / "x-1.tar").read_bytes()[:5000])
    with pytest.raises(DataError, match=r"x-1\.tar' cannot be read"):
        opened(folder)


@pytest.mark.parametrize("fit", ["crop", "random-crop"])
def test_pictures_of_shards_need_not_be_square(shapes: Path, packed: Path, fit: str) -> None:
    wide = ImageConfig(size=16, width=24)
    dataset, direct = (
        opened(place, DATA.model_copy(update={"fit": fit}), wide) for place in (packed, shapes)
    )
    assert dataset.pixels.take(np.arange(96)).shape == (96, 16, 24, 3)
    assert dataset.batches(4, 0).next().shape == (4, 16, 24, 3)
    mine, theirs = ({p.tobytes() for p in d.pixels.take(np.arange(96))} for d in (dataset, direct))
    assert mine == theirs


def test_settings_that_shards_cannot_follow_are_refused(packed: Path) -> None:
    with pytest.raises(DataError, match="themes"):
        opened(packed, DataConfig(themes="tags"))
    with pytest.raises(DataError, match="copies"):
        opened(packed, DataConfig(dedupe=True))
    with pytest.raises(DataError, match="32 px"):
        opened(packed, DataConfig(min_side_px=64))
    with pytest.raises(DataError, match="at least 108"):
        opened(packed, DataConfig(holdout_min_pictures=100))
    assert opened(packed, DataConfig(themes="none")).themes == ()


def test_a_folder_of_shards_is_not_inspected(packed: Path) -> None:
    done = CliRunner().invoke(app, ["inspect", str(packed)])
    assert isinstance(done.exception, DataError | InputError)
    assert "holds shards" in done.exception.message


def test_what_means_shards(packed: Path, shapes: Path, tmp_path: Path) -> None:
    assert find_shards(str(packed))
    assert not find_shards(str(shapes))
    assert not find_shards(str(tmp_path / "absent"))
    assert expand("a-{08..11}-{x,y}.tar")[:3] == ["a-08-x.tar", "a-08-y.tar", "a-09-x.tar"]
    assert expand("plain.tar") == ["plain.tar"]
    (packed / INDEX).write_text('{"format": "impasto-shards", "version": 99, "shards": []}')
    with pytest.raises(DataError, match="newer"):
        opened(packed)
    (packed / INDEX).write_text('{"shards": "of another program"}')
    assert len(opened(packed).pixels) == 96


@pytest.mark.parametrize("preset", [pytest.param("few-shot", marks=pytest.mark.slow), "dcgan"])
def test_a_run_on_shards_resumes_in_the_middle_of_an_epoch(packed: Path, tmp_path: Path, preset: str) -> None:
    """80 pictures to learn from: 40 images are half an epoch."""
    settings = SMALL | NETWORKS[preset] | {"data.balance": 0.5}

    def train(out: str, images: int, **more) -> None:
        impasto.train(packed, tmp_path / out, preset=preset, overrides=settings, images=images, **more)

    train("whole", 120)
    train("parts", 40)
    train("parts", 120, resume=True)
    whole, parts = (load_file(tmp_path / out / "state.safetensors") for out in ("whole", "parts"))
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())
    if preset == "few-shot":
        assert impasto.load(tmp_path / "whole").themes == ("discs", "squares")
        report = impasto.evaluate(impasto.load(tmp_path / "whole"), packed, samples=16)
        assert report["layout_source_auc"] is not None


def test_without_a_preset_the_index_chooses(packed: Path, tmp_path: Path) -> None:
    run = impasto.train(packed, tmp_path / "run", images=8, overrides=SMALL | NETWORKS["few-shot"])
    assert json.loads((run.out / "config.json").read_text())["preset"] == "few-shot"


def test_few_shards_are_open_at_a_time(packed: Path, monkeypatch) -> None:
    monkeypatch.setattr(sharded, "MOST_OPEN", 2)
    dataset = opened(packed)
    dataset.train_array()
    assert dataset.pixels.open.cache_info().currsize == 2
    assert dataset.pixels.whole(95).shape == (16, 16, 3)


def member(name: str, size: int, kind: bytes = b"0", sparse: bytes = b"") -> bytes:
    """A tar header, written out by hand (POSIX.1-2001, pax; GNU tar's manual for large numbers and holes)."""
    number = b"%011o\0" % size
    if not 0 <= size < 8**11:
        number = size.to_bytes(12, "big", signed=True) if size < 0 else b"\x80" + size.to_bytes(11, "big")
    head = bytearray(512)
    head[: len(name)] = name.encode()
    head[100:148] = b"0000644\0" + b"0000000\0" * 2 + number + b"%011o\0" % 0
    head[156:157] = kind
    head[257:265] = b"ustar  \0" if sparse else b"ustar\x0000"
    head[386 : 386 + len(sparse)] = sparse
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def pax(**records: str) -> bytes:
    """A header of records for the member behind it."""
    body = b""
    for key, value in records.items():
        line = f" {key}={value}\n".encode()
        length = len(line) + len(str(len(line) + 3))
        length = next(n for n in (length - 1, length, length + 1) if n == len(str(n)) + len(line))
        body += str(length).encode() + line
    return member("PaxHeader", len(body), b"x") + body + bytes(-len(body) % 512)


GNU_SPARSE = b"00000000000\0" + b"00000000001\0" + bytes(72) + b"\0" + b"\x80" + (10**11).to_bytes(11, "big")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (member("a.png", 512, b"S", GNU_SPARSE) + bytes(512), "sparse"),
        (
            pax(**{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(10**11)})
            + member("a.png", 512)
            + b"0\n".ljust(512, b"\0"),
            "sparse|cannot be read",
        ),
        (pax(**{"GNU.sparse.map": "0,x"}) + member("a.png", 512) + bytes(512), "cannot be read"),
        (pax(size=str(10**11)) + member("a.png", 512) + bytes(512), "claims 100,000,000,000 bytes"),
        (member("a.png", 10**11) + bytes(512), "claims 100,000,000,000 bytes"),
        (member("a.png", -512) + bytes(512), "cannot be read"),
        (pax(size="-1024") + member("a.png", 512) + bytes(512), "cannot be read"),
        (member("PaxHeader", 10**11, b"x") + bytes(512), "claims 100,000,000,"),
        (member("@LongLink", 10**11, b"L") + bytes(512), "claims 100,000,000,"),
        (pax(size="many") + member("a.png", 512) + bytes(512), ""),
    ],
)
def test_a_tar_that_lies_about_its_size_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content + bytes(8192))
    if not words:  # tarfile takes what is no number for none
        assert len(list(samples_in(path, "x.tar"))) == 1
        return
    with pytest.raises(DataError, match=words):
        list(samples_in(path, "x.tar"))


def test_only_what_belongs_to_a_picture_is_read_from_a_tar(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        for suffix in ("png", "json", *(f"s{i}" for i in range(5))):
            entry = tarfile.TarInfo(f"a.{suffix}")
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"null"))
    (sample,) = samples_in(path, "x.tar")
    assert (sample.picture, sample.themes) == (b"null", ())
    nested = tmp_path / "nested.tar"
    about = b"[" * 100_000
    with tarfile.open(nested, "w") as tar:
        for suffix, raw in (("png", b"null"), ("json", about)):
            entry = tarfile.TarInfo(f"a.{suffix}")
            entry.size = len(raw)
            tar.addfile(entry, io.BytesIO(raw))
    assert [s.themes for s in samples_in(nested, "nested.tar")] == [()]


@pytest.mark.parametrize(
    "change",
    [
        {"pictures": 10**30},
        {"pictures": -1},
        {"pictures": 1e400},
        {"bytes": 10, "pictures": 10},
        {"pictures": 10**12, "bytes": 10**18},
        {"name": "../x.tar"},
    ],
)
def test_an_index_of_impossible_numbers_is_refused(packed: Path, change: dict[str, object]) -> None:
    index = json.loads((packed / INDEX).read_text())
    index["shards"][0] |= change
    (packed / INDEX).write_text(json.dumps(index))
    with pytest.raises(DataError, match="not one of Impasto's"):
        find_shards(str(packed))


def test_an_index_or_a_pattern_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_bytes(b'{"format":' + b"[" * 100_000)
    assert not find_shards(str(tmp_path))
    with pytest.raises(DataError, match="more than 1,000,000 shards"):
        expand("x-{0..999999999999}.tar")
    with pytest.raises(DataError, match="more than 1,000,000 shards"):
        expand("x-{0..9999}-{0..9999}.tar")
