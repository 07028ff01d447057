"""Pairs of layouts and pictures: read from folders or files side by side, split and served together."""

import numpy as np
import pytest
from PIL import Image

from impasto.config.reading import load_config
from impasto.config.translation import Label, LayoutConfig
from impasto.data.facades import NAMES, PALETTE, draw_facade, make_facades
from impasto.data.layouts import open_layouts
from impasto.errors import DataError, InputError
from impasto.image.labels import paint
from tests.cli.running import impasto

SMALL = {"image.size": 32, "data.holdout_min_pictures": 4, "layout.jitter": 0.0}


def opened(directory, pairs, layout=None, **settings):
    config = load_config("translate", SMALL | settings)
    return open_layouts(
        directory, pairs, config.data, config.image, layout or config.layout, seed=config.train.seed
    )


@pytest.fixture(scope="module")
def facades(tmp_path_factory):
    return make_facades(tmp_path_factory.mktemp("facades") / "drawn", 16, 48)


def side_by_side(facades, out, swap=False):
    out.mkdir()
    for file in sorted((facades / "layouts").iterdir()):
        both = [np.asarray(Image.open(facades / name / file.name)) for name in ("layouts", "pictures")]
        Image.fromarray(np.concatenate(both[::-1] if swap else both, 1)).save(out / file.name)
    return out


def test_pairs_of_two_folders(facades):
    data, layout = opened(facades / "layouts", facades / "pictures")
    assert layout.kind == "labels"
    assert {label.colour for label in layout.labels} <= {"#{:02x}{:02x}{:02x}".format(*c) for c in PALETTE}
    assert len(data.holdout_indices) == 4
    assert not set(data.holdout_indices) & set(data.train_indices)
    rows = data.batches(8, seed=0).next()
    assert rows.shape == (8, 32, 32, 4)
    assert rows[..., 0].max() < len(layout.labels)
    assert data.about()["holdout"] == [data.names[i] for i in data.holdout_indices]
    again, _ = opened(facades / "layouts", facades / "pictures", layout)
    assert again.fingerprint == data.fingerprint
    assert (again.holdout(4) == data.holdout(4)).all()


def test_layout_and_picture_stay_together(tmp_path):
    """Through windows and mirroring: the picture here is a function of the label at its place."""
    rng = np.random.default_rng(0)
    for i in range(16):
        labels = rng.integers(0, 3, (5, 6)).repeat(10, 0).repeat(10, 1)
        for name, colours in (
            ("a", [[255, 0, 0], [0, 255, 0], [0, 0, 255]]),
            ("b", [[9, 9, 9], [90, 90, 90], [200] * 3]),
        ):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(np.array(colours, np.uint8)[labels]).save(tmp_path / name / f"{i}.png")
    data, layout = opened(tmp_path / "a", tmp_path / "b", **{"data.fit": "windows"})
    order = [["#ff0000", "#00ff00", "#0000ff"].index(label.colour) for label in layout.labels]
    rows = data.batches(12, seed=1).next()
    assert (rows[..., 1] == np.array([9, 90, 200])[np.array(order)[rows[..., 0]]]).all()
    assert len({row.tobytes() for row in rows}) == 12


@pytest.mark.parametrize("swap", [False, True])
def test_files_side_by_side_in_either_order(facades, tmp_path, swap):
    data, layout = opened(side_by_side(facades, tmp_path / "both", swap), "side-by-side")
    assert f"The layout is the {'right' if swap else 'left'} half of each file." in data.notes
    told, _ = opened(facades / "layouts", facades / "pictures", layout)
    assert sorted(row.tobytes() for row in data.pixels.take(np.arange(16))) == sorted(
        row.tobytes() for row in told.pixels.take(np.arange(16))
    )


def test_halves_that_are_alike_are_asked_for(facades, tmp_path):
    (tmp_path / "both").mkdir()
    for file in (facades / "pictures").iterdir():
        pixels = np.asarray(Image.open(file))
        Image.fromarray(np.concatenate((pixels, pixels), 1)).save(tmp_path / "both" / file.name)
    with pytest.raises(DataError, match=r"which half .* cannot be told") as error:
        opened(tmp_path / "both", "side-by-side")
    assert "side-by-side-left" in error.value.hint
    data, _ = opened(tmp_path / "both", "side-by-side-right", LayoutConfig(kind="picture"))
    assert data.pixels.channels == 6


def test_pictures_as_layouts(facades):
    data, layout = opened(facades / "pictures", facades / "layouts")
    assert layout.kind == "picture"
    assert data.batches(4, seed=0).next().shape == (4, 32, 32, 6)
    with pytest.raises(DataError, match="no label maps"):
        opened(facades / "pictures", facades / "layouts", LayoutConfig(kind="labels"))


def test_faults_are_named(facades, tmp_path):
    for name in ("layouts", "pictures"):
        (tmp_path / name).mkdir()
        for file in (facades / name).iterdir():
            (tmp_path / name / file.name).write_bytes(file.read_bytes())
    (tmp_path / "layouts" / "0001.png").rename(tmp_path / "layouts" / "other.png")
    Image.new("RGB", (48, 40)).save(tmp_path / "pictures" / "0002.png")
    (tmp_path / "pictures" / "0003.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    notes = " ".join(opened(tmp_path / "layouts", tmp_path / "pictures")[0].notes)
    for words in (
        "other.png has no pair of its name",
        "0001.png has no pair of its name",
        "0002.png has 48 x 48 px and its pair '0002.png' 48 x 40",
        "0003.png has no pair of its name",
        "'0003.png'",
    ):
        assert words in notes
    (tmp_path / "elsewhere").mkdir()
    Image.new("RGB", (48, 48)).save(tmp_path / "elsewhere" / "some.png")
    with pytest.raises(DataError, match=r"no file in .* has its pair"):
        opened(facades / "layouts", tmp_path / "elsewhere")


def test_labels_that_are_named_are_taken(facades):
    labels = tuple(
        Label(name=name, colour="#{:02x}{:02x}{:02x}".format(*colour))
        for name, colour in zip(NAMES, PALETTE, strict=True)
    )
    data, layout = opened(facades / "layouts", facades / "pictures", LayoutConfig(labels=labels))
    assert layout.labels == labels
    assert any("wall #0000b4" in note for note in data.notes)
    with pytest.raises(ValueError, match="two labels have the colour"):
        LayoutConfig(labels=(labels[0], Label(name="x", colour=labels[0].colour)))


def test_drawn_facades_follow_from_their_seed(tmp_path):
    labels, picture = draw_facade(64, (0, 3))
    assert labels.shape == (64, 64)
    assert picture.shape == (64, 64, 3)
    again, other = draw_facade(64, (0, 3), look=1)
    assert (again == labels).all()
    assert (other != picture).mean() > 0.5
    first = make_facades(tmp_path / "first", 2, 64)
    assert (
        np.asarray(Image.open(first / "layouts" / "0001.png")) == paint(draw_facade(64, (0, 1))[0], PALETTE)
    ).all()
    make_facades(tmp_path / "first", 2, 64)
    with pytest.raises(InputError, match="other facades"):
        make_facades(tmp_path / "first", 3, 64)
    with pytest.raises(InputError, match="no size"):
        make_facades(tmp_path / "second", 2, 8)
    seen = set()
    for i in range(12):
        seen |= set(np.unique(draw_facade(96, (1, i))[0]))
    assert len(seen) >= 10


def test_the_command_that_draws_facades(tmp_path, monkeypatch, capsys):
    out = tmp_path / "drawn"
    code, said, _ = impasto(monkeypatch, capsys, "samples", "facades", out, "--count", 3, "--size", 32)
    assert code == 0
    assert "3 layouts of 32 px" in " ".join(said.split())
    assert "--pairs" in said
    assert len(list(out.glob("*/*.png"))) == 6
    assert impasto(monkeypatch, capsys, "samples", "facades", tmp_path / "x", "--variants")[0] == 2
    assert impasto(monkeypatch, capsys, "samples", "openmoji", tmp_path / "x", "--count", "3")[0] == 2


@pytest.mark.realdata
def test_real_pairs(realdata):
    data, layout = opened(realdata / "facades" / "layouts", realdata / "facades" / "photos")
    assert len(data.names) == 400
    assert len(layout.labels) == 12
    for stage in sorted((realdata / "archigan").glob("*/train"))[:1]:
        data, layout = opened(stage, "side-by-side")
        assert "The layout is the left half of each file." in data.notes
        assert layout.kind == "labels"
