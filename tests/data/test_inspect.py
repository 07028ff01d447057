import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from impasto.config.reading import preset_names
from impasto.config.shared import DataConfig, ImageConfig
from impasto.config.size import is_large, parse_size
from impasto.data.inspect import Inspection, choose_preset, choose_shape, inspect_folder
from impasto.data.scan import Picture


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
        ("(100%) are about 1:2: --size 64x128 keeps", {"count": 30, "size": (64, 128)}, "crop"),
        ("(100%) are about 3:2: --size 192x128 keeps", {"count": 30, "size": (300, 200)}, "crop"),
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
    for words in ("far from square", "are about", "smaller", "dark", "very few", "copies", "refuse"):
        assert not any(words in line for line in found.advice), words


def test_pictures_of_all_shapes_are_far_from_any(tmp_path: Path) -> None:
    for index, size in enumerate([(200, 60), (60, 200), (128, 64), (64, 128)] * 5):
        Image.fromarray(np.full((size[1], size[0], 3), index, np.uint8)).save(tmp_path / f"{index}.png")
    found = inspected(tmp_path)
    assert found.shape_share == 0.25
    assert any("100% of the pictures are far from square and lose" in line for line in found.advice)
    wide = inspect_folder(tmp_path, DataConfig(), ImageConfig(size=64, width=96))
    assert any("100% of the pictures are far from 96x64 and lose" in line for line in wide.advice)


@pytest.mark.parametrize(
    ("sides", "shape", "size"),
    [
        ((3000, 2000), "3:2", "384x256"),
        ((2000, 3000), "2:3", "256x384"),
        ((640, 480), "4:3", "256x192"),
        ((1920, 1080), "16:9", "448x256"),
        ((230, 200), "1:1", "128"),
        ((40, 20), "2:1", "128x64"),
    ],
)
def test_a_shape_is_recommended(sides: tuple[int, int], shape: str, size: str) -> None:
    width, height = sides
    pictures = [Picture("p", None, "png", width, height, "", b"")] * 7
    pictures += [Picture("p", None, "png", 100, 900, "", b"")]
    assert choose_shape(pictures) == (shape, 0.875, size)
    assert max(parse_size(size)) <= 128 or is_large(parse_size(size), None)


def test_drawings_are_rendered_as_large_as_is_wanted() -> None:
    assert choose_shape([Picture("p", None, "svg", 3, 2, "", b"")]).size == "384x256"


def test_with_its_shape_a_folder_needs_no_advice(tmp_path: Path) -> None:
    root = folder(tmp_path, 30, (96, 64))
    found = inspect_folder(root, DataConfig(), ImageConfig(size=64, width=96))
    assert (found.shape, found.shape_share, found.size) == ("3:2", 1.0, "96x64")
    assert not any("their ends" in line for line in found.advice)


def test_many_copies_are_worth_a_word(tmp_path: Path) -> None:
    root = folder(tmp_path, 30)
    for index in range(3):
        shutil.copy(root / "a" / "001.png", root / "a" / f"copy{index}.png")
    assert any("3 pictures are copies" in line for line in inspected(root).advice)


def test_the_palette_is_of_what_is_on_the_page(tmp_path: Path) -> None:
    for index, colour in enumerate([(200, 0, 0)] * 30 + [(0, 0, 200)] * 10):
        pixels = np.full((64, 80, 3), 255, np.uint8)
        pixels[20:40, 20 : 40 + index] = colour
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    (red, most), (blue, rest) = inspected(tmp_path).palette
    assert (red[:3], blue[5:], most, rest) == (
        "#c8",
        "c8",
        pytest.approx(0.75, abs=0.01),
        pytest.approx(0.25, abs=0.01),
    )


def test_rare_themes_and_pictures_without_one_are_named(tmp_path: Path) -> None:
    root = folder(tmp_path, 60)
    folder(root / "c", 1)
    shutil.move(root / "c" / "b" / "000.png", root / "alone.png")
    found = inspected(root)
    assert found.themes == {"a": 54, "b": 6}
    assert found.rare_themes == {"b": 6}
    assert found.without_theme == 1
    assert any("Rare themes: 'b' (6)" in line and "data.balance" in line for line in found.advice)
    assert any("1 picture of 61 have no theme" in line for line in found.advice)
    (root / "themes.csv").write_text('file,theme\nalone.png,x\na/001.png,x\na/002.png,"x, y"\n')
    by_table = inspected(root, themes="themes.csv")
    assert by_table.themes == {"x": 3, "y": 1}
    assert list(by_table.rare_themes) == ["y", "x"]
    without = inspected(root, themes="none")
    assert (without.themes, without.rare_themes, without.without_theme) == ({}, {}, 61)
    assert not any("theme" in line for line in without.advice)


def test_the_command_reports(tmp_path: Path) -> None:
    import typer

    from impasto.cli.inspect import inspect

    app = typer.Typer()
    app.command()(inspect)
    root = folder(tmp_path / "[bold]odd", 30)
    (root / "cut.png").touch()
    (root / ".hidden.png").touch()
    shown = CliRunner().invoke(app, [str(root)])
    assert shown.exit_code == 0
    for words in (
        "30 pictures in",
        "[bold]odd",
        "cut.png is empty",
        "Advice",
        "themes",
        "Left out: 1 hidden",
    ):
        assert words in shown.output
    assert "b 3 (rare)" in shown.output
    told = json.loads(CliRunner().invoke(app, [str(root), "--json"]).output)
    assert told["pictures"] == 30
    assert told["rare_themes"] == {"b": 3}
    none = CliRunner().invoke(app, [str(root), "--json", "--themes", "none"])
    assert json.loads(none.output)["without_theme"] == 30


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


def test_what_is_left_out_and_tables_of_other_tools_are_told(tmp_path: Path) -> None:
    root = folder(tmp_path / "pictures", 30)
    (root / "@eaDir").mkdir()
    (root / ".hidden.png").touch()
    (root / "metadata.jsonl").write_text('{"file_name": "a/001.png", "label": 1}')
    (root / "dataset.json").write_text('{"id": "1", "rejected": {}}')  # the studio's
    found = inspected(root)
    assert found.left_out == {".hidden.png": "is a hidden file or folder", "@eaDir": "is a system folder"}
    assert found.notes == ["Left out: 1 hidden file or folder ('.hidden.png'), 1 system folder ('@eaDir')."]
    told = [line for line in found.advice if "data.themes=" in line]
    assert told == [
        "'metadata.jsonl' may say which picture has which theme: data.themes=metadata.jsonl reads it."
    ]
    (root / "dataset.json").write_text('{"labels": [["a/001.png", 3]]}')
    assert any("data.themes=dataset.json" in line for line in inspected(root).advice)
    assert inspected(root, themes="metadata.jsonl").themes == {"1": 1}
