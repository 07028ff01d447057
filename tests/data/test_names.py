import unicodedata
from pathlib import Path

import pytest

from impasto.data.names import Finder, split_names, theme_name, without_separators


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cat,  red fur\ncat", ("cat", "red fur")),
        ("猫，狗、鸟；鱼｜虫", ("猫", "狗", "鸟", "鱼", "虫")),
        ("cat; dog|red;", ("cat", "dog", "red")),
        ("red; blue, green", ("red", "blue", "green")),
        ("1girl, ;), |_|, ;d", ("1girl", ";)", "|_|", ";d")),
        ("قطة، كلب", ("قطة", "كلب")),
        (" , ，;|", ()),
    ],
)
def test_tags(text: str, names: tuple[str, ...]) -> None:
    assert split_names(text) == names


def test_one_form_of_a_theme() -> None:
    composed, decomposed = (unicodedata.normalize(form, "café au lait") for form in ("NFC", "NFD"))
    assert theme_name(f" {decomposed.replace(' ', '  ')}\u200b ") == composed
    assert theme_name("👩\u200d🚀") == "👩\u200d🚀"
    assert split_names(without_separators("a, b；c|d")) == ("a b c d",)


def test_paths_as_people_write_them(tmp_path: Path) -> None:
    root, tables = tmp_path / "pics", tmp_path / "tables"
    decomposed = unicodedata.normalize("NFD", "sub/café.png")
    known = ["0.png", "sub/1.png", decomposed, "back\\slash.png"]
    finder = Finder(root, known, (root, tables))
    spelled = "sub/1.png", "sub//1.png", "./sub/1.png", "sub\\1.png", "x/../sub/1.png", "../pics/sub/1.png"
    for name in (*spelled, f"{root}/sub/1.png"):
        assert finder.find(name) == "sub/1.png"
    assert finder.find("sub/café.png") == decomposed
    assert finder.find("back\\slash.png") == "back\\slash.png"
    for name in ("1.png", "../0.png", "/0.png", "C:\\0.png", "0.png/..", "", "."):
        assert finder.find(name) is None


def test_a_file_that_is_there_and_not_used(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    assert Finder(tmp_path, ["a.png"], (tmp_path,)).find("./notes.txt") == "notes.txt"


def test_a_path_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").touch()
    (tmp_path / "alias").symlink_to("a", target_is_directory=True)
    assert Finder(tmp_path, ["a/x.png"], (tmp_path,)).find("alias/x.png") == "a/x.png"


def test_a_root_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    finder = Finder(tmp_path / "link", ["a.png"], (tmp_path / "link",))
    assert finder.find(str(tmp_path / "real" / "a.png")) == "a.png"
    assert finder.find(str(tmp_path / "link" / "a.png")) == "a.png"
