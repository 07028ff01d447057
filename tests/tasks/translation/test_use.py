"""A trained translator in use: from Python and by the command, on good layouts and bad ones."""

import json

import numpy as np
import pytest
from PIL import Image

import impasto
from impasto.data.layouts import open_layouts
from impasto.errors import InputError
from impasto.image.codec import to_tensor
from impasto.image.files import read_metadata
from impasto.metrics.report import findings
from impasto.tasks.translation import report
from tests.cli.running import impasto as run_cli
from tests.small_translation import COLOURS, draw_pairs, train


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    train(draw_pairs(folder / "pairs"), folder / "run", images=32)
    return folder / "run"


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    return draw_pairs(tmp_path_factory.mktemp("layouts"), 2, seed=5) / "layouts"


def plain(height, width, colour=COLOURS["wall"]):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:] = tuple(bytes.fromhex(colour[1:]))
    return pixels


def test_each_seed_gives_a_picture_of_the_layouts_size(model, layouts):
    translator = impasto.load_translator(model)
    one, other, again = translator.translate(layouts / "000.png", seeds=(0, 1, 0))
    assert one.size == (32, 32)
    assert one.tobytes() == again.tobytes() != other.tobytes()
    recipe = json.loads(other.info["recipe"])
    assert (recipe["seed"], recipe["layout"], recipe["weights"]) == (1, "000.png", translator.digest)


@pytest.mark.parametrize("size", [(32, 39), (33, 32), (100, 64), (8, 90), (300, 41)])
def test_any_rectangle_keeps_its_size(model, size):
    (made,) = impasto.load_translator(model).translate(plain(*size))
    assert made.size == size[::-1]


def test_jpeg_grey_alpha_and_pil_are_read(model, layouts, tmp_path):
    translator = impasto.load_translator(model)
    layout = Image.open(layouts / "000.png")
    layout.save(tmp_path / "a.jpg", quality=95)
    layout.convert("RGBA").save(tmp_path / "a.png")
    layout.convert("L").save(tmp_path / "grey.png")
    (true,), (from_alpha,) = translator.translate(layout), translator.translate(tmp_path / "a.png")
    assert true.tobytes() == from_alpha.tobytes()
    for name in ("a.jpg", "grey.png"):
        assert translator.translate(tmp_path / name)[0].size == layout.size


def test_unknown_colours_are_said_or_refused(model):
    translator = impasto.load_translator(model)
    pixels = plain(32, 32)
    pixels[:16, :16] = (0, 255, 0)
    assert "#00ff00 (nearest: " in translator.prepare(pixels).notes[0]
    with pytest.raises(InputError, match="has colours of no label: #00ff00"):
        translator.translate(pixels, strict=True)
    assert translator.prepare(plain(32, 32), strict=True).notes == ()


def test_what_cannot_be_translated_is_refused(model):
    translator = impasto.load_translator(model)
    for wrong, words in ((plain(1, 1), "too small"), (np.zeros((32, 32), np.uint8), "must be")):
        with pytest.raises(InputError, match=words):
            translator.translate(wrong)
    with pytest.raises(InputError, match=r"'none.png' does not exist"):
        translator.translate("none.png")


def test_a_folder_is_translated_and_bad_ones_cost_themselves_alone(
    model, layouts, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    for file, name in zip(sorted(layouts.iterdir()), ("a.png", "below/b.png"), strict=True):
        (folder / name).write_bytes(file.read_bytes())
    (folder / "empty.png").write_bytes(b"")
    Image.fromarray(plain(1, 1)).save(folder / "one.png")
    result = run_cli(
        monkeypatch, capsys, "translate", model, folder, "--out", tmp_path / "out", "--seeds", "0-1"
    )
    assert result[0] == 2
    said = " ".join(result[2].split())
    assert "4 pictures in" in said
    assert "2 layouts could not be translated" in said
    assert "empty.png is empty" in said
    assert "one.png is too small: 1 x 1 px" in said
    made = sorted(str(f.relative_to(tmp_path / "out")) for f in (tmp_path / "out").rglob("*.png"))
    assert made == ["a-0000.png", "a-0001.png", "below/b-0000.png", "below/b-0001.png"]
    inside = read_metadata(tmp_path / "out" / "a-0001.png")
    assert json.loads(inside["recipe"])["seed"] == 1
    assert inside["recipe"] == (tmp_path / "out" / "a-0001.json").read_text()
    again = run_cli(
        monkeypatch, capsys, "translate", model, folder / "a.png", "--out", tmp_path / "out", "--seeds", "0-1"
    )
    assert again[0] == 2
    assert "there already" in again[2]
    more = run_cli(
        monkeypatch,
        capsys,
        "translate",
        model,
        folder / "a.png",
        "--out",
        tmp_path / "out",
        "--skip-existing",
    )
    assert more[0] == 0
    assert (tmp_path / "out" / "a.png").is_file()


def test_results_of_label_maps_are_label_maps(tmp_path):
    """Where the pictures have few colours, as plans do, results have just these."""
    drawn = draw_pairs(tmp_path / "drawn")
    swap = {(0, 0, 170): (9, 9, 9), (255, 238, 0): (240, 80, 0)}
    for file in sorted((drawn / "layouts").iterdir()):
        pixels = np.asarray(Image.open(file)).copy()
        for before, after in swap.items():
            pixels[(pixels == before).all(2)] = after
        Image.fromarray(pixels).save(drawn / "pictures" / file.name)
    train(drawn, tmp_path / "run", images=16)
    translator = impasto.load_translator(tmp_path / "run")
    assert {label.colour for label in translator.layout.targets} == {"#090909", "#f05000"}
    (made,) = translator.translate(drawn / "layouts" / "000.png")
    assert {tuple(map(int, c)) for c in np.unique(np.asarray(made).reshape(-1, 3), axis=0)} <= {
        *swap.values()
    }


def test_pairs_are_looked_at_before_training(tmp_path, monkeypatch, capsys):
    drawn = draw_pairs(tmp_path / "drawn", 28)
    (drawn / "pictures" / "003.png").rename(drawn / "pictures" / "other.png")
    where = ("inspect", drawn / "layouts", "--pairs", drawn / "pictures", "--size", "32")
    code, out, _ = run_cli(monkeypatch, capsys, *where, "--sheet", tmp_path / "sheet.png")
    said = " ".join(out.split())
    assert code == 0
    assert "27 pairs, 16 of them held out" in said
    assert "003.png has no pair of its name" in said
    assert "other.png has no pair of its name" in said
    assert "label maps of 2 labels" in said
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 4 * 64
    code, out, _ = run_cli(monkeypatch, capsys, *where, "--json")
    found = json.loads(out)
    assert found["pairs"] == 27
    assert sorted(path.rsplit("/", 1)[1] for path in found["left_out"]) == ["003.png", "other.png"]


def test_a_translator_is_measured_on_held_out_pairs(model, tmp_path, monkeypatch, capsys):
    known = model.parent / "pairs"
    where = ("--against", known / "layouts", "--pairs", known / "pictures")
    code, out, _ = run_cli(monkeypatch, capsys, "evaluate", model, *where, "--json", "-")
    assert code == 0
    found = json.loads(out[out.index("{") :])
    assert found["pairs"] == 4
    assert {"kid", "frechet_distance"} == set(found["of_training_pictures"])
    others = draw_pairs(tmp_path / "others", 16, seed=3)
    where = ("--against", others / "layouts", "--pairs", others / "pictures")
    code, out, _ = run_cli(monkeypatch, capsys, "evaluate", model, *where)
    assert "not the pairs that the model was trained on" in " ".join(out.split())
    assert run_cli(monkeypatch, capsys, "evaluate", model, *where[:2])[0] == 2


def test_how_new_translations_are_is_measured_beside_how_good(tmp_path, monkeypatch, capsys):
    """A translator that gives back pictures it was trained on is told for what it is."""
    known = draw_pairs(tmp_path / "pairs", 80)
    train(known, tmp_path / "run", images=32, overrides={"data.holdout_min_pictures": 30})
    where = ("--against", known / "layouts", "--pairs", known / "pictures")
    code, out, _ = run_cli(monkeypatch, capsys, "evaluate", tmp_path / "run", *where)
    assert code == 0
    for words in ("layout: source AUC", "train pull", "Of 100 pictures", "variety over seeds"):
        assert words in " ".join(out.split())

    taught = iter(open_known(tmp_path / "run", known))
    monkeypatch.setattr(report, "translate_rows", lambda *_: next(taught).expand(2, -1, -1, -1))
    translator = impasto.load_translator(tmp_path / "run")
    copied = report.compare_pairs(translator, known / "layouts", known / "pictures")["panel"]
    assert copied["layout_sourced_share"] > 0.9
    assert any(line.startswith("REDRAWN") for line in findings(copied))


def open_known(run, known):
    """The pictures that a run was trained on, (1, 3, H, W) in [-1, 1] each."""
    config = impasto.load_translator(run).config
    how = config.data, config.image, config.layout
    data, _ = open_layouts(known / "layouts", known / "pictures", *how, seed=config.train.seed)
    for row in data.some_to_train_on(80):
        yield to_tensor(np.ascontiguousarray(row[None, ..., -3:]))


def test_bad_requests_are_refused(model, layouts, tmp_path, tiny, monkeypatch, capsys):
    for arguments, words in (
        (("no-such", layouts), "there is no model"),
        ((tiny, layouts), "it makes pictures larger and translates none"),
        ((model, tmp_path / "none"), "there is no file or folder"),
        ((model, layouts, "--seeds", "x"), "does not name seeds"),
        ((model, layouts, "--format", "bmp"), "bmp"),
        ((model, layouts, "--strict", "--skip-existing", "--overwrite"), "exclude each other"),
    ):
        result = run_cli(monkeypatch, capsys, "translate", *arguments, "--out", tmp_path / "out")
        assert result[0] == 2
        assert words in " ".join(result[2].split())
    (tmp_path / "nothing").mkdir()
    assert (
        run_cli(monkeypatch, capsys, "translate", model, tmp_path / "nothing", "--out", tmp_path / "out")[0]
        == 2
    )
    twice = (layouts / "000.png", layouts.parent / "pictures" / "000.png")
    result = run_cli(monkeypatch, capsys, "translate", model, *twice, "--out", tmp_path / "out")
    assert "would both become" in result[2]
