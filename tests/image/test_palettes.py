"""Palettes of made-up pictures whose colours are known, and of drawings and paintings."""

import numpy as np
import pytest
import torch

from impasto.image import codec
from impasto.image.oklab import palette_difference
from impasto.image.palettes import ask_for_some, hex_to_oklab, page_of, palettes_of, shares_of

RED, BLUE, GREY = "#d22f27", "#1e50a0", "#9b9b9a"


def blank(side: int = 32, colour: str = "#ffffff") -> np.ndarray:
    return np.tile(np.frombuffer(bytes.fromhex(colour[1:]), np.uint8), (side, side, 1))


def painted(pixels: np.ndarray, rows: slice, columns: slice, colour: str) -> np.ndarray:
    pixels[rows, columns] = list(bytes.fromhex(colour[1:]))
    return pixels


def palette(pixels: np.ndarray, **options: object) -> torch.Tensor:
    return palettes_of(codec.to_tensor(pixels[None]), **options)[0]


def colours(found: torch.Tensor) -> torch.Tensor:
    return found[found[:, 3] > 0, :3]


def close(found: torch.Tensor, *expected: str) -> bool:
    wanted = torch.stack([hex_to_oklab(colour) for colour in expected])
    return found.shape == wanted.shape and bool(((found - wanted).norm(dim=1) < 0.01).all())


def test_two_colours_on_a_page_have_their_shares_and_the_page_has_none():
    pixels = painted(blank(), slice(4, 28), slice(4, 22), RED)
    painted(pixels, slice(4, 28), slice(22, 28), BLUE)
    found = palette(pixels)
    assert found.shape == (5, 4)
    assert close(colours(found), RED, BLUE)
    torch.testing.assert_close(found[:, 3], torch.tensor([0.75, 0.25, 0, 0, 0]))
    assert (found[2:] == 0).all()


def test_white_that_is_enclosed_is_a_colour():
    pixels = painted(blank(), slice(4, 28), slice(4, 28), RED)
    painted(pixels, slice(10, 20), slice(10, 20), "#ffffff")
    assert close(colours(palette(pixels)), RED, "#ffffff")
    painted(pixels, slice(14, 15), slice(0, 12), "#ffffff")  # a way in: now it is page
    assert close(colours(palette(pixels)), RED)


def test_the_page_is_found_round_many_corners():
    pixels = blank(33)
    for index in range(2, 31, 4):  # walls, open at the top and at the bottom in turn
        gap = slice(3, 33) if index % 8 == 2 else slice(0, 30)
        painted(pixels, gap, slice(index, index + 1), RED)
    painted(pixels, slice(0, 1), slice(0, 33), RED)
    painted(pixels, slice(32, 33), slice(0, 33), RED)
    painted(pixels, slice(0, 33), slice(32, 33), RED)
    page = page_of(codec.to_tensor(pixels[None]))[0]
    assert torch.equal(page, torch.from_numpy((pixels == 255).all(2)))
    painted(pixels, slice(0, 33), slice(0, 1), RED)  # and the door is shut
    assert not page_of(codec.to_tensor(pixels[None])).any()


def test_a_flat_ground_that_somebody_chose_is_a_colour_and_the_background_setting_decides():
    pixels = painted(blank(colour=BLUE), slice(8, 24), slice(8, 24), RED)
    assert close(colours(palette(pixels)), BLUE, RED)
    assert close(colours(palette(pixels, background=BLUE)), RED)


def test_transparency_is_page_whatever_colour_lies_under_it():
    opaque = painted(blank(colour=BLUE), slice(8, 24), slice(8, 24), RED)
    pixels = np.dstack((opaque, np.zeros((32, 32), np.uint8)))
    pixels[8:24, 8:24, 3] = 255
    assert close(colours(palette(pixels)), RED)


def test_of_a_blank_picture_the_page_is_the_colour():
    found = palette(blank())
    assert close(colours(found), "#ffffff")
    assert float(found[0, 3]) == 1
    torch.testing.assert_close(shares_of(codec.to_tensor(blank()[None])), torch.full((1, 1024), 1 / 1024))


def test_edges_that_blend_two_colours_are_no_colours_and_thin_lines_are():
    down, right = np.mgrid[-256:256, -256:256] / 8
    distance = np.hypot(down, right)
    fine = blank(512)
    fine[distance < 24] = list(bytes.fromhex("fcea2b"))
    fine[abs(distance - 24) < 0.9] = 0  # a round line of 1.8 px, white outside
    fine[(abs(down - right) < 1) & (distance < 24)] = 0
    soft = fine.reshape(64, 8, 64, 8, 3).mean((1, 3)).astype(np.uint8)
    found = palette(np.ascontiguousarray(soft))
    assert close(colours(found)[:2], "#fcea2b", "#000000")
    assert (found[2:] == 0).all()
    assert 0.05 < float(found[1, 3]) < 0.25


def test_a_line_drawing_has_the_colour_of_its_ink():
    down, right = np.mgrid[-256:256, -256:256] / 8
    ink = blank(512)
    for slope in (-2, -0.4, 0.3, 1.5):
        ink[abs(down - slope * right) / np.hypot(1, slope) < 1.0] = list(bytes.fromhex("1e50a0"))
    soft = ink.reshape(64, 8, 64, 8, 3).mean((1, 3)).astype(np.uint8)
    found = palette(np.ascontiguousarray(soft))
    assert (found[1:] == 0).all()
    assert float((found[0, :3] - hex_to_oklab("#1e50a0")).norm()) < 0.03


def test_grey_pictures_and_shapes_that_are_none():
    grey = np.full((1, 16, 16, 1), 128, np.uint8)
    found = palettes_of(codec.to_tensor(grey), 3)
    assert found.shape == (1, 3, 4)
    assert close(colours(found[0]), "#808080")
    with pytest.raises(ValueError, match="pictures must be"):
        palettes_of(torch.zeros(1, 2, 8, 8))


def test_more_colours_than_asked_for_leaves_the_ones_that_stand_for_them():
    hues = ["#e8112d", "#1e50a0", "#5c9e31", "#fcea2b", "#8967aa", "#f1b31c", "#000000", "#61b2e4"]
    pixels = blank(64)
    for index, hue in enumerate(hues):
        painted(pixels, slice(8, 56), slice(index * 8, index * 8 + 8), hue)
    few, many = palette(pixels, count=3), palette(pixels, count=8)
    assert (few[:, 3] > 0).sum() == 3
    torch.testing.assert_close(few[:, 3].sum(), torch.tensor(1.0))
    wanted = torch.stack([hex_to_oklab(hue) for hue in hues])
    assert (torch.cdist(wanted, many[:, :3]).amin(1) < 0.01).all()


def noisy(count: int) -> torch.Tensor:
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (24, 24), mode="bicubic").clamp(-1, 1)


def test_a_palette_is_the_same_in_any_batch_and_every_time():
    pictures = noisy(12)
    pictures[3] = 1
    together = palettes_of(pictures)
    assert torch.equal(together, palettes_of(pictures))
    for index in range(12):
        torch.testing.assert_close(palettes_of(pictures[index : index + 1])[0], together[index])
    torch.testing.assert_close(palettes_of(pictures.flip(3))[3], together[3])
    assert (together[..., 3].diff(dim=1) <= 0).all()


def test_requests_hold_some_of_a_palettes_colours():
    palettes = palettes_of(noisy(1)).expand(6000, -1, -1).clone()
    palettes[:, 4] = 0  # four colours
    asked = ask_for_some(palettes, torch.Generator().manual_seed(0))
    number = (asked[..., 3] > 0).sum(1)
    assert set(asked[..., 3].unique().tolist()) == {0.0, 1.0}
    assert (torch.bincount(number, minlength=6) / 6000 - torch.tensor([0.2] * 5 + [0])).abs().max() < 0.03
    assert (torch.cdist(asked[..., :3], palettes[..., :3]).amin(2) < 1e-3)[asked[..., 3] > 0].all()
    assert (asked[asked[..., 3] == 0] == 0).all()
    one = asked[number == 1, 0, :3]
    drawn = (torch.cdist(one, palettes[0, :4, :3]) < 1e-3).float().mean(0)
    expected = palettes[0, :4, 3] / palettes[0, :4, 3].sum()
    torch.testing.assert_close(drawn, expected, atol=0.06, rtol=0)
    every = (number == 4).nonzero()[0]
    assert len(asked[every, :4].flatten(0, 1).unique(dim=0)) == 4
    assert torch.equal(ask_for_some(palettes, torch.Generator().manual_seed(0)), asked)
    assert (ask_for_some(torch.zeros(2, 5, 4), torch.Generator()) == 0).all()


@pytest.mark.realdata
def test_a_painting_keeps_its_palette_when_it_is_reduced(realdata):
    paths = sorted((realdata / "vangogh").glob("*.jpg"))[:24]
    large, small = (
        palettes_of(codec.to_tensor(np.stack([codec.fit_square(p, side) for p in paths])))
        for side in (96, 64)
    )
    own = palette_difference(large, small)
    others = palette_difference(large, small.roll(1, 0))
    assert own.mean() < 0.4 * others.mean()
