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


def frames_of(path):
    with pytest.importorskip("av").open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def test_an_odd_side_gets_its_last_row_or_column_twice(tmp_path):
    pytest.importorskip("av")
    frames = np.zeros((2, 257, 261, 3), np.uint8)
    frames[:, -8:] = frames[:, :, -8:] = 200  # chroma is shared by 2 x 2 pixels, and coded in blocks
    save_mp4(frames, tmp_path / "film.mp4", fps=10)
    for read in frames_of(tmp_path / "film.mp4"):
        assert read.shape == (258, 262, 3)
        assert np.abs(read[-2:].astype(int) - 200).max() <= 6
        assert np.abs(read[:, -2:].astype(int) - 200).max() <= 6


@pytest.mark.parametrize(("seconds", "count"), [(0, 3), (0.1, 3), (1, 12), (0.5, 7)])
def test_the_last_frame_is_held(tmp_path, seconds, count):
    pytest.importorskip("av")
    frames = np.zeros((3, 16, 16, 3), np.uint8)
    frames[-1] = 200
    save_mp4(frames, tmp_path / "film.mp4", fps=10, hold_last_seconds=seconds)
    read = frames_of(tmp_path / "film.mp4")
    assert [round(float(frame.mean()), -2) for frame in read] == [0, 0, *[200] * (count - 2)]


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
