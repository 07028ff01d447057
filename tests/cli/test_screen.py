"""What is printed: no name is markup or a command to a terminal, and no encoding ends the work."""

import io
import os
import shlex
import subprocess
import sys

import pytest
from PIL import Image
from rich.table import Table
from rich.text import Text

from impasto.cli.screen import console, typed
from impasto.terminal import escaped
from tests.cli.running import impasto
from tests.pictures import painting
from tests.small_models import tiny_model


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("café 日本 [red]x[/red] :smile:\tb\n", "café 日本 [red]x[/red] :smile:\tb\n"),
        ("a\x1b]0;title\x07b", "a\\x1b]0;title\\x07b"),
        ("a\x9b31mb\x7f\r", "a\\x9b31mb\\x7f\\x0d"),
        ("caf\udce9", "caf\\xe9"),  # a byte of a name that is not UTF-8
        ("\ud800", "\\ud800"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
    ],
)
def test_control_characters_are_escaped(text, shown, monkeypatch):
    assert escaped(text) == shown
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    console().print(text, end="", soft_wrap=True)
    assert "".join(stream.getvalue().split()) == "".join(shown.split())  # tabs become spaces


def test_tables_show_names_as_they_are(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    table = Table(box=None)
    table.add_row("[/done] \x1b[31m", "[bold]x")
    console().print(table)
    assert "[/done] \\x1b[31m" in stream.getvalue()
    assert "[bold]x" in stream.getvalue()
    console().print(Text("\x1b[31m\u202e"))
    assert not set("\x1b\u202e") & set(stream.getvalue())


def test_commands_can_be_pasted():
    words = ["impasto", "train", "my pictures/it's", "--out", "run[1]"]
    assert shlex.split(typed(*words)) == words


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("screen") / "tiny")


@pytest.mark.parametrize("name", ["w[/done]", ":smile:", "[bold]x", "a\x1b[31mb"])
def test_names_with_markup_and_escapes(tiny, tmp_path, monkeypatch, capsys, name):
    Image.fromarray(painting(12, 16)).save(tmp_path / "a.png")
    words = ("--model", tiny, "--engine", "torch", "--out", tmp_path / name)
    code, _, err = impasto(monkeypatch, capsys, "upscale", tmp_path / "a.png", *words)
    assert code == 0
    assert f"1 picture in {escaped(str(tmp_path / name))}\n" in err
    assert (tmp_path / name / "a.png").is_file()
    code, _, err = impasto(monkeypatch, capsys, "upscale", tmp_path / "a.png", *words)
    assert code == 2
    assert escaped(f"'{tmp_path / name / 'a.png'}' is there already") in err


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
@pytest.mark.parametrize("format_", ["png", "webp", "tif"])
def test_an_output_that_is_not_utf8(tiny, tmp_path, monkeypatch, capsys, format_):
    Image.fromarray(painting(12, 16)).save(tmp_path / "a.png")
    out = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    words = ("--model", tiny, "--engine", "torch", "--format", format_)
    code, _, err = impasto(monkeypatch, capsys, "upscale", tmp_path / "a.png", "--out", out, *words)
    assert code == 0
    assert "1 picture in " in err
    assert "caf\\xe9" in err
    with Image.open(os.path.join(out, f"a.{format_}")) as made:  # noqa: PTH118 - a name of bytes
        assert made.size == (64, 48)


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_a_run_that_is_not_utf8_is_refused(shapes, tmp_path, monkeypatch, capsys):
    out = os.fsdecode(os.fsencode(tmp_path) + b"/run\xe9")
    code, _, err = impasto(monkeypatch, capsys, "train", shapes, "--out", out, "--images", "16")
    assert code == 2
    assert "run\\xe9' is not a name in UTF-8" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_a_theme_that_is_not_utf8_has_a_name_that_can_be_written(tmp_path):
    from impasto.config.reading import load_config
    from impasto.data.folder import scan_pictures
    from impasto.data.themes import find_themes

    theme = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    os.mkdir(theme)  # noqa: PTH102 - a name of bytes
    for i in range(2):
        Image.fromarray(painting(16, 16, seed=i)).save(os.path.join(theme, f"{i}.png"))  # noqa: PTH118
    config = load_config()
    scan = scan_pictures(tmp_path, config.data, config.image)
    assert find_themes(scan, config.data).names == ("caf\\xe9",)


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("cp1252", marks=pytest.mark.slow)])
def test_an_output_without_unicode(tmp_path, encoding):
    for theme in ("日本", "café"):
        (tmp_path / theme).mkdir()
        for i in range(2):
            Image.fromarray(painting(16, 16, seed=i + len(theme))).save(tmp_path / theme / f"{i}.png")
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "impasto", "inspect", str(tmp_path)]
    done = subprocess.run(command, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\\u65e5\\u672c 2" in done.stdout
    assert b"Traceback" not in done.stderr
