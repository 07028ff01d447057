import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.config.shared import DataConfig
from impasto.data.duplicates import drop_duplicates
from impasto.data.scan import Scan, scan_folder
from impasto.data.themes import Themes, find_themes, make_themes
from impasto.errors import DataError
from impasto.tasks.generation.sampling.latents import places_of


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    """a/1.png, a/2.png, b/3.png, 4.png and a file that is no picture, c/cut.png."""
    for index, name in enumerate(("a/1.png", "a/2.png", "b/3.png", "4.png")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "cut.png").touch()
    return scan_folder(tmp_path)


LIST = [
    {"file": "a/1.png", "theme": "food"},
    {"file": "a/2.png", "theme": "food,red"},
    {"file": "4.png", "theme": ["red"]},
]


LABELS = {"a/1.png": "food", "a/2.png": "food,red", "4.png": "red"}


def found(scan: Scan, **settings: object) -> Themes:
    return find_themes(scan, DataConfig(**settings))


def rows(themes: Themes, scan: Scan) -> dict[str, tuple[str, ...]]:
    return {picture.path: themes.of(index) for index, picture in enumerate(scan.pictures)}


def table(scan: Scan, text: str | bytes, name: str = "themes.csv") -> str:
    path = scan.root / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def test_subfolders_are_themes(scan: Scan) -> None:
    themes = found(scan)
    assert themes.names == ("a", "b")
    assert themes.matrix.dtype == np.float32
    assert rows(themes, scan) == {"a/1.png": ("a",), "a/2.png": ("a",), "b/3.png": ("b",), "4.png": ()}
    assert themes.counts == {"a": 2, "b": 1}
    assert themes.without == 1


def test_no_themes(scan: Scan) -> None:
    themes = found(scan, themes="none")
    assert themes.names == ()
    assert themes.matrix.shape == (4, 0)
    assert themes.without == 4
    assert themes.rare == {}


def test_tags_beside_the_pictures(scan: Scan) -> None:
    (scan.root / "a" / "1.txt").write_text(" cat,  red   fur,\ncat ,", encoding="utf-8-sig")
    (scan.root / "4.txt").write_text("red fur")
    (scan.root / "b" / "3.txt").write_text("  \n")
    (scan.root / "notes.txt").write_text("of no picture")
    themes = found(scan, themes="tags")
    assert themes.names == ("cat", "red fur")
    assert rows(themes, scan) == {
        "a/1.png": ("cat", "red fur"),
        "a/2.png": (),
        "b/3.png": (),
        "4.png": ("red fur",),
    }


def test_rare_tags_are_left_out_by_a_setting(scan: Scan) -> None:
    (scan.root / "a" / "1.txt").write_text("cat, red")
    (scan.root / "a" / "2.txt").write_text("cat")
    assert found(scan, themes="tags", theme_min_pictures=2).names == ("cat",)
    with pytest.raises(DataError, match="none of the 2 themes has 3 pictures"):
        found(scan, themes="tags", theme_min_pictures=3)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "file,theme\na/1.png,food\r\n./a\\2.png,\"food, red\"\n\n4.png,red\n"),
        ("t.csv", "\ufeffTheme;size;File\nfood;1;a/1.png\nfood,red;2;a/2.png\nred;3;4.png"),
        ("t.csv", "file\ttheme\na/1.png\tfood\na/2.png\tfood, red\n4.png\tred\n"),
        ("t.json", json.dumps({"a/1.png": "food", "a/2.png": ["food", "red"], "4.png": "red"})),
        ("t.json", json.dumps(LIST)),
        ("t.csv", 'file,theme\na//1.png,food\n./a/../a/2.png,"food；red"\n4.png,red\n'),
        ("t.csv", 'file,theme\nROOT/a/1.png,food\n../DIR/a/2.png,"food|red"\n4.png,red\n'),
        ("metadata.csv", 'file_name,label\na/1.png,food\na/2.png,"food, red"\n4.png,red\n'),
        (
            "metadata.jsonl",
            '{"file_name": "a/1.png", "text": "food"}\n\n{"file_name": "a/2.png", "label": ["food", "red"]}\n'
            '{"file_name": "4.png", "label": "red"}\n{"file_name": "b/3.png", "label": null}\n',
        ),
        ("dataset.json", json.dumps({"labels": [*LABELS.items()]})),
        ("dataset.json", json.dumps({"labels": LABELS})),
    ],
)  # fmt: skip
def test_tables(scan: Scan, name: str, text: str) -> None:
    text = text.replace("ROOT", str(scan.root)).replace("DIR", scan.root.name)
    themes = found(scan, themes=table(scan, text, name))
    expected = {"a/1.png": ("food",), "a/2.png": ("food", "red"), "b/3.png": (), "4.png": ("red",)}
    assert rows(themes, scan) == expected
    assert found(scan, themes=str(scan.root / name)).counts == {"food": 2, "red": 2}


HEAD = "file,theme\n"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "no columns 'file' and 'theme'", "begin it with the line"),
        ("name,label\na/1.png,x\n", "its first line is 'name,label'", "begin it"),
        (HEAD, "says nothing of any picture", "a line for each"),
        (HEAD + "a/1.png,\n", "says nothing of any picture", "a line for each"),
        (HEAD + "a/11.png,x\n", "names 'a/11.png', which is not in", "did you mean 'a/1.png'?"),
        (HEAD + "a/1.png,x\na//1.png,y\n", "names 'a//1.png' twice: line 2 and line 3", "keep one"),
        (HEAD + "a/1.png,x\n../4.png,y\n", "names '../4.png', which is not in", ""),
        (HEAD + "/elsewhere/4.png,y\n", "names '/elsewhere/4.png', which is not in", ""),
        (HEAD + "x,y\nz,y\n", "names 'x' and 1 more, which are not in", "relative to the folder"),
        (HEAD + "a/1.png,x\n4.png,y\na/1.png,z\n", "names 'a/1.png' twice: line 2 and line 4", "keep one"),
        (HEAD + "a/1.png,x,y\n", "line 2: 3 cells where the first line has 2", "in quotes"),
        (HEAD + ",x\n", "line 2: there is no file name", ""),
        (HEAD + 'a/1.png,"x\n', "line 2: unexpected end of data", "anew"),
        (HEAD + "a/1.png,x\nc/cut.png,y\n", "'y' of which no picture can be used: 'c/cut.png' is", "mend"),
        (HEAD.encode() + "a/1.png,Café".encode("cp1252"), "not UTF-8 text: byte 0xe9 at 22", "as UTF-8"),
        ((HEAD + "a/1.png,x\n").encode("utf-16"), "is not UTF-8 text: byte 0xff at 0", "save it as UTF-8"),
    ],
)  # fmt: skip
def test_wrong_csv(scan: Scan, text: str | bytes, message: str, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        found(scan, themes=table(scan, text))
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("3", "entry 1: it does not say"),
        ("{}", "says nothing of any picture"),
        ('{"a/1.png": 0.5}', "entry 1: it does not say"),
        ('{"a/1.png": true}', "entry 1: it does not say"),
        ('{"labels": null}', "has no labels: 'labels' is null"),
        ('{"labels": [["a/1.png", [0, 1, 0]]]}', "entry 1: it does not say"),
        ('{"labels": [["a/1.png"]]}', "entry 1: it does not say"),
        ('{"a/1.png": {"theme": "x"}}', "entry 1: it does not say"),
        ('[{"file": "a/1.png"}]', "entry 1: it does not say"),
        ('[{"file": "a/1.png", "theme": "x"}, []]', "entry 2: it does not say"),
        ('{"a/1.png": "x", "a/1.png": "y"}', "names 'a/1.png' twice: entry 1 and entry 2"),
    ],
)
def test_wrong_json(scan: Scan, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        found(scan, themes=table(scan, text, "t.json"))
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("setting", "message"),
    [("absent.csv", "there is no file 'absent.csv'"), ("a/1.png", "no table"), ("tags", "has tags")],
)
def test_other_wrong_sources(scan: Scan, setting: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        found(scan, themes=setting)
    assert caught.value.hint


def test_a_file_of_tags_in_another_encoding(scan: Scan) -> None:
    (scan.root / "4.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(DataError, match=r"4\.txt' is not UTF-8 text"):
        found(scan, themes="tags")


def test_captions_are_no_themes(scan: Scan) -> None:
    (scan.root / "4.txt").write_text(",".join(f"tag {i}" for i in range(1001)))
    with pytest.raises(DataError, match="1,001 themes are more than 1,000"):
        found(scan, themes="tags")


def test_a_table_may_name_copies_that_are_left_out(scan: Scan) -> None:
    (scan.root / "a" / "9.png").write_bytes((scan.root / "a" / "1.png").read_bytes())
    kept = drop_duplicates(scan_folder(scan.root))
    assert len(kept.pictures) == 4
    name = table(scan, HEAD + "a/1.png,x\na/9.png,x\n4.png,y\n")
    assert found(kept, themes=name).counts == {"x": 1, "y": 1}
    with pytest.raises(DataError, match=r"'z' of which no picture can be used: 'a/9\.png' is left out"):
        found(kept, themes=table(scan, HEAD + "a/1.png,x\na/9.png,z\n"))


def test_weights_by_hand() -> None:
    themes = make_themes([("a",), ("a",), ("a",), ("b",), (), ()])
    every = np.arange(6)
    np.testing.assert_allclose(themes.weights(0, every), 1)
    # every theme, and having none, shall come alike: a third of the weight each
    np.testing.assert_allclose(themes.weights(1, every), [2 / 3] * 3 + [2] + [1] * 2)
    half = themes.weights(0.5, every)
    np.testing.assert_allclose(half[3] / half[0], 3**0.5)
    np.testing.assert_allclose(themes.weights(1, np.array([0, 3])), 1)
    tags = make_themes([("a",), ("a", "b"), ("a",), ("a",)])
    np.testing.assert_allclose(tags.weights(1, np.arange(4))[1] / tags.weights(1, np.arange(4))[0], 4)


def test_rare_themes() -> None:
    themes = make_themes([("a",)] * 300 + [("b",)] * 25 + [("c",)] * 3)
    assert themes.rare == {"c": 3}  # b: more than 20, and more than a fifth of 109
    assert make_themes([("a",)] * 600 + [("b",)] * 25).rare == {"b": 25}


def test_labels_that_are_numbers(scan: Scan) -> None:
    """As StyleGAN's dataset_tool writes them."""
    labels = [["a/1.png", 3], ["a/2.png", 0], ["b/3.png", 3], ["4.png", None]]
    themes = found(scan, themes=table(scan, json.dumps({"labels": labels}), "dataset.json"))
    assert themes.counts == {"0": 1, "3": 2}
    assert found(scan, themes=table(scan, "file,label\na/1.png,3\n4.png,12\n")).counts == {"12": 1, "3": 1}


def test_a_list_says_where_a_name_ends(scan: Scan) -> None:
    name = table(scan, json.dumps({"a/1.png": ["men|women", "late, very"], "4.png": [7]}), "t.json")
    assert found(scan, themes=name).names == ("7", "late, very", "men|women")


def test_names_are_compared_in_one_normal_form(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    for index, folder in enumerate((composed, decomposed, "other")):
        (tmp_path / folder).mkdir()
        pixels = np.random.default_rng(index).integers(0, 256, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / folder / f"{decomposed}{index}.png")
    scan = scan_folder(tmp_path)
    themes = found(scan)
    assert themes.counts == {composed: 2, "other": 1}
    assert themes.notes == (
        f"2 themes are one, '{composed}': their names look alike ('cafe\\u0301', 'caf\\xe9').",
    )
    rows = f"file,theme\n{composed}/{composed}0.png,{decomposed}\nother/{composed}2.png,{composed}\n"
    assert found(scan, themes=table(scan, rows)).counts == {composed: 2}
    (tmp_path / "other" / f"{composed}2.TXT").write_text("  a  b")
    (tmp_path / composed / f"{decomposed}0.txt").write_text("a\u200b b")
    assert found(scan, themes="tags").counts == {"a b": 2}


def test_a_name_with_one_spelling_keeps_it(tmp_path: Path) -> None:
    """Runs and models of earlier versions know it by that."""
    decomposed = unicodedata.normalize("NFD", "café")
    for place in (decomposed, "other"):
        (tmp_path / place).mkdir()
        Image.new("RGB", (9, 9), "red").save(tmp_path / place / "1.png")
    themes = found(scan_folder(tmp_path))
    assert (themes.names, themes.notes) == ((decomposed, "other"), ())
    assert places_of(["café"], themes.names) == [0]


def test_rows_that_no_picture_is_used_for_are_named(scan: Scan) -> None:
    (scan.root / "notes.txt").touch()
    (scan.root / ".hidden.png").touch()
    name = table(scan, HEAD + "a/1.png,x\nnotes.txt,x\n.hidden.png,x\nc/cut.png,x\n")
    themes = found(scan_folder(scan.root), themes=name)
    assert themes.counts == {"x": 1}
    assert themes.notes[0].endswith(
        "of files that are left out or are no pictures: 'notes.txt', '.hidden.png', 'c/cut.png'."
    )
    assert themes.notes[0].startswith("3 rows of ")
