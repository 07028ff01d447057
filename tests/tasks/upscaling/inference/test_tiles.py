"""The tile plan: every pixel is covered once, and only by what could see all around it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.errors import InputError
from impasto.tasks.upscaling.inference.tiles import enlarged, good_tile, plan, smallest_tile


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 900), st.integers(0, 30), st.integers(0, 15), st.integers(0, 300), st.integers(1, 4))
def test_an_axis_is_covered_once(length, reach, feather, more, scale):
    tile = smallest_tile(reach, feather) + more
    total = np.zeros(length * scale)
    for span in plan(length, 1, (tile, tile), reach, feather).rows:
        weights = enlarged(span.weights, scale)
        assert 0 <= span.start < span.stop <= length
        assert span.stop - span.start == min(length, tile)
        assert (weights >= 0).all()
        total[span.start * scale : span.stop * scale] += weights
        used = np.nonzero(weights)[0]
        if span.start > 0:
            assert used[0] >= (reach - 1) * scale
        if span.stop < length:
            assert used[-1] < (tile - reach + 1) * scale
    assert total == pytest.approx(1, abs=1e-5)


def test_tiles_go_row_by_row():
    found = [(row.start, column.start) for row, column in plan(100, 150, (80, 80), 4).tiles()]
    assert found == sorted(found)
    assert len(found) == 6


def test_a_small_picture_is_one_tile():
    ((row, column),) = plan(1, 70, (80, 80), 4).tiles()
    assert (row.start, row.stop, column.start, column.stop) == (0, 1, 0, 70)


@pytest.mark.parametrize(("height", "width", "tile"), [(0, 5, (90, 90)), (50, 50, (20, 90))])
def test_what_cannot_be_cut(height, width, tile):
    with pytest.raises(InputError):
        plan(height, width, tile, 10)


def computed(height, width, tile, reach):
    found = plan(height, width, tile, reach).tiles()
    return sum((row.stop - row.start) * (column.stop - column.start) for row, column in found)


@pytest.mark.parametrize(
    ("height", "width", "share"),
    [(316, 316, 1), (40, 3000, 1), (5, 5, 1), (1000, 1000, 1.2), (4100, 6100, 1.3)],
)
def test_a_good_tile_wastes_little(height, width, share):
    reach, pixels = 18, 384**2
    tile = good_tile(height, width, reach, pixels=pixels, rows=10_000)
    assert min(height, tile[0]) * min(width, tile[1]) <= pixels
    assert computed(height, width, tile, reach) <= share * height * width
    low = good_tile(height, width, reach, pixels=pixels, rows=100)
    assert low[0] <= 100
    least = smallest_tile(reach)
    assert good_tile(height, width, reach, pixels=1, rows=1) == (least, least)
    assert computed(height, width, tile, reach) <= computed(height, width, (384, 384), reach)
