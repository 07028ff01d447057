import os
from pathlib import Path

import pytest
from PIL import Image

from impasto.data import scan as scanning
from impasto.data.scan import scan_folder
from impasto.errors import DataError
from impasto.image import codec
from tests.encoded import picture


def age(root: Path) -> None:
    """Make files as old as those of a folder that was not written this very second."""
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, ns=(10**18, 10**18))


def test_a_mixed_folder_is_sorted_out(tmp_path: Path) -> None:
    picture(tmp_path / "top.png", 0)
    picture(tmp_path / "cats" / "deep" / "B.JPG", 1)
    picture(tmp_path / "cats" / "a.png", 2, (40, 16))
    picture(tmp_path / ".hidden" / "x.png", 3)
    picture(tmp_path / ".x.png", 3)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "LICENSE").write_text("hello")
    found = scan_folder(tmp_path)
    assert [p.path for p in found.pictures] == ["cats/a.png", "cats/deep/B.JPG", "top.png"]
    assert [p.theme for p in found.pictures] == ["cats", "cats", None]
    assert [p.format for p in found.pictures] == ["png", "jpeg", "png"]
    assert (found.pictures[0].width, found.pictures[0].height) == (40, 16)
    assert found.themes == ("cats",)
    assert found.ignored == 2
    assert not found.rejected
    assert found.thumbs().shape == (3, 8, 8, 3)


def test_every_broken_file_is_named_with_its_reason(tmp_path: Path) -> None:
    good = picture(tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.webp").write_text("hello")
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere.png")
    picture(tmp_path / "tiny.png", size=(4, 4))
    picture(tmp_path / "vast.png", size=(60, 60))
    found = scan_folder(tmp_path, max_pixels=1000)
    reasons = {r.path: r.reason for r in found.rejected}
    assert [p.path for p in found.pictures] == ["good.png"]
    assert reasons.pop("cut.png").startswith("is truncated")
    assert reasons == {
        "empty.jpg": "is empty",
        "text.webp": "is not a picture Impasto can read",
        "lost.png": "does not exist",
        "tiny.png": "is too small: 4 x 4 px, at least 8 are needed",
        "vast.png": "is too large: 60 x 60 = 0.0036 megapixels, the limit is 0.001",
    }


def test_a_folder_that_is_no_use_is_explained(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").touch()
    for root, words in (
        (tmp_path / "none", "there is no folder"),
        (tmp_path / "bad" / "a.png", "is a file"),
        (tmp_path / "empty", "there are no pictures"),
        (tmp_path / "bad", "none of the 1 pictures"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            scan_folder(root)
        assert caught.value.hint


def test_links_that_go_round_end(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert [p.path for p in scan_folder(tmp_path).pictures] == ["a/x.png"]


def test_brightness_and_colour(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (255, 0, 0)).save(tmp_path / "red.png")
    found = scan_folder(tmp_path).pictures[0]
    assert found.mean_colour == (1, 0, 0)
    assert found.mean_brightness == pytest.approx(0.2126)


def test_only_what_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(5):
        picture(tmp_path / f"{index}.png", index)
    (tmp_path / "bad.png").touch()
    age(tmp_path)
    first = scan_folder(tmp_path)
    reads: list[str] = []
    read_bytes = codec.read_bytes

    def counting(source: Path | bytes) -> bytes:
        if isinstance(source, Path):
            reads.append(source.name)
        return read_bytes(source)

    monkeypatch.setattr(codec, "read_bytes", counting)
    assert scan_folder(tmp_path) == first
    assert reads == []
    picture(tmp_path / "3.png", 99)
    (tmp_path / "4.png").unlink()
    second = scan_folder(tmp_path)
    assert reads == ["3.png"]
    assert len(second.pictures) == 4
    assert second.pictures[3].content_hash != first.pictures[3].content_hash


def test_a_file_written_this_moment_is_not_trusted_to_stay(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 0)
    first = scan_folder(tmp_path).pictures[0]
    status = path.stat()
    data = path.read_bytes()
    picture(path, 1)
    changed = path.read_bytes()[: len(data)].ljust(len(data), b"\0")
    path.write_bytes(changed)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))  # as on a file system with coarse time
    assert path.stat().st_size == status.st_size
    assert scan_folder(tmp_path).pictures[0].content_hash != first.content_hash


@pytest.mark.parametrize("damage", [b"", b"{", b"[1, 2]", b'{"0.png": 3}', b'{"0.png": [1, 2, 3]}'])
def test_a_damaged_index_is_made_again(tmp_path: Path, damage: bytes) -> None:
    root = tmp_path / "pictures"
    picture(root / "0.png")
    age(root)
    first = scan_folder(root)
    index = scanning._index_path(root, 8, codec.MAX_PIXELS)
    assert index.exists()
    index.write_bytes(damage)
    assert scan_folder(root) == first


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        picture(tmp_path / "a.png").rename(tmp_path / name)
    except OSError:
        pytest.skip("this file system takes Unicode names alone")
    age(tmp_path)
    assert scan_folder(tmp_path).pictures[0].path == name
    assert scan_folder(tmp_path).pictures[0].path == name


def test_progress_is_told(tmp_path: Path) -> None:
    for index in range(3):
        picture(tmp_path / f"{index}.png", index)
    told: list[tuple[str, int, int]] = []
    scan_folder(tmp_path, progress=lambda *now: told.append(now))
    assert [(done, total) for _, done, total in told] == [(1, 3), (2, 3), (3, 3)]
