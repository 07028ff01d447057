"""Steering from the command line, as a person meets it."""

import json
import sys
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.config.reading import load_config
from impasto.image.codec import read
from impasto.tasks.generation.networks import build_generator
from impasto.tasks.generation.sampling import directions as fitting
from impasto.tasks.generation.sampling.recipe import read_recipes
from impasto.training.checkpoints import ModelInfo, save_model
from tests.cli.running import impasto
from tests.small_runs import train


@pytest.fixture
def model(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(fitting, "SAMPLES", 32)
    monkeypatch.setattr(fitting, "TRIALS", 4)
    folder = tmp_path_factory.mktemp("steering") / "model"
    cfg = load_config("r3gan", {"image.size": 16, "model.generator_channels": 8})
    torch.manual_seed(0)
    save_model(folder, build_generator(cfg.model, cfg.image).state_dict(), ModelInfo(cfg, 1))
    return folder


@pytest.mark.parametrize("kind", ["png", "webp", "jpg"])
def test_a_recipe_makes_the_same_file(model, tmp_path, monkeypatch, capsys, kind):
    run = lambda *arguments: impasto(monkeypatch, capsys, *arguments)  # noqa: E731
    first, again, third = (tmp_path / name for name in ("first", "again", "third"))
    arguments = ("--seeds", "6,7", "--truncation", "0.7", "--direction", "brightness=1", "--format", kind)
    assert run("generate", model, "--out", first, *arguments)[0] == 0
    code, text, err = run("generate", "--recipe", first / f"0007.{kind}", "--out", again, "--format", kind)
    assert code == 0, err
    assert ("bit for bit" in text) == (kind == "png")
    assert (again / f"0007.{kind}").read_bytes() == (first / f"0007.{kind}").read_bytes()
    run("generate", model, "--recipe", first / "0007.json", "--out", third, "--format", kind)
    assert (third / f"0007.{kind}").read_bytes() == (first / f"0007.{kind}").read_bytes()
    assert (third / "0007.json").read_bytes() == (first / "0007.json").read_bytes()


def test_a_changed_picture_is_told(model, tmp_path, monkeypatch, capsys):
    from impasto.image.files import read_metadata, save

    impasto(monkeypatch, capsys, "generate", model, "--out", tmp_path / "a", "--count", "1")
    path = tmp_path / "a" / "0000.png"
    pixels = read(path).copy()
    pixels[0, 0] ^= 4
    save(pixels, path, metadata=read_metadata(path))
    _, text, _ = impasto(monkeypatch, capsys, "generate", "--recipe", path, "--out", tmp_path / "b")
    assert "up to 4 of 255" in text
    code, _, err = impasto(monkeypatch, capsys, "generate", "--recipe", path, "--out", tmp_path / "a")
    assert code == 2
    assert "is where the recipe lies" in err


def test_an_unknown_direction(model, tmp_path, monkeypatch, capsys):
    arguments = ("generate", model, "--out", tmp_path / "new", "--direction", "brightnes=1")
    code, _, err = impasto(monkeypatch, capsys, *arguments)
    assert code == 2
    assert "did you mean 'brightness'?" in err
    assert not (tmp_path / "new").exists()


def test_another_models_recipe(model, tmp_path, monkeypatch, capsys):
    impasto(monkeypatch, capsys, "generate", model, "--out", tmp_path / "a", "--count", "1")
    path = tmp_path / "a" / "0000.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights": "0" * 16}))
    for arguments in (("generate", model), ("generate",)):
        code, _, err = impasto(monkeypatch, capsys, *arguments, "--recipe", path, "--out", tmp_path / "b")
        assert code == 2
        assert "of another model" in err or "was not used on this machine" in err


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".mp4"])
def test_films(model, tmp_path, monkeypatch, capsys, suffix):
    if suffix == ".mp4":
        pytest.importorskip("av")
    out = tmp_path / f"film{suffix}"
    arguments = ("interpolate", model, "1", "2", "--out", out, "--frames", "6", "--loop")
    code, _, err = impasto(monkeypatch, capsys, *arguments)
    assert code == 0, err
    if suffix != ".mp4":
        with Image.open(out) as film:
            assert film.n_frames == 6
    assert len(read_recipes(out.with_suffix(".json"))) == 6
    if suffix == ".webp":
        assert read_recipes(out) == read_recipes(out.with_suffix(".json"))


@pytest.mark.parametrize(("more", "count"), [((), 9), (("--loop",), 6)])
def test_the_last_picture_of_a_film_stays_for_a_second(model, tmp_path, monkeypatch, capsys, more, count):
    av = pytest.importorskip("av")
    out = tmp_path / "film.mp4"
    arguments = ("interpolate", model, "1", "2", "--out", out, "--frames", "6", "--fps", "4", *more)
    code, _, err = impasto(monkeypatch, capsys, *arguments)
    assert code == 0, err
    with av.open(str(out)) as film:
        assert len(list(film.decode(video=0))) == count


def test_frames_in_a_folder_are_pictures_to_start_from(model, tmp_path, monkeypatch, capsys):
    run = lambda *arguments: impasto(monkeypatch, capsys, *arguments)  # noqa: E731
    way = tmp_path / "way"
    assert run("interpolate", model, "1", "2", "--out", way, "--frames", "4")[0] == 0
    assert sorted(p.name for p in way.glob("*.png")) == [f"{i:05}.png" for i in range(4)]
    assert run("neighbours", model, way / "00001.png", "--count", "2", "--out", tmp_path / "near")[0] == 0
    assert len(list((tmp_path / "near").glob("neighbour-*.png"))) == 2
    code, _, _ = run("mix", model, way / "00002.json", "3,4", "--out", tmp_path / "mixed")
    assert code == 0
    names = sorted(p.name for p in (tmp_path / "mixed").glob("*.png"))
    assert names == ["grid.png", "mix-00002-3.png", "mix-00002-4.png"]
    code, _, err = run("neighbours", model, tmp_path / "mixed" / names[1], "--out", tmp_path / "x")
    assert code == 2
    assert "colours of another" in err


def test_mp4_without_the_package_is_refused_before_the_work(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "av", None)
    arguments = ("interpolate", model, "1", "2", "--out", tmp_path / "film.mp4")
    code, _, err = impasto(monkeypatch, capsys, *arguments)
    assert code == 2
    assert "pip install 'impasto[video]'" in err


def test_project(model, tmp_path, monkeypatch, capsys, shapes):
    photo = sorted(shapes.rglob("*.png"))[0]
    out = tmp_path / "found"
    arguments = ("project", model, photo, "--out", out, "--steps", "2", "--candidates", "16")
    code, text, _ = impasto(monkeypatch, capsys, *arguments, "--against", shapes, "--json")
    assert code == 0
    figures = json.loads(text)
    assert figures["found"]["psnr"] > 0
    assert figures["nearest_training_picture"]["distance_lite0"] >= 0
    assert read(out / f"{photo.stem}-before-after.png").shape == (16, 4 * 16 + 6, 3)
    (recipe,) = read_recipes(out / f"{photo.stem}-found.png")
    assert recipe.point.kind == "stored"


def test_directions_are_listed_and_drawn(model, tmp_path, monkeypatch, capsys):
    out = tmp_path / "sheets"
    code, text, _ = impasto(monkeypatch, capsys, "directions", model, "--out", out, "--seeds", "0-2")
    assert code == 0
    assert "warmth" in text
    assert "pca1" in text
    assert read(out / "warmth.png").shape == (5 * 18 - 2, 3 * 18 - 2, 3)
    code, text, _ = impasto(monkeypatch, capsys, "directions", model, "--json")
    assert code == 0
    assert set(json.loads(text)["warmth"]) == {"predicted", "measured"}
    assert np.isfinite(list(json.loads(text)["warmth"]["measured"].values())).all()


@pytest.fixture(scope="module")
def themed(shapes, tmp_path_factory):
    out = tmp_path_factory.mktemp("themed") / "run"
    train(shapes, out, images=80)
    return out


def test_themes_and_colours(themed, tmp_path, monkeypatch, capsys):
    run = lambda *arguments: impasto(monkeypatch, capsys, *arguments)  # noqa: E731
    asked = ("--theme", "discs", "--colour", "teal", "--colour", "#f4c20d")
    assert run("generate", themed, "--out", tmp_path / "a", "--count", "2", *asked)[0] == 0
    (recipe,) = read_recipes(tmp_path / "a" / "0001.png")
    assert recipe.point.start.themes == ("discs",)
    assert recipe.point.colours == (("#008080", 1.0), ("#f4c20d", 1.0))
    code, text, _ = run("generate", "--recipe", tmp_path / "a" / "0001.png", "--out", tmp_path / "b")
    assert code == 0
    assert "bit for bit" in text
    photo = tmp_path / "a" / "0000.png"
    code, _, err = run(
        "neighbours", themed, "3", "--palette-from", photo, "--out", tmp_path / "c", "--count", "1"
    )
    assert code == 0, err
    (recipe,) = read_recipes(tmp_path / "c" / "neighbour-0000.png")
    assert sum(share for _, share in recipe.point.centre.colours) == pytest.approx(1, abs=1e-3)


def test_a_film_between_themes_and_palettes(themed, tmp_path, monkeypatch, capsys):
    run = lambda *arguments: impasto(monkeypatch, capsys, *arguments)  # noqa: E731
    out = tmp_path / "film.webp"
    themes = ("--theme", "discs", "--theme", "squares")
    code, _, err = run("interpolate", themed, "3", *themes, "--colour", "navy", "--out", out, "--frames", "4")
    assert code == 0, err
    first, *_, last = read_recipes(out)
    assert (first.point.start.themes, last.point.start.themes) == (("discs",), ("squares",))
    assert first.point.start.seed == last.point.start.seed == 3
    code, _, err = run("interpolate", themed, "1", "2", "3", *themes, "--out", tmp_path / "other.webp")
    assert code == 2
    assert "2 themes do not go with 3 stops" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--theme", "disks"), "did you mean 'discs'?"),
        (("--colour", "tael"), "did you mean teal"),
        (("--palette-from", "absent.jpg"), "absent.jpg"),
        (("--palette-from", __file__), "give a picture whose colours you want"),
    ],
)
def test_what_cannot_be_asked_for(themed, tmp_path, monkeypatch, capsys, arguments, message):
    code, _, err = impasto(monkeypatch, capsys, "generate", themed, "--out", tmp_path / "x", *arguments)
    assert code == 2
    assert message in err
    assert not (tmp_path / "x").exists()


def test_a_model_without_themes(model, tmp_path, monkeypatch, capsys):
    code, _, err = impasto(monkeypatch, capsys, "generate", model, "--out", tmp_path / "x", "--theme", "food")
    assert code == 2
    assert "cannot be asked for themes" in err


def test_obedience_is_measured(themed, shapes, monkeypatch, capsys):
    from impasto.tasks.generation import control

    quick = partial(control.control, requests=20, per_theme=4, photos=0)
    monkeypatch.setattr(control, "control", quick)
    code, text, _ = impasto(monkeypatch, capsys, "evaluate", themed, "--against", shapes, "--control")
    assert code == 0
    assert "of the way" in text
    assert "whole palettes" in text
