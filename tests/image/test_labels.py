"""Label maps: their palette is found through JPEG's noise, and pictures are told from them."""

import io

import numpy as np
import pytest
from PIL import Image

from impasto.errors import InputError
from impasto.image.labels import (
    colours_needed,
    find_palette,
    from_hex,
    index_map,
    paint,
    reduce_labels,
    to_hex,
)
from tests.pictures import painting

PALETTES = {
    "far": ["#0000aa", "#0080ff", "#ffee00", "#ff5000", "#606060"],
    "near": ["#0000de", "#0030ff", "#0080ff", "#ff5001", "#ff9f00"],
    "greys": ["#000000", "#404040", "#808080", "#ffffff"],
}


def drawn(palette, count=8, side=160, seed=0):
    """Label numbers of some maps: rectangles of 10 px and more."""
    rng = np.random.default_rng(seed)
    maps = []
    for _ in range(count):
        labels = np.zeros((side, side), np.uint8)
        for _ in range(12):
            y, x = rng.integers(0, side - 20, 2)
            height, width = rng.integers(10, 50, 2)
            labels[y : y + height, x : x + width] = rng.integers(0, len(palette))
        maps.append(labels)
    return maps


def as_jpeg(pixels, quality=75):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def farthest(found, true):
    """The largest difference in any channel of two palettes, each colour beside the nearest of the other."""
    assert len(found) == len(true)
    apart = np.abs(np.array(found)[:, None] - np.array(true)[None]).max(2)
    return max(apart.min(0).max(), apart.min(1).max())


@pytest.mark.parametrize("name", PALETTES)
def test_the_true_palette_is_found_through_jpeg(name):
    palette = [from_hex(colour) for colour in PALETTES[name]]
    maps = drawn(palette)
    noisy = [as_jpeg(paint(labels, palette)) for labels in maps]
    found = find_palette(noisy)
    assert farthest(found, palette) <= 3
    right = [
        (index_map(pixels, palette)[0] == labels).mean() for pixels, labels in zip(noisy, maps, strict=True)
    ]
    assert np.mean(right) > 0.97


def test_without_noise_each_colour_is_a_label_however_small():
    palette = [from_hex(colour) for colour in PALETTES["far"]]
    labels = np.zeros((64, 64), np.uint8)
    labels[:40], labels[5, 5], labels[50, 40:42] = 1, 2, 3
    assert find_palette([paint(labels, palette)]) == [palette[i] for i in (1, 0, 3, 2)]


def test_pictures_are_no_label_maps():
    assert find_palette(painting(96, 96, seed=i) for i in range(4)) is None
    assert find_palette(as_jpeg(painting(96, 96, seed=i)) for i in range(4)) is None
    assert find_palette([]) is None


def test_a_colour_that_is_no_label_is_named_and_blends_are_not():
    palette = [from_hex("#0000aa"), from_hex("#ffee00")]
    pixels = paint(drawn(palette, 1)[0], palette).copy()
    assert index_map(as_jpeg(pixels), palette)[1] == {}
    pixels[:20, :20] = from_hex("#00ff00")
    labels, strange = index_map(pixels, palette)
    assert list(strange) == ["#00ff00"]
    assert len(np.unique(labels[:16, :16])) == 1  # the nearest


def test_reducing_keeps_the_label_that_fills_most():
    labels = np.zeros((8, 8), np.uint8)
    labels[:, 5:] = 2
    labels[0, 0] = 1
    reduced = reduce_labels(labels, 4, 4, 3)
    assert reduced.tolist() == [[0, 0, 0, 2]] * 4 or reduced.tolist() == [[0, 0, 2, 2]] * 4
    assert reduce_labels(labels, 8, 8, 3) is labels
    assert reduce_labels(labels, 16, 16, 3).shape == (16, 16)
    assert set(np.unique(reduce_labels(labels, 16, 16, 3))) == {0, 1, 2}


def test_colours_are_counted_and_written():
    palette = [from_hex(colour) for colour in PALETTES["far"]]
    flat = paint(drawn(palette, 1)[0], palette)
    assert colours_needed([flat]) <= len(palette) < colours_needed([painting(96, 96)])
    assert to_hex(from_hex("#0080FF")) == "#0080ff"
    with pytest.raises(InputError, match="'blue' is no colour"):
        from_hex("blue")


@pytest.mark.realdata
def test_the_palettes_of_real_layouts(realdata):
    """CMP's facades are JPEG files of twelve colours of MATLAB's map jet; ArchiGAN's are PNG."""
    files = sorted((realdata / "facades" / "layouts").glob("*.jpg"))[::8]
    found = find_palette(np.asarray(Image.open(file)) for file in files)
    jet = ["0000de", "0030ff", "0080ff", "00cfff", "20ffdf", "70ff8f"]
    jet += ["bfff40", "ffef00", "ff9f00", "ff5000", "ff0000", "af0000"]
    assert farthest(found, [from_hex(f"#{colour}") for colour in jet]) <= 4
    assert (
        find_palette(
            np.asarray(Image.open(f)) for f in sorted((realdata / "facades" / "photos").glob("*"))[::8]
        )
        is None
    )
    plans = sorted(
        (realdata / "archigan" / "RepartitionInputLayer__RepartitionOutputLayer" / "train").glob("*")
    )
    right = find_palette(np.asarray(Image.open(file))[:, 256:] for file in plans[::4])
    assert {to_hex(c) for c in right} == {"#fdfafa", "#215e7b", "#000000", "#8dab56", "#c3a46e", "#3e915a"}
