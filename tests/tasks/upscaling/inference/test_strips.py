"""Tiles become rows: levels, and one tile fading into the next."""

from itertools import zip_longest
from types import SimpleNamespace

import numpy as np
import pytest

from impasto.tasks.upscaling.inference.strips import FINER, Strip, as_levels
from impasto.tasks.upscaling.inference.tiles import enlarged, plan


@pytest.mark.parametrize("deep", [False, True])
def test_levels_of_a_tile(deep):
    made = np.array([-2, -1, 0, 1, 2], np.float32)[None, :, None] * np.ones((3, 5, 4), np.float32)
    levels = as_levels(made, deep=deep)
    top = 65535 if deep else 255 * FINER
    assert levels.shape == (5, 4, 3)
    assert levels.dtype == (np.float32 if deep else np.uint16)
    assert levels[:, 0, 0].tolist() == pytest.approx([0, 0, top / 2, top, top])


@pytest.mark.parametrize("deep", [False, True])
def test_tiles_of_different_brightness_fade_into_each_other(deep):
    scale, side, reach, height, width = 2, 40, 3, 60, 70
    image = SimpleNamespace(width=width, bands=3, format="ushort" if deep else "uchar")
    cut = plan(height, width, (side, side), reach)
    strip, meant = Strip(image, scale), np.zeros((height * scale, width * scale))
    assert (len(cut.rows), len(cut.columns)) == (2, 3)
    taken, brightness = [], 0
    for row, below in zip_longest(cut.rows, cut.rows[1:]):
        strip.extend(side * scale)
        for column in cut.columns:
            brightness += 40
            made = np.full((3, side * scale, side * scale), brightness / 127.5 - 1, np.float32)
            strip.add(as_levels(made, deep=deep), row, column)
            share = np.outer(enlarged(row.weights, scale), enlarged(column.weights, scale))
            top, left = row.start * scale, column.start * scale
            meant[top : top + side * scale, left : left + side * scale] += brightness * share
        taken += strip.take(((below.start if below else row.stop) - row.start) * scale)
    rows = np.concatenate(taken).astype(float) / (257 if deep else 1)
    assert np.abs(rows - meant[:, :, None]).max() <= (0.01 if deep else 0.52)
