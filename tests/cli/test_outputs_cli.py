"""One rule for all verbs: what exists is not overwritten unasked; one picture may go to a named file."""

import io
import shutil
import sys

import pytest
import torch
from PIL import Image

from impasto.config.reading import load_config
from impasto.outputs import LIST_NAME, written_in
from impasto.tasks.generation.networks import build_generator
from impasto.tasks.generation.sampling import directions as fitting
from impasto.tasks.generation.sampling.recipe import read_recipes
from impasto.training.checkpoints import ModelInfo, save_model
from tests.cli.running import impasto
from tests.pictures import painting
from tests.small_models import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs") / "model"
    cfg = load_config("r3gan", {"image.size": 16, "model.generator_channels": 8})
    torch.manual_seed(0)
    save_model(folder, build_generator(cfg.model, cfg.image).state_dict(), ModelInfo(cfg, 1))
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("outputs") / "tiny")


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(painting(24, 32)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


VERBS = {  # the words, and a file that is written
    "generate": ("generate {model} --seeds 1,2 --grid --out {new}", "grid.png"),
    "generate a recipe": ("generate {model} --recipe {recipe} --out {new}", "recipe.png"),
    "interpolate to frames": ("interpolate {model} 1 2 --frames 2 --out {new}", "00001.png"),
    "interpolate to a film": ("interpolate {model} 1 2 --frames 2 --out {new}/film.webp", "film.json"),
    "mix": ("mix {model} 1 2,3 --out {new}", "mix-1-3.png"),
    "neighbours": ("neighbours {model} 1 --count 2 --out {new}", "neighbour-0001.json"),
    "project": ("project {model} {photo} --steps 1 --candidates 16 --out {new}", "photo-before-after.png"),
    "directions": ("directions {model} --seeds 0 --out {new}", "brightness.png"),
    "upscale": ("upscale {photo} --model {tiny} --engine torch --out {new}", "photo.png"),
    "upscale to a file": ("upscale {photo} --model {tiny} --engine torch --out {new}/a.webp", "a.webp"),
    "export": ("export {tiny} --to spandrel --out {new}", "tiny.safetensors"),
    "evaluate": ("evaluate {tiny} --against {folder} --json {new}/f.json", "f.json"),
    "inspect": ("inspect {large} --degrade bicubic --sheet {new}/s.png", "s.png"),
}


@pytest.mark.parametrize("verb", list(VERBS))
def test_nothing_is_overwritten_unasked(verb, model, tiny, photo, tmp_path, monkeypatch, capsys):
    if verb == "export":
        pytest.importorskip("spandrel")
    monkeypatch.setattr(fitting, "SAMPLES", 32)
    monkeypatch.setattr(fitting, "TRIALS", 4)
    (tmp_path / "folder").mkdir()
    Image.fromarray(painting(64, 72)).save(tmp_path / "folder" / "a.png")
    (tmp_path / "large").mkdir()
    Image.fromarray(painting(170, 180)).save(tmp_path / "large" / "a.png")
    impasto(monkeypatch, capsys, "generate", model, "--seeds", "5", "--out", tmp_path / "recipe.webp")
    names = {name: tmp_path / name for name in ("new", "folder", "large")}
    names |= {"model": model, "tiny": tiny, "photo": photo, "recipe": tmp_path / "recipe.json"}
    words, file = VERBS[verb]
    arguments = [word.format(**names) for word in words.split()]

    mine = tmp_path / "new" / file
    mine.parent.mkdir()
    mine.write_text("precious")
    code, out, err = impasto(monkeypatch, capsys, *arguments)
    assert code == 2
    assert f"'{mine}' is there already" in out + err
    assert "--overwrite" in out + err
    assert [path.name for path in mine.parent.iterdir()] == [file]
    assert mine.read_text() == "precious"

    code, out, err = impasto(monkeypatch, capsys, *arguments, "--overwrite")
    assert code == 0, out + err
    assert mine.read_bytes() != b"precious"
    pictures = {p.name for p in mine.parent.iterdir() if p.suffix in (".png", ".webp")}
    assert written_in(mine.parent) >= pictures


def test_one_picture_goes_to_a_file_that_is_named(model, tmp_path, monkeypatch, capsys):
    run = lambda *arguments: impasto(monkeypatch, capsys, *arguments)  # noqa: E731
    assert run("generate", model, "--seeds", "7", "--out", tmp_path / "a.webp")[0] == 0
    assert run("neighbours", model, "3", "--count", "1", "--out", tmp_path / "b.jpg")[0] == 0
    assert run("mix", model, "3", "4", "--out", tmp_path / "c.png")[0] == 0
    assert run("generate", "--recipe", tmp_path / "a.json", "--out", tmp_path / "d.png")[0] == 0
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"a.webp", "a.json", "b.jpg", "b.json", "c.png", "c.json", "d.png", "d.json", LIST_NAME}
    assert read_recipes(tmp_path / "a.webp")[0].point.seed == 7
    with Image.open(tmp_path / "b.jpg") as picture:
        assert picture.format == "JPEG"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("generate {model} --seeds 1-3 --out {new}.png", "3 pictures cannot go into the one file"),
        ("generate {model} --seeds 1 --grid --out {new}.png", "a picture and a sheet cannot go into"),
        ("generate {model} --seeds 1 --out {new}.bmp", "cannot be written as 'bmp'"),
        ("generate {model} --seeds 1 --format jpg --out {new}.png", "is no jpg"),
        ("neighbours {model} 1 --out {new}.png", "8 pictures cannot go into the one file"),
        ("project {model} {photo} --out {new}.png", "two pictures cannot go into the one file"),
        ("directions {model} --out {new}.png", "sheets cannot go into the one file"),
        ("export {tiny} --to onnx --out {new}.xml", "does not end in .onnx"),
        ("upscale {photo} {photo2} --model {tiny} --out {new}.png", "2 pictures cannot go into the one file"),
        ("upscale {photo} --model {tiny} --out {new}.bmp", "cannot be written"),
        ("upscale {photo} --model {tiny} --format webp --out {new}.png", "is no webp"),
        ("upscale {photo} --model {tiny} --out {photo}", "would be written over"),
        ("upscale {empty} --model {tiny} --out {new}", "an argument is empty"),
        ("upscale {photo} --model {tiny} --out {empty}", "--out is given nothing"),
        ("generate {model} --seeds 1 --out=", "--out is given nothing"),
        ("inspect {empty}", "an argument is empty"),
        ("inspect {tmp} --degrade bicubic --sheet {new}.bmp", "cannot be written as 'bmp'"),
    ],
)
def test_what_cannot_be_meant(arguments, message, model, tiny, photo, tmp_path, monkeypatch, capsys):
    (tmp_path / "two.png").write_bytes(photo.read_bytes())
    names = {"model": model, "tiny": tiny, "photo": photo, "photo2": tmp_path / "two.png", "empty": ""}
    names |= {"new": tmp_path / "new", "tmp": tmp_path}
    before = sorted(tmp_path.iterdir())
    code, out, err = impasto(monkeypatch, capsys, *(word.format(**names) for word in arguments.split()))
    assert code == 2
    assert message in out + err
    assert sorted(tmp_path.iterdir()) == before


def test_generating_goes_on_where_it_ended(model, tmp_path, monkeypatch, capsys):
    words = ("generate", model, "--out", tmp_path, "--seeds")
    assert impasto(monkeypatch, capsys, *words, "1-2")[0] == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")}
    code, out, _ = impasto(monkeypatch, capsys, *words, "1-4", "--skip-existing")
    assert code == 0
    assert "2 pictures" in out
    assert "2 were there already" in out
    assert len(list(tmp_path.glob("*.png"))) == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_pictures_are_written_while_others_are_made(model, tmp_path, monkeypatch):
    from impasto.cli.output import Pictures
    from impasto.tasks.generation.sampling.model import Model, load

    there = []
    make = Model.make
    monkeypatch.setattr(
        Model,
        "make",
        lambda self, recipe: there.append(len(list(tmp_path.glob("*.png")))) or make(self, recipe),
    )
    generator = load(model)
    pictures = Pictures(tmp_path, ["a", "b", "c"])
    pictures.make(generator, lambda i: generator.recipe(generator.seed_point(i)))
    assert there == [0, 1, 2]
    assert pictures.status() == f"3 of 3 pictures are in {tmp_path}"


def test_a_picture_from_standard_input(tiny, tmp_path, monkeypatch, capsys):
    def upscale(data, *words):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return impasto(monkeypatch, capsys, "upscale", "-", "--model", tiny, "--engine", "torch", *words)

    buffer = io.BytesIO()
    Image.fromarray(painting(6, 8)).save(buffer, "PNG")
    assert upscale(buffer.getvalue(), "--out", tmp_path / "big.webp")[0] == 0
    with Image.open(tmp_path / "big.webp") as made:
        assert (made.size, made.format) == ((32, 24), "WEBP")
    assert upscale(buffer.getvalue(), "--out", tmp_path / "new", "--format", "tiff")[0] == 0
    assert written_in(tmp_path / "new") == {"stdin.tif"}
    code, _, err = upscale(buffer.getvalue(), "--out", tmp_path / "new", "--format", "tif")
    assert code == 2
    assert "stdin.tif' is there already" in err
    (tmp_path / "plain").touch()
    code, _, err = upscale(buffer.getvalue(), "--out", tmp_path / "plain")
    assert code == 2
    assert "is a file, not a folder" in err
    for data, message in (
        (b"", "is empty"),
        (b"\0" * 2**17, "is not a picture"),
        (b"words", "is not a pict"),
    ):
        code, _, err = upscale(data, "--out", tmp_path / "other")
        assert code == 2
        assert message in err
    code, _, err = upscale(
        buffer.getvalue() + b"\0" * 2**27, "--out", tmp_path / "other", "--max-megapixels", "1"
    )
    assert code == 2
    assert "is longer than a picture of 1 megapixels" in err
    assert not (tmp_path / "other").exists()


def test_exports_to_a_file_that_is_named(tiny, tmp_path, monkeypatch, capsys):
    pytest.importorskip("spandrel")
    words = ("export", tiny, "--to", "spandrel", "--out", tmp_path / "mine.safetensors")
    code, out, _ = impasto(monkeypatch, capsys, *words)
    assert (code, out) == (0, f"{tmp_path / 'mine.safetensors'}\n")
    assert (tmp_path / "mine.safetensors").is_file()


def test_sheets_of_directions_stay_in_their_folder():
    from impasto.cli.directions import file_names

    names = ["warmth", "theme:food/drink", "theme:food:drink", "theme:../../x", "theme:..", "theme:日本"]
    found = file_names(names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    assert found["theme:food/drink"] == "theme-food-drink.png"
    assert found["theme:日本"] == "theme-日本.png"
    assert not any("/" in name or ":" in name for name in found.values())


def test_directions_of_a_shipped_model_go_to_the_cache(model, tmp_path, monkeypatch):
    from impasto.files import cache_folder
    from impasto.tasks.generation.sampling.model import load

    monkeypatch.setattr(fitting, "SAMPLES", 32)
    monkeypatch.setattr(fitting, "TRIALS", 4)
    monkeypatch.setattr(fitting, "ZOO", tmp_path)
    shipped = shutil.copytree(model, tmp_path / "shipped", ignore=shutil.ignore_patterns(fitting.FILE))
    generator = load(shipped)
    before = sorted(path.name for path in shipped.iterdir())
    names = generator.directions().names
    assert sorted(path.name for path in shipped.iterdir()) == before
    (kept,) = (cache_folder() / "directions").iterdir()
    assert kept.name == f"{generator.digest}.safetensors"
    monkeypatch.setattr(fitting, "fit_directions", None)
    assert load(shipped).directions().names == names
