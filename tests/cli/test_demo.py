"""`impasto demo`: the first thing that anybody sees, from drawings to one page."""

import base64
import io
import re
import shutil
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from PIL import Image
from typer.testing import CliRunner

from impasto.cli import app, demo_page
from impasto.cli.demo_page import Picture
from impasto.pages import chart, render

EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """What a browser would see: every tag with its attributes; raises where tags do not match."""

    VOID = ("meta", "img", "input", "link", "br")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data

    def pictures(self):
        for tag, attributes in self.tags:
            if tag == "img":
                assert attributes["alt"]
                head, data = attributes["src"].split(",", 1)
                assert head in ("data:image/png;base64", "data:image/webp;base64")
                yield Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.fixture(scope="module")
def made(shapes, tmp_path_factory):
    """The folder that the demo leaves behind, made once."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(
            "impasto.data.samples.make_openmoji",
            lambda out, size: shutil.copytree(shapes, out, dirs_exist_ok=True),
        )
        patch.setattr("impasto.cli.demo_page.FRAMES", 6)
        done = CliRunner().invoke(app, ["demo", "--out", str(out), "--minutes", "0.01"])
    assert done.exit_code == 0, done.output
    assert "report.html" in done.output
    return out


def test_the_demo_leaves_pictures_a_run_and_one_page(made):
    assert len(list((made / "pictures").glob("0*.png"))) == 48
    with Image.open(made / "pictures" / "grid.png") as sheet:
        assert sheet.width > 6 * 64
    assert (made / "run" / "best" / "model.safetensors").is_file()


def test_a_demo_is_made_once_and_only_in_a_folder_of_its_own(made, tmp_path):
    from impasto.data.samples import CREDIT_FILE

    runner = CliRunner()
    (tmp_path / "mine.txt").write_text("precious")
    done = runner.invoke(app, ["demo", "--out", str(tmp_path)])
    assert "already holds something else" in str(done.exception)
    (made / "openmoji" / CREDIT_FILE).touch()  # the drawings' own, which this demo's had not
    done = runner.invoke(app, ["demo", "--out", str(made)])
    assert "report.html' is there already" in str(done.exception)


def test_the_page_holds_everything_that_it_shows(made):
    text = (made / "report.html").read_text()
    page = Page(text)
    films = [picture.n_frames for picture in page.pictures() if picture.format == "WEBP"]
    assert films.count(6) == 3  # three walks; and how it learned
    sizes = [picture.size for picture in page.pictures()]
    assert sizes.count((256, 256)) == 2  # generated: before and after
    assert sizes.count((128, 128)) == 2  # a drawing of 32 px
    assert not re.search(r"(src|href)=\"(?!data:)|url\((?!data:)|@import", text)
    assert "://" not in text.replace("data:image", "")
    assert {"From picture to picture", "Four times larger", "Your own pictures"} <= set(
        re.findall("<h2>(.*?)</h2>", text)
    )
    for words in (
        "minutes of learning",  # how many depends on the machine
        "impasto inspect FOLDER",
        "Health: ",
        "CC BY-SA 4.0",
        "KID-lite0 to held-out drawings",
    ):
        assert words in page.words, words


class Painter:
    """A model that does exactly what it is asked, in one plain colour."""

    themes = ("flags", "food-drink", "extras")

    def generate(self, seeds, *, truncation, theme, colours):
        assert len(seeds) == 1
        return [Image.new("RGB", (8, 8), colours[0] if colours else "white")]


def rendered(model, name, **changes):
    """The page of a model whose run has little to tell."""
    told = {
        "films": [], "enlarged": [], "learning_minutes": 1, "minutes": 2, "history": None, "charts": ["", ""],
        "found": SimpleNamespace(images_seen=1, words=name), "signs": [(name, name)],
        "grid": demo_page._png(Image.new("L", (1, 1)), name), "train_mine": name, "make_mine": name,
    }  # fmt: skip
    return str(render("demo.html", name=name, **demo_page.steered(model, name), **(told | changes)))


def test_a_model_with_themes_shows_them_in_palettes():
    page = Page(rendered(Painter(), "openmoji-64"))
    columns = len(demo_page.PALETTES)
    *shown, _ = (picture.convert("RGB").getpixel((0, 0)) for picture in page.pictures())  # the grid is last
    assert len(shown) == 2 * columns  # a row for each theme that has a name worth showing
    assert shown[:columns] == shown[columns:]
    assert len(set(shown)) == columns
    assert "food and drink" in page.words
    assert "impasto generate openmoji-64 --out new --theme flags --colour '#e4572e'" in page.words
    assert "Themes and colours" not in rendered(SimpleNamespace(themes=()), "run")


def test_a_page_is_opened_where_somebody_sits(monkeypatch):
    module = sys.modules["impasto.cli.demo"]
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert not module._display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert module._display()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert not module._display()  # its words go into a file or a pipe: nobody is looking


def test_names_are_text():
    """A model in a folder, themes and drawings with names that a browser would run."""

    class Owned(Painter):
        themes = (EVIL, '"><img src=x>')

    charts = [chart(EVIL, [[(0, 0.5)]], names=[EVIL], unit=EVIL)] * 2
    page = Page(rendered(Owned(), f"runs/{EVIL}", charts=charts, history=Picture("data:,", EVIL)))
    assert "script" not in [tag for tag, _ in page.tags]
    assert not [one for tag, one in page.tags if tag == "img" and not one["src"].startswith("data:")]
    assert page.words.count(EVIL) == 13  # wherever it is said


def test_a_sheet_has_a_row_for_each_theme_and_a_column_for_each_palette():
    page = Page(rendered(Painter(), "x"))
    tags = [tag for tag, _ in page.tags]
    coloured = [attributes for tag, attributes in page.tags if tag == "i"]
    assert tags.count("i") == sum(map(len, demo_page.PALETTES)) == len(coloured)
    assert coloured[0] == {"style": f"background:{demo_page.PALETTES[1][0]}"}
    assert page.words.count("as it comes") == 1
