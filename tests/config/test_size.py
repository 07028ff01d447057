"""Sizes as people write them."""

import pytest

from impasto.config.size import parse_size, size_settings
from impasto.errors import ConfigError


@pytest.mark.parametrize(
    ("asked", "shape"),
    [
        (64, (64, 64)),
        ("64", (64, 64)),
        ("384x256", (256, 384)),
        (" 384 X 256 ", (256, 384)),
        ("384×256", (256, 384)),
        ((384, 256), (256, 384)),
        ([256, 384], (384, 256)),
    ],
)
def test_width_comes_first(asked, shape):
    assert parse_size(asked) == shape


@pytest.mark.parametrize(
    "asked", ["", "wide", "64x", "64x64x3", "-64", "6.4", 0, -3, (64, 64, 3), (), (1.5, 2), "³²"]
)
def test_what_is_no_size_is_named(asked):
    with pytest.raises(ConfigError, match="is no size of pictures") as caught:
        parse_size(asked)
    assert "WIDTHxHEIGHT" in caught.value.hint


def test_settings_of_a_square_say_no_width():
    assert size_settings((64, 64)) == {"image.size": 64, "image.width": None}
    assert size_settings((64, 96)) == {"image.size": 64, "image.width": 96}
