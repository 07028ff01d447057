"""Steady frames: still places do not flicker, moving ones are the network's, and nothing lags behind."""

import itertools

import numpy as np
import pytest
from PIL import Image

from impasto.tasks.upscaling.inference.steady import SteadyFrames, boxes, runs
from tests.pictures import painting

SCALE, REACH = 2, 3


def bicubic(pixels):
    return np.asarray(
        Image.fromarray(pixels).resize(
            (SCALE * pixels.shape[1], SCALE * pixels.shape[0]), Image.Resampling.BICUBIC
        )
    )


class Sharpener:
    """An upscaler that makes much of noise, as networks do; `pixels` counts what it was given."""

    def __init__(self):
        self.pixels = 0

    def __call__(self, pixels):
        self.pixels += pixels.shape[0] * pixels.shape[1]
        large = bicubic(pixels).astype(float)
        blurred = (large + np.roll(large, 1, 0) + np.roll(large, 1, 1) + np.roll(large, (1, 1), (0, 1))) / 4
        return np.clip(large + 4 * (large - blurred), 0, 255).round().astype(np.uint8)


def film(noise, count=8, size=(64, 96)):
    """A still painting with a square that moves in the upper third, and the noise of a camera."""
    rng = np.random.default_rng(1)
    still = painting(*size, seed=3).astype(float)
    for number in range(count):
        pixels = still.copy()
        pixels[4:16, 6 * number : 6 * number + 12] = 230
        yield np.clip(pixels + rng.normal(0, noise, pixels.shape), 0, 255).round().astype(np.uint8)


def change(frames, top):
    return np.mean([np.abs(b[top:].astype(float) - a[top:]).mean() for a, b in itertools.pairwise(frames)])


@pytest.mark.parametrize("noise", [0.5, 2.0, 4.0])
def test_still_places_change_as_little_as_bicubically(noise):
    seen = list(film(noise))
    one_by_one = [Sharpener()(pixels) for pixels in seen]
    steady = SteadyFrames(Sharpener(), SCALE, REACH)
    made = [steady(pixels) for pixels in seen]
    expected = change([bicubic(pixels) for pixels in seen], 64)
    assert change(one_by_one, 64) > 2 * expected
    assert change(made, 64) <= 1.1 * expected


def test_what_moves_is_what_the_network_makes():
    seen = list(film(0))
    steady = SteadyFrames(Sharpener(), SCALE, REACH)
    for pixels in seen:
        made, expected = steady(pixels), Sharpener()(pixels)
        # The square and its surroundings, without what `np.roll` brings from the far side.
        assert np.abs(made[4:44, 4:-4].astype(int) - expected[4:44, 4:-4]).mean() < 1.5


def test_only_what_changed_goes_through_the_network():
    network = Sharpener()
    steady = SteadyFrames(network, SCALE, REACH)
    still = painting(200, 300)
    first = steady(still)
    once = network.pixels
    assert np.array_equal(steady(still), first)
    assert network.pixels == once
    moved = still.copy()
    moved[100:110, 150:160] = 255
    steady(moved)
    assert network.pixels - once < 60 * 60


def test_a_cut_begins_anew_whatever_was_before():
    steady = SteadyFrames(Sharpener(), SCALE, REACH)
    steady(painting(seed=1))
    other = 255 - painting(seed=2)
    fresh = SteadyFrames(Sharpener(), SCALE, REACH)(other)
    assert np.abs(steady(other).astype(int) - fresh).mean() < 1
    larger = painting(48, 64)
    assert steady(larger).shape == (48 * SCALE, 64 * SCALE, 3)


def test_a_slow_fade_is_followed():
    steady = SteadyFrames(Sharpener(), SCALE, REACH)
    still = painting().astype(float)
    for step in range(60):
        pixels = np.clip(still - step, 0, 255).round().astype(np.uint8)
        made = steady(pixels)
        assert abs(made.astype(float).mean() - Sharpener()(pixels).mean()) < 1.5


def test_sixteen_bits_stay_sixteen_bits():
    wide = painting().astype(np.uint16) * 257
    steady = SteadyFrames(lambda pixels: pixels.repeat(2, 0).repeat(2, 1), 2, 1)
    steady(wide)
    made = steady(np.clip(wide.astype(int) + 300, 0, 65535).astype(np.uint16))
    assert made.dtype == np.uint16
    assert np.abs(made[::2, ::2].astype(int) - np.clip(wide.astype(int) + 300, 0, 65535)).mean() < 120


def test_boxes_hold_every_change_and_part_what_lies_apart():
    changed = np.zeros((100, 200), bool)
    changed[3, 5] = changed[4, 6] = changed[60, 150] = changed[61, 20] = True
    assert list(boxes(changed, 10)) == [(3, 5, 5, 7), (60, 62, 20, 21), (60, 62, 150, 151)]
    assert list(boxes(changed, 500)) == [(3, 62, 5, 151)]
    assert list(runs(np.zeros(5, bool), 1)) == []
