"""What a folder's walk takes and leaves out."""

import os
from pathlib import Path

import pytest

from impasto import outputs
from impasto.data.scan import scan_folder
from impasto.data.walk import among_matches, describe, walk
from impasto.errors import DataError
from tests.encoded import picture


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def paths(root: Path, out: Path | None = None) -> list[str]:
    return [file.path for file in walk(root, out).pictures]


def left(root: Path, out: Path | None = None) -> dict[str, str]:
    return {item.path: item.kind for item in walk(root, out).left_out}


def a_run(folder: Path) -> None:
    touch(folder, "config.json", "events.jsonl", "samples/000100.png", "history.webp", "best/model.json")


def test_what_systems_keep_for_themselves(tmp_path: Path) -> None:
    folders = (
        "@eaDir", "__MACOSX", ".thumbnails", "$RECYCLE.BIN", "System Volume Information", "#recycle",
        ".Trash-1000", ".Trashes", "lost+found",
    )  # fmt: skip
    touch(tmp_path, "a/x.jpg", *(f"{place}{name}/y.jpg" for name in folders for place in ("", "a/")))
    touch(tmp_path, "a/Thumbs.db", "desktop.ini", ".DS_Store", "notes.txt")
    found = walk(tmp_path)
    assert [file.path for file in found.pictures] == ["a/x.jpg"]
    assert found.others == 1
    assert {item.kind for item in found.left_out} == {"system"}
    assert len(found.left_out) == 2 * len(folders)


def test_hidden_ones_and_those_of_macos(tmp_path: Path) -> None:
    touch(tmp_path, "x.jpg", "._x.jpg", ".y.jpg", ".git/z.jpg", ".nothing")
    assert paths(tmp_path) == ["x.jpg"]
    assert left(tmp_path) == {"._x.jpg": "sidecar", ".y.jpg": "hidden", ".git": "hidden"}
    assert paths(tmp_path / ".git") == ["z.jpg"]  # named on purpose


def test_links(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(root, "real/x.jpg")
    touch(tmp_path, "outside/deep/y.jpg")
    (root / "0alias").symlink_to("real", target_is_directory=True)  # comes before it in the order of names
    (root / "linked").symlink_to(tmp_path / "outside", target_is_directory=True)
    (root / "real" / "round").symlink_to(root, target_is_directory=True)
    (root / "lost").symlink_to("nowhere")
    (root / "lost.txt").symlink_to("nowhere")
    (root / "z.jpg").symlink_to("z.jpg")
    (root / "w.jpg").symlink_to("nowhere.jpg")
    assert paths(root) == ["linked/deep/y.jpg", "real/x.jpg", "w.jpg", "z.jpg"]
    assert left(root) == {
        "0alias": "linked",
        "real/round": "linked",
        "lost": "dangling",
        "lost.txt": "dangling",
    }


def test_bad_links_are_named_and_cost_nothing_else(tmp_path: Path) -> None:
    picture(tmp_path / "x.png")
    (tmp_path / "z.png").symlink_to("z.png")
    found = scan_folder(tmp_path)
    assert [p.path for p in found.pictures] == ["x.png"]
    assert found.rejected[0].path == "z.png"
    assert found.rejected[0].reason.startswith("cannot be opened: too many levels")
    assert "1 picture that cannot be used ('z.png' cannot be opened" in found.report


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/x.jpg", "b/y.jpg")
    scandir = os.scandir

    def refusing(path: str) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = walk(tmp_path)
    assert [file.path for file in found.pictures] == ["a/x.jpg"]
    assert describe(found.left_out) == "Left out: 1 folder that cannot be opened ('b': permission denied)."
    with pytest.raises(DataError, match="cannot be opened: permission denied"):
        walk(tmp_path / "b")
    with pytest.raises(DataError, match="cannot be opened: file name too long"):
        walk(tmp_path / ("x" * 300))


def test_a_file_that_may_not_be_read_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(2):
        path = picture(tmp_path / f"{index}.png", index)
        os.utime(path, ns=(10**18, 10**18))
    read_bytes = Path.read_bytes

    def refusing(path: Path) -> bytes:
        if path.name == "1.png":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refusing)
        assert [r.reason for r in scan_folder(tmp_path).rejected] == ["cannot be opened: permission denied"]
    assert scan_folder(tmp_path).rejected == ()  # permissions change no time stamp


def test_what_impasto_wrote_is_no_input(tmp_path: Path) -> None:
    touch(tmp_path, "mine.jpg", "grid.png", "large/mine.jpg", "large/other.jpg")
    outputs.record(tmp_path, ["grid.png"])
    outputs.record(tmp_path / "large", ["mine.jpg"])
    a_run(tmp_path / "run")
    assert paths(tmp_path) == ["large/other.jpg", "mine.jpg"]
    assert left(tmp_path) == {"grid.png": "own", "large/mine.jpg": "own", "run": "run"}


def test_a_folder_that_holds_nothing_else_was_named_on_purpose(tmp_path: Path) -> None:
    touch(tmp_path, "new/0001.png", "new/sub/0002.png", "new/notes.txt")
    outputs.record(tmp_path / "new", ["0001.png"])
    outputs.record(tmp_path / "new" / "sub", ["0002.png"])
    assert paths(tmp_path / "new") == ["0001.png", "sub/0002.png"]
    assert left(tmp_path / "new") == {}


def test_a_run_is_no_folder_of_pictures(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    with pytest.raises(DataError, match="is a run or a model") as caught:
        walk(tmp_path / "run")
    assert "samples" in caught.value.hint
    assert paths(tmp_path / "run" / "samples") == ["000100.png"]  # named on purpose


def test_a_run_among_the_pictures_it_learns_from(tmp_path: Path) -> None:
    touch(tmp_path, "mine.jpg", "cats/x.jpg")
    a_run(tmp_path)
    assert paths(tmp_path) == ["cats/x.jpg", "mine.jpg"]
    assert left(tmp_path) == {"best": "run", "samples": "run", "history.webp": "run"}
    touch(tmp_path / "models", "model.json", "model.safetensors", "samples/y.jpg")
    assert paths(tmp_path / "models") == ["samples/y.jpg"]  # no part of a model
    assert left(tmp_path)["models"] == "run"


def test_where_results_go_is_not_read(tmp_path: Path) -> None:
    touch(tmp_path, "scans/x.jpg", "scans/large/x.jpg")
    assert paths(tmp_path / "scans", tmp_path / "scans" / "large") == ["x.jpg"]
    assert left(tmp_path / "scans", tmp_path / "scans" / "large") == {"large": "out"}
    assert paths(tmp_path / "scans", tmp_path / "scans") == ["large/x.jpg", "x.jpg"]
    assert paths(tmp_path / "scans", tmp_path / "none") == ["large/x.jpg", "x.jpg"]


def test_matches_of_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.jpg", "a/@eaDir/x.jpg", "large/x.jpg")
    outputs.record(tmp_path / "large", ["x.jpg"])
    a_run(tmp_path / "run")
    files = [
        tmp_path / name for name in ("a/x.jpg", "a/@eaDir/x.jpg", "large/x.jpg", "run/samples/000100.png")
    ]
    meant, dropped = among_matches(files, tmp_path)
    assert meant == files[:1]
    assert [item.kind for item in dropped] == ["system", "run", "own"]
    assert among_matches(files[2:3], tmp_path) == (files[2:3], [])
    assert [item.kind for item in among_matches(files, tmp_path, files[2].parent)[1]] == [
        "system",
        "out",
        "run",
    ]
    assert among_matches(files[1:2], files[1].parent) == (files[1:2], [])  # named on purpose


def test_the_report(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{place}/@eaDir/x.jpg" for place in "abcd"), *(f".{name}.jpg" for name in "abcd"))
    touch(tmp_path, "a/x.jpg", "._x\x1b[1m.jpg")
    assert describe(walk(tmp_path).left_out) == (
        "Left out: 4 hidden files and folders ('.a.jpg', '.b.jpg', '.c.jpg', ...), "
        "4 system folders ('@eaDir'), 1 file of macOS beside a picture ('._x\\x1b[1m.jpg')."
    )
    assert describe([]) == ""
    with pytest.raises(DataError, match="there are no pictures") as caught:
        scan_folder(tmp_path / "b")
    assert caught.value.hint.startswith("Left out: 1 system folder ('@eaDir').")
