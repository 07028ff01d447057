"""Streams become shards like those of a folder; the sets of other libraries, offline."""

import json
import random
import socket
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from impasto.cli import app
from impasto.config.shared import DataConfig, ImageConfig
from impasto.data import packing
from impasto.data.opening import open_pictures, pictures_in
from impasto.data.packing import pack_folder, pack_stream
from impasto.data.shards import Sample
from impasto.errors import DataError, InputError

IMAGE, DATA = ImageConfig(size=16), DataConfig()


def sorted_by_theme(shapes: Path) -> list[Sample]:
    return [Sample(p.name, p.read_bytes(), (p.parent.name,)) for p in sorted(shapes.rglob("*.png"))]


def opened(place: Path | str):
    return open_pictures(place, DATA, IMAGE, seed=0)


def test_a_stream_becomes_shards_of_the_same_pictures(shapes: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(packing, "PILES", 2)
    pictures = [*sorted_by_theme(shapes), Sample("broken.png", b"no picture", ())]
    packed = pack_stream(iter(pictures), tmp_path / "shards", DATA, per_shard=10)
    assert [r.path for r in packed.rejected] == ["broken.png"]
    assert packed.shards.themes == {"discs": 48, "squares": 48}
    dataset, folder = opened(tmp_path / "shards"), opened(shapes)
    everything = np.arange(96)
    assert sorted(map(bytes, dataset.pixels.take(everything))) == sorted(
        map(bytes, folder.pixels.take(everything))
    )
    dataset.train_array()  # every checksum is right
    assert (
        0 < dataset.themes_of(dataset.holdout_indices).mean(0)[0] < 1
    )  # both themes, though they came sorted
    assert not list(tmp_path.glob(".shards*"))
    with pytest.raises(DataError, match="holds shards of other"):
        pack_stream(iter(pictures), tmp_path / "shards", DATA)


def test_the_order_of_shards_is_not_that_of_arrival(shapes: Path, tmp_path: Path) -> None:
    pictures = sorted_by_theme(shapes)
    held = []
    for seed in range(2):
        random.Random(seed).shuffle(pictures)
        pack_stream(iter(pictures), tmp_path / f"{seed}", DATA, per_shard=10)
        held.append(opened(tmp_path / f"{seed}").pixels.take(np.arange(96)))
    np.testing.assert_array_equal(*held)


def test_a_stream_takes_the_place_of_a_folder_s_shards_if_asked(shapes: Path, tmp_path: Path) -> None:
    pack_folder(shapes, tmp_path / "shards", DATA, IMAGE, per_shard=10)
    packed = pack_stream(sorted_by_theme(shapes)[::2], tmp_path / "shards", DATA, overwrite=True)
    assert (packed.shards.pictures, len(packed.shards.shards)) == (48, 1)
    assert len(opened(tmp_path / "shards").pixels) == 48
    (tmp_path / "shards" / "index.json").write_text("{}")  # another program's
    with pytest.raises(DataError, match="not empty"):
        pack_stream(sorted_by_theme(shapes), tmp_path / "shards", DATA, overwrite=True)


def test_a_stream_that_breaks_leaves_nothing(shapes: Path, tmp_path: Path) -> None:
    def breaking():
        yield from sorted_by_theme(shapes)[:50]
        raise DataError("gone")

    with pytest.raises(DataError, match="gone"):
        pack_stream(breaking(), tmp_path / "shards", DATA)
    with pytest.raises(DataError, match="no picture"):
        pack_stream([Sample("a", b"", ())], tmp_path / "shards", DATA)
    assert list(tmp_path.iterdir()) == []


def test_hugging_face_sets_on_this_disk(shapes: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # read at import
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    expected = sorted(map(bytes, opened(shapes).pixels.take(np.arange(96))))
    found = opened(f"hf:{shapes}")
    assert found.themes == ("discs", "squares")
    assert sorted(map(bytes, found.pixels.take(np.arange(96)))) == expected
    table = datasets.load_dataset("imagefolder", data_dir=str(shapes), split="train", cache_dir=str(tmp_path))
    (tmp_path / "table").mkdir()
    table.to_parquet(tmp_path / "table" / "a.parquet")
    for place in (f"hf:{tmp_path / 'table'}", f"hf:{tmp_path / 'table' / 'a.parquet'}"):
        found = opened(place)
        assert found.themes == ("discs", "squares")
        assert sorted(map(bytes, found.pixels.take(np.arange(96)))) == expected
        assert pictures_in(place, DATA, IMAGE, seed=0) == 96
    with pytest.raises(InputError, match="cannot be read"):
        opened("hf:nobody/has-this")


def test_torchvision_sets(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("torchvision")
    from torchvision import datasets

    whole = datasets.FakeData.__init__
    monkeypatch.setattr(datasets.FakeData, "__init__", lambda self: whole(self, 40, (3, 16, 16), 3))
    words = ["pack", "torchvision:FakeData", "--out", str(tmp_path / "shards"), "--json"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert json.loads(done.output)["pictures"] == 40
    found = opened("torchvision:FakeData")
    assert found.themes == ("0", "1", "2")
    np.testing.assert_array_equal(found.holdout_pixels(), opened(tmp_path / "shards").holdout_pixels())

    def refuse(*_):
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DataError, match="'torchvision:CIFAR10' cannot be read") as caught:
        opened("torchvision:CIFAR10")
    assert "connection" in caught.value.hint
    with pytest.raises(DataError, match="no set 'CIFAR11'"):
        opened("torchvision:CIFAR11")
