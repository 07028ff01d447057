import sys

import numpy as np
import pytest

from impasto.errors import MissingDependencyError
from impasto.image.video import on_white, save_mp4


def test_a_film_has_all_frames_at_a_size_that_plays(tmp_path):
    av = pytest.importorskip("av")
    frames = np.zeros((5, 32, 32, 3), np.uint8)
    for i, frame in enumerate(frames):
        frame[:] = 50 * i
    save_mp4(frames, tmp_path / "film.mp4", fps=12, comment="seven")
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert film.metadata["comment"] == "seven"
        assert float(film.streams.video[0].average_rate) == 12
        read = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(read) == 5
    assert read[0].shape == (256, 256, 3)
    for i, frame in enumerate(read):
        assert np.abs(frame.astype(int) - 50 * i).max() <= 4


@pytest.mark.parametrize("channels", [1, 4])
def test_films_of_grey_and_transparent_pictures(tmp_path, channels):
    pytest.importorskip("av")
    save_mp4(np.zeros((2, 16, 16, channels), np.uint8), tmp_path / "film.mp4", fps=10)
    assert (tmp_path / "film.mp4").stat().st_size > 500


def test_transparent_is_white():
    assert (on_white(np.zeros((2, 2, 4), np.uint8)) == 255).all()
    assert on_white(np.full((2, 2, 1), 9, np.uint8)).shape == (2, 2, 3)


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"impasto\[video\]"):
        save_mp4(np.zeros((2, 16, 16, 3), np.uint8), tmp_path / "film.mp4", fps=10)
    assert list(tmp_path.iterdir()) == []
