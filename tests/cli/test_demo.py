"""`impasto demo`: the first thing that anybody sees, from drawings to figures."""

import json
import shutil

from PIL import Image
from typer.testing import CliRunner

from impasto.cli import app


def test_the_demo_from_drawings_to_figures(shapes, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "impasto.data.samples.make_openmoji",
        lambda out, size: shutil.copytree(shapes, out, dirs_exist_ok=True),
    )
    done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo"), "--minutes", "0.01"])
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "demo" / "pictures").glob("0*.png"))) == 48
    with Image.open(tmp_path / "demo" / "pictures" / "grid.png") as sheet:
        assert sheet.width > 6 * 64
    assert json.loads((tmp_path / "demo" / "figures.json").read_text())["samples"] == 1000
