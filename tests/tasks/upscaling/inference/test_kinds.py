"""Photograph or drawing: the package's upscaler that suits a picture, and what is said of it."""

import os
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageOps

from impasto.errors import CheckpointError, ImageError
from impasto.tasks.upscaling.inference.batch import plan_jobs, upscale_all
from impasto.tasks.upscaling.inference.kinds import (
    ByKind,
    choose_upscaler,
    open_upscaler,
    without_margins,
)
from impasto.tasks.upscaling.inference.upscalers import load_upscaler

DRAWN = """<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96">
<rect width="96" height="96" fill="white"/>
<circle cx="48" cy="48" r="36" fill="#f4c20d" stroke="black" stroke-width="4"/><circle cx="36" cy="40" r="5"/>
<circle cx="60" cy="40" r="5"/>
<path d="M30 58 Q48 76 66 58" fill="none" stroke="black" stroke-width="4"/></svg>"""


@pytest.fixture
def drawing(tmp_path):
    path = tmp_path / "smile.jpg"
    pyvips.Image.svgload_buffer(DRAWN.encode()).flatten(background=255).jpegsave(str(path), Q=70)
    return path


def test_a_drawing_is_told_from_pictures_with_grain(drawing, photos):
    assert choose_upscaler(drawing) == "drawing-x4"
    assert choose_upscaler(drawing.read_bytes()) == "drawing-x4"
    assert choose_upscaler(photos / "00.png") == "photo-x4"


def test_a_photograph_on_white_is_no_drawing_by_that(photos, tmp_path):
    with Image.open(photos / "00.png") as picture:
        ImageOps.expand(picture, 40, "white").save(tmp_path / "framed.png")
    assert choose_upscaler(str(tmp_path / "framed.png")) == "photo-x4"
    even = np.full((60, 60, 3), 255, np.uint8)
    assert without_margins(even) is even
    even[6:56, 4:] = 0
    assert without_margins(even).shape == (50, 56, 3)


@pytest.mark.realdata
def test_photographs_and_paintings_are_no_drawings():
    root = Path(os.environ.get("IMPASTO_REALDATA", "../shared/data"))
    files = sorted((root / "sr" / "kodak24").glob("*.png"))[:6] + sorted((root / "vangogh").glob("*.jpg"))[:6]
    if not files:
        pytest.skip("no real pictures")
    assert {choose_upscaler(path) for path in files} == {"photo-x4"}


def test_what_cannot_be_read_is_said(tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")
    with pytest.raises(ImageError):
        choose_upscaler(path)


def test_each_picture_of_a_batch_gets_its_own(drawing, photos, tmp_path):
    opened = []

    def open_(name):
        opened.append(name)
        return load_upscaler(name, engine="torch")

    both = ByKind(open_)
    jobs = plan_jobs([str(photos / "00.png"), str(drawing), str(photos / "01.png")], tmp_path / "out", "png")
    outcomes = upscale_all(both, jobs)
    assert [outcome.error for outcome in outcomes] == ["", "", ""]
    assert sorted(opened) == ["drawing-x4", "photo-x4"]  # once each
    notes = ["drawing-x4" in " ".join(outcome.notes) for outcome in outcomes]
    assert notes == [False, True, False]
    alone = tmp_path / "alone.png"
    both.named("drawing-x4").file(drawing, alone)
    assert alone.read_bytes() == (tmp_path / "out" / "smile.png").read_bytes()


def test_a_bad_picture_costs_itself_alone(drawing, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    jobs = plan_jobs([str(broken), str(drawing)], tmp_path / "out", "png")
    outcomes = upscale_all(open_upscaler("auto", engine="torch"), jobs)
    assert outcomes[0].error.startswith(f"'{broken}'")
    assert outcomes[1].size == (384, 384)


def test_other_names_are_opened_at_once():
    assert open_upscaler("photo-x4", engine="torch").name == "photo-x4"
    with pytest.raises(CheckpointError, match="no model 'nothing'"):
        open_upscaler("nothing")
