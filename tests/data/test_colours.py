from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.data.colours import (
    check_count,
    hex_colours,
    palette_from_file,
    palette_strips,
    parse_colour,
    request_of,
)
from impasto.errors import InputError
from impasto.image.palettes import hex_to_oklab


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#f4c20d", "#f4c20d"),
        ("#FA0", "#ffaa00"),
        ("f4c20d", "#f4c20d"),
        ("teal", "#008080"),
        (" DarkSlateGray ", "#2f4f4f"),
        ("grey", "#808080"),
    ],
)
def test_colours_are_read(text: str, expected: str) -> None:
    assert parse_colour(text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("tael", "did you mean teal"),
        ("sky blue", "did you mean skyblue"),
        ("#12345", "after '#' come 3 or 6 digits"),
        ("#gggggg", "after '#' come 3 or 6 digits"),
        ("", "or a CSS name"),
        ("qqqqqqqq", "or a CSS name"),
    ],
)
def test_what_is_no_colour_is_refused_with_the_closest_names(text: str, hint: str) -> None:
    with pytest.raises(InputError, match=f"'{text}' is not a colour") as caught:
        parse_colour(text)
    assert hint in caught.value.hint


def test_a_list_becomes_a_request() -> None:
    asked = request_of([("#008080", 1.0), ("#ffffff", 0.5)])
    assert asked.shape == (5, 4)
    torch.testing.assert_close(asked[0], torch.cat((hex_to_oklab("#008080"), torch.ones(1))))
    torch.testing.assert_close(asked[1], torch.tensor([1.0, 0, 0, 0.5]), atol=1e-5, rtol=0)
    assert (asked[2:] == 0).all()
    assert (request_of([], 3) == torch.zeros(3, 4)).all()
    with pytest.raises(InputError, match="3 colours are more than the 2"):
        check_count(["red"] * 3, 2)


def test_the_palette_of_a_file(tmp_path: Path) -> None:
    pixels = np.full((100, 300, 3), 255, np.uint8)
    pixels[20:80, 60:240] = 0, 128, 128
    path = tmp_path / "wide.png"
    Image.fromarray(pixels).save(path)
    palette = palette_from_file(path, 4)
    assert palette.shape == (4, 4)
    ((colour, share),) = hex_colours(palette)
    assert (hex_to_oklab(colour) - hex_to_oklab("#008080")).norm() < 0.01
    assert share == pytest.approx(1)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    with pytest.raises(InputError, match=r"notes\.png' is not a picture") as caught:
        palette_from_file(tmp_path / "notes.png")
    assert "photo" in caught.value.hint
    with pytest.raises(InputError, match="does not exist"):
        palette_from_file(tmp_path / "absent.png")


def test_palettes_are_drawn_in_bands() -> None:
    palette = torch.zeros(2, 5, 4)
    palette[0, 0] = torch.cat((hex_to_oklab("#008080"), torch.tensor([0.75])))
    palette[0, 1] = torch.cat((hex_to_oklab("#ff0000"), torch.tensor([0.25])))
    strips = palette_strips(palette, 16)
    assert strips.shape == (2, 16, 8, 3)
    assert (strips[0, :12, 1:-1] == (0, 128, 128)).all()
    assert (strips[0, 12:, 1:-1] == (255, 0, 0)).all()
    assert (strips[1] == 128).all()
