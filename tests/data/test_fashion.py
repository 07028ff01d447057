"""Fashion-MNIST becomes a folder of pictures by kind."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from impasto.data import fashion
from impasto.data.fashion import KINDS_FILE, PICTURES_FILE, make_fashion_mnist
from impasto.errors import InputError, MissingDependencyError


@pytest.fixture
def pixels(tmp_path, monkeypatch):
    """Three pictures, a bag, a boot and a bag, where they are sought."""
    pixels = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)
    head = struct.pack(">HBBIII", 0, 8, 3, 3, 28, 28)
    (tmp_path / PICTURES_FILE).write_bytes(gzip.compress(head + pixels.tobytes()))
    (tmp_path / KINDS_FILE).write_bytes(gzip.compress(struct.pack(">HBBI", 0, 8, 1, 3) + bytes([8, 9, 8])))
    monkeypatch.setenv("IMPASTO_FASHION_MNIST", str(tmp_path))
    return pixels


def test_pictures_lie_by_kind_in_the_middle_of_black(pixels, tmp_path):
    out = make_fashion_mnist(tmp_path / "set")
    made = {path.relative_to(out).as_posix(): path for path in out.glob("*/*.png")}
    assert sorted(made) == ["bag/00000.png", "bag/00002.png", "boot/00001.png"]
    with Image.open(made["boot/00001.png"]) as picture:
        found = np.asarray(picture)
    assert found.shape == (32, 32)
    np.testing.assert_array_equal(found[2:-2, 2:-2], pixels[1])
    assert found.sum() == pixels[1].sum()
    assert "MIT" in (out / "LICENSE.txt").read_text()


def test_a_second_call_finishes_the_first_and_fewer_are_fewer(pixels, tmp_path):
    out = make_fashion_mnist(tmp_path / "set")
    (out / "bag" / "00002.png").unlink()
    kept = (out / "bag" / "00000.png").stat().st_mtime_ns
    make_fashion_mnist(out)
    assert (out / "bag" / "00002.png").is_file()
    assert (out / "bag" / "00000.png").stat().st_mtime_ns == kept
    make_fashion_mnist(out, 2)
    assert not (out / "bag" / "00002.png").exists()


def test_what_is_absent_or_other_is_said(pixels, tmp_path, monkeypatch):
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").touch()
    with pytest.raises(InputError, match="something else"):
        make_fashion_mnist(full)
    (tmp_path / KINDS_FILE).write_bytes(gzip.compress(struct.pack(">HBBI", 0, 8, 1, 2) + bytes([8, 9])))
    with pytest.raises(InputError, match="not those of Fashion-MNIST"):
        make_fashion_mnist(tmp_path / "a")
    (tmp_path / PICTURES_FILE).write_bytes(b"other")
    with pytest.raises(InputError, match="idx"):
        make_fashion_mnist(tmp_path / "b")
    assert not (tmp_path / "b").exists()
    monkeypatch.setenv("IMPASTO_FASHION_MNIST", str(full))
    monkeypatch.setattr(fashion, "FOLDERS", ())
    with pytest.raises(MissingDependencyError, match="Fashion-MNIST"):
        make_fashion_mnist(tmp_path / "c")
