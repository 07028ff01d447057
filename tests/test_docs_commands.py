"""What the tutorial and the how-to pages tell people to type works: run on tiny data, offline."""

import os
import re
import shlex
import shutil
import socket
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import pytest
from PIL import Image
from typer.testing import CliRunner

import impasto
from impasto.cli import app
from impasto.tasks.generation import control
from impasto.tasks.generation.sampling import directions as fitting
from impasto.tasks.upscaling.inference.upscalers import load_upscaler
from tests import small_translation
from tests.films import write_film
from tests.pictures import painting
from tests.small_runs import NETWORKS, SMALL

DOCS = Path(__file__).parent.parent / "docs"
LONG = ("export", "themes-and-colours", "few-pictures", "python", "resume", "health")  # `make docs` runs them
PAGES = [DOCS / "tutorial.md", DOCS / "how-a-gan-works.md", *sorted((DOCS / "how-to").glob("*.md"))]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.S | re.M)
VARIABLE = re.compile(r"[A-Z_]+=")
INSTALLING = ("python3 -m venv ", ".venv/bin/pip install ", "pip install ", "source .venv/", "pip wheel ")


@pytest.fixture(scope="module")
def trained(shapes, tmp_path_factory):
    """A run of a few steps, for pages that begin with one."""
    run = tmp_path_factory.mktemp("trained") / "run"
    impasto.train(shapes, run, preset="few-shot", images=16, overrides=SMALL | NETWORKS["few-shot"])
    return run


@pytest.fixture
def folder(shapes, trained, tmp_path, monkeypatch):
    """Where a reader works: the files that pages speak of, no network, nothing that takes long."""

    def refuse(*_):
        raise AssertionError("a page's command went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(
        "impasto.data.samples.make_openmoji",
        lambda out, *_, **__: shutil.copytree(shapes, out, dirs_exist_ok=True),
    )
    monkeypatch.setattr(fitting, "SAMPLES", 32)
    monkeypatch.setattr(fitting, "TRIALS", 4)
    monkeypatch.setattr(control, "control", partial(control.control, requests=20, per_theme=4, photos=0))
    shutil.copytree(shapes, tmp_path / "pictures")
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "scans" / "old").mkdir(parents=True)
    Image.fromarray(painting(20, 30)).save(tmp_path / "photo.jpg")
    Image.fromarray(painting(12, 16)).save(tmp_path / "scans" / "old" / "a.png")
    if find_spec("av"):
        write_film(tmp_path / "film.mp4", frames=5)
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(os.environ):  # what a page sets ends with it
        yield tmp_path


def tiny(words):
    """The same command for a few pictures of 16 px."""
    verb, resumed = words[1], "--resume" in words
    if verb == "train":
        preset = words[words.index("--preset") + 1] if "--preset" in words else "few-shot"
        at = words.index("--minutes")
        if "--size" in words:  # the pictures here are too small for it
            del words[words.index("--size") : words.index("--size") + 2]
            at = words.index("--minutes")
        # What is resumed goes on a little, and keeps its settings.
        words[at : at + 2] = ["--images", "48" if resumed else "16"]
        if not resumed:
            settings = small_translation.SETTINGS if "--pairs" in words else SMALL | NETWORKS[preset]
            words += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    if verb == "doctor":
        words.append("--help")  # it measures the machine for ten seconds
    if verb == "upscale":
        words += ["--engine", "torch"]
    if verb == "interpolate":
        words += ["--frames", "6"]
    if verb == "evaluate":
        words += ["--samples", "32"]
    return words


def type_in(line):
    if line.startswith(INSTALLING):
        return
    words = shlex.split(line, comments=True)
    if "--track" in words:
        pytest.importorskip(words[words.index("--track") + 1])
    while VARIABLE.match(words[0]):
        os.environ.__setitem__(*words.pop(0).split("=", 1))
    assert words[0] == "impasto", line
    done = CliRunner().invoke(app, tiny(words)[1:], catch_exceptions=False)
    assert done.exit_code == 0, f"{line}\n{done.output}"


@pytest.mark.filterwarnings("ignore:.*noload.*:DeprecationWarning")  # MLflow's own
@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=pytest.mark.slow if p.stem in LONG else ()) for p in PAGES],
    ids=lambda p: p.stem,
)
def test_what_a_page_says_works(page, folder, monkeypatch):
    train = impasto.train
    settings = SMALL | NETWORKS["few-shot"]
    monkeypatch.setattr(
        impasto,
        "train",
        lambda pictures, out, minutes: train(pictures, out, images=16, overrides=settings),
        raising=False,
    )
    monkeypatch.setattr(impasto, "load_upscaler", partial(load_upscaler, engine="torch"), raising=False)
    text = page.read_text()
    if "film.mp4" in text and page.stem == "upscale-a-folder":
        pytest.importorskip("av")
    if re.search(r"--out run (?!--resume)", text) or 'out="run/"' in text:
        shutil.rmtree(folder / "run")  # the page makes its own
    names = {}
    blocks = BLOCK.findall(text)
    assert blocks
    for language, block in blocks:
        if language == "python":
            exec(compile(block, str(page), "exec"), names)
        else:
            for line in block.replace("\\\n", " ").splitlines():
                type_in(line)


def test_a_wrong_command_on_a_page_is_noticed(folder):
    with pytest.raises(AssertionError, match="generat run"):
        type_in("impasto generat run --out new")
