from pathlib import Path

from impasto.outputs import LIST_NAME, is_run_or_model, record, written_in


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
