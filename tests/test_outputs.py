from pathlib import Path

import pytest

from impasto.errors import InputError
from impasto.outputs import LIST_NAME, Outputs, is_run_or_model, means_file, record, written_in


def test_names_are_recorded_line_by_line(tmp_path: Path) -> None:
    assert written_in(tmp_path) == frozenset()
    record(tmp_path, ["a.png", "new\nline.png", "caf\udce9.png"])
    record(tmp_path, ["b.png", "a.png"])
    assert written_in(tmp_path) == {"a.png", "b.png", "new\nline.png", "caf\udce9.png"}


def test_a_damaged_list_gives_the_lines_that_are_whole(tmp_path: Path) -> None:
    record(tmp_path, ["a.png", "b.png"])
    path = tmp_path / LIST_NAME
    path.write_bytes(path.read_bytes()[:-3] + b"\xff")
    assert written_in(tmp_path) == {"a.png"}


def test_runs_and_models_are_known_by_their_files(tmp_path: Path) -> None:
    assert not is_run_or_model(tmp_path)
    (tmp_path / "config.json").touch()
    assert not is_run_or_model(tmp_path)
    (tmp_path / "events.jsonl").touch()
    assert is_run_or_model(tmp_path)


def test_what_exists_is_refused_in_one_message(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(6)]
    Outputs(tmp_path / "new" / "deep", names)
    assert list(tmp_path.iterdir()) == []  # nothing is written by asking
    for name in names[1:]:
        (tmp_path / name).touch()
    with pytest.raises(
        InputError, match=r"5 files are there already: '.*1\.png', '.*2\.png', '.*3\.png' \.\.\."
    ) as e:
        Outputs(tmp_path, names)
    assert "--overwrite" in e.value.hint
    with pytest.raises(InputError, match=r"'[^']*1\.png' is there already"):
        Outputs(tmp_path, names[:2])
    Outputs(tmp_path, names, overwrite=True)


def test_links_and_folders_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to("nowhere")
    with pytest.raises(InputError, match="is there already"):
        Outputs(tmp_path, ["link.png"])
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        Outputs(tmp_path, ["folder.png"], overwrite=True)
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="is a file, not a folder"):
            Outputs(folder, ["a.png"])


def test_each_file_is_listed_once(tmp_path: Path) -> None:
    for _ in range(2):
        outputs = Outputs(tmp_path / "new", ["a.png", "b.png"])
        assert outputs.path("a.png") == tmp_path / "new" / "a.png"
    assert (tmp_path / "new" / LIST_NAME).read_text().count("a.png") == 1
    assert written_in(tmp_path / "new") == {"a.png"}


def test_a_name_of_a_file_is_told_from_that_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "is.png").mkdir()
    assert means_file(tmp_path / "new.PNG", {".png"})
    for name in ("is.png", "new", "run.v2", "new.jpg"):
        assert not means_file(tmp_path / name, {".png"})
