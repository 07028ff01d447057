import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from impasto.config import DataConfig, ImageConfig, preset_names
from impasto.data.inspect import Inspection, choose_preset, dominant_colours, inspect_folder


def folder(root: Path, count: int, size: tuple[int, int] = (64, 64), high: int = 256) -> Path:
    for index in range(count):
        coarse = np.random.default_rng(index).integers(0, high, (5, 5, 3), dtype=np.uint8)
        path = root / ("a" if index % 10 else "b") / f"{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
    return root


def inspected(root: Path, **data: str) -> Inspection:
    return inspect_folder(root, DataConfig(**data), ImageConfig(size=64))


def test_a_folder_is_described(tmp_path: Path) -> None:
    root = folder(tmp_path, 60)
    folder(tmp_path / "c", 1, (100, 300))
    shutil.copy(root / "a" / "001.png", root / "a" / "copy.png")
    (root / "b" / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "notes.txt").touch()
    found = inspected(root)
    assert found.pictures == 62
    assert found.ignored == 1
    assert found.formats == {"png": 62}
    assert found.shortest_side_px == (64, 64, 100)
    assert found.longest_side_px == (64, 64, 300)
    assert found.square_share == pytest.approx(61 / 62, abs=1e-3)
    assert list(found.broken) == ["b/cut.jpg"]
    assert found.exact_duplicates == [["a/001.png", "a/copy.png"]]
    assert found.themes == {"a": 55, "b": 6, "c": 1}
    assert found.holdout == 16
    assert (found.preset, found.preset_reason) == choose_preset(62)
    assert sum(share for _, share in found.palette) == pytest.approx(1, abs=1e-2)
    assert json.loads(json.dumps(found.to_dict()))["palette"][0][0].startswith("#")


@pytest.mark.parametrize(
    ("words", "options", "fit"),
    [
        ("are very few", {"count": 30}, "crop"),
        ("are few", {"count": 60}, "crop"),
        ("Training would refuse this folder", {"count": 9}, "crop"),
        ("far from square", {"count": 30, "size": (64, 128)}, "crop"),
        ("smaller than 64 px", {"count": 30, "size": (40, 40)}, "crop"),
        ("very dark", {"count": 30, "high": 60}, "crop"),
        ("will dominate", {"count": 30}, "crop"),
        ("differ much", {"count": 30}, "crop"),
    ],
)
def test_advice_is_given_where_it_is_due(tmp_path: Path, words: str, options: dict, fit: str) -> None:
    assert any(words in line for line in inspected(folder(tmp_path, **options), fit=fit).advice)


def test_advice_is_not_given_where_it_is_not_due(tmp_path: Path) -> None:
    found = inspected(folder(tmp_path, 60, (64, 128)), fit="letterbox")
    for words in ("far from square", "smaller", "dark", "very few", "copies", "refuse"):
        assert not any(words in line for line in found.advice), words


def test_many_copies_are_worth_a_word(tmp_path: Path) -> None:
    root = folder(tmp_path, 30)
    for index in range(3):
        shutil.copy(root / "a" / "001.png", root / "a" / f"copy{index}.png")
    assert any("3 pictures are copies" in line for line in inspected(root).advice)


def test_dominant_colours_are_the_ones_that_are_there() -> None:
    colours = np.array([[1, 0, 0], [0, 0, 1], [1, 1, 1]])
    pixels = colours[np.repeat([0, 1, 2], [100, 300, 600])].astype(float)
    assert dominant_colours(pixels) == [("#ffffff", 0.6), ("#0000ff", 0.3), ("#ff0000", 0.1)]


def test_the_command_reports(tmp_path: Path) -> None:
    import typer

    from impasto.cli.inspect import inspect

    app = typer.Typer()
    app.command()(inspect)
    root = folder(tmp_path / "[bold]odd", 30)
    (root / "cut.png").touch()
    shown = CliRunner().invoke(app, [str(root)])
    assert shown.exit_code == 0
    for words in ("30 pictures in", "[bold]odd", "cut.png is empty", "Advice", "themes"):
        assert words in shown.output
    assert json.loads(CliRunner().invoke(app, [str(root), "--json"]).output)["pictures"] == 30


def test_the_number_of_pictures_chooses_a_preset_and_says_why() -> None:
    few, many = choose_preset(999), choose_preset(1_000)
    assert (few.preset, many.preset) == ("few-shot", "default")
    assert {few.preset, many.preset} <= set(preset_names())
    assert "999 pictures" in few.reason
    assert "1,000 pictures" in many.reason


def test_copies_that_are_left_out_do_not_count(tmp_path: Path) -> None:
    root = folder(tmp_path, 30)
    for index in range(30):
        shutil.copy(next((root / "a").glob("*1.png")), root / f"{index}.png")
    assert "60 pictures" in inspected(root).preset_reason
    dedupe = inspect_folder(root, DataConfig(dedupe=True), ImageConfig(size=64))
    assert "30 pictures" in dedupe.preset_reason
