"""Pictures in other colours: what is asked for is there, and all else stays."""

import pytest
import torch
from torch.nn import functional as F

from impasto.data.colours import request_of
from impasto.image.oklab import oklab_of, palette_difference, palette_distance
from impasto.image.palettes import ask_for_some, hex_to_oklab, palettes_of
from impasto.tasks.generation.sampling.repaint import assign, repaint, replaced

SIDE = 48


def disc(fill="#f4c20d", line="#000000", page="#ffffff", spot=None, oversample=4):
    """(1, 3, SIDE, SIDE): an outlined disc, smooth at its edges as a drawing program makes them."""
    size = SIDE * oversample
    axis = (torch.arange(size) + 0.5) / oversample - SIDE / 2
    radius = torch.hypot(axis[:, None], axis)
    picture = colour(page).expand(3, size, size).clone()
    picture[:, radius < 18] = colour(line)[:, 0]
    picture[:, radius < 15] = colour(fill)[:, 0]
    if spot:
        picture[:, radius < 6] = colour(spot)[:, 0]
    return F.avg_pool2d(picture[None], oversample)


def colour(text):
    return torch.tensor(list(bytes.fromhex(text[1:])))[:, None, None] / 127.5 - 1


def ask(*colours):
    return request_of([c if isinstance(c, tuple) else (c, 1.0) for c in colours])[None]


def at(picture, row, column):
    return oklab_of(picture)[0].view(SIDE, SIDE, 3)[row, column]


def apart(one, text):
    return float((one - hex_to_oklab(text)).norm())


def test_where_nothing_is_asked_for_nothing_happens():
    picture = disc()
    assert torch.equal(repaint(picture, torch.zeros(1, 5, 4)), picture)


def test_one_colour_takes_the_place_of_the_largest_and_the_rest_stays():
    made = repaint(disc(spot="#ffffff"), ask("#008080"))
    assert apart(at(made, 24, 35), "#008080") < 0.01
    assert apart(at(made, 24, 24), "#ffffff") < 0.02  # enclosed white is no page, and was not asked about
    assert apart(at(made, 24, 41), "#000000") < 0.15
    assert torch.equal(made[0, :, :4, :4], disc()[0, :, :4, :4])


def test_a_colour_goes_where_it_is_nearest_if_that_is_not_small():
    made = repaint(disc(spot="#c01020"), ask("#d02030"))
    assert apart(at(made, 24, 24), "#d02030") < 0.01
    assert apart(at(made, 24, 35), "#f4c20d") < 0.02


def test_edges_of_the_page_stay_blends_of_the_page_and_what_they_bound():
    """Grey between black and white is no colour of its own: it must not become one."""
    before, made = disc(), repaint(disc(), ask(("#008080", 0.8), ("#000000", 0.2)))
    chroma = oklab_of(made)[0, :, 1:].norm(dim=1).view(SIDE, SIDE)
    outside = (before[0] != before[0, :, :1, :1]).any(0)
    inner = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    axis = torch.arange(SIDE) + 0.5 - SIDE / 2
    inner[torch.hypot(axis[:, None], axis) < 17] = True
    assert (outside & ~inner).sum() > 50
    assert float(chroma[outside & ~inner].max()) < 0.03


def test_a_whole_palette_is_met_in_colours_and_shares():
    picture = disc(spot="#2060c0")
    asked = ask(("#c02040", 0.6), ("#203040", 0.3), ("#e0e0a0", 0.1))
    before, after = (palette_difference(asked, palettes_of(x)) for x in (picture, repaint(picture, asked)))
    assert float(after) < 0.25 * float(before)
    assert apart(at(repaint(picture, asked), 24, 35), "#c02040") < 0.03


def pictures(count):
    """(count, 3, SIDE, SIDE): discs in colours by chance."""
    rng = torch.Generator().manual_seed(0)
    texts = [f"#{bytes(torch.randint(0, 256, (3,), generator=rng).tolist()).hex()}" for _ in range(3 * count)]
    return torch.cat([disc(texts[3 * i], texts[3 * i + 1], spot=texts[3 * i + 2]) for i in range(count)])


def test_requests_are_met_far_better_than_by_chance():
    made = pictures(24)
    palettes = palettes_of(made)
    whole, rng = palettes.roll(1, 0), torch.Generator().manual_seed(1)
    some = ask_for_some(whole, rng)
    found = palettes_of(repaint(made, whole))
    assert float(palette_difference(whole, found).mean()) < 0.3 * float(
        palette_difference(whole, palettes).mean()
    )
    found = palettes_of(repaint(made, some))
    assert float(palette_distance(some, found).mean()) < 0.3 * float(palette_distance(some, palettes).mean())


@pytest.mark.parametrize("whole", [True, False])
def test_the_order_of_colours_does_not_matter(whole):
    picture = disc(spot="#2060c0")
    colours = [("#c02040", 0.6), ("#203040", 0.25), ("#e0e0a0", 0.15)]
    colours = colours if whole else [text for text, _ in colours]
    assert torch.equal(repaint(picture, ask(*colours)), repaint(picture, ask(*reversed(colours))))


def test_a_picture_is_the_same_alone_and_among_others_bit_for_bit():
    made = pictures(4)
    asked = torch.cat((ask("#008080"), ask(("#c02040", 0.7), ("#102030", 0.3))) * 2)
    together = repaint(made, asked)
    for row in range(4):
        assert torch.equal(repaint(made[row : row + 1], asked[row : row + 1])[0], together[row])


def test_alpha_stays_and_what_is_clear_is_page():
    picture = torch.cat((disc(), torch.ones(1, 1, SIDE, SIDE)), 1)
    picture[:, 3, :10] = -1
    made = repaint(picture, ask("#008080"))
    assert torch.equal(made[:, 3], picture[:, 3])
    assert torch.equal(made[:, :, :8], picture[:, :, :8])


def test_a_blank_page_can_be_asked_for_a_colour():
    made = repaint(torch.ones(1, 3, 8, 8), ask("#008080"))
    assert torch.isfinite(made).all()


def test_an_assignment_by_hand():
    """Half is red and half nearly red; asked for are green, three quarters, and blue, one quarter."""
    near_red = hex_to_oklab("#ff0000") + torch.tensor([-0.02, 0, 0])
    own = torch.stack((hex_to_oklab("#ff0000"), near_red, hex_to_oklab("#ffff00")))
    own = torch.cat((own, torch.tensor([[0.4], [0.35], [0.25]])), 1)
    asked = request_of([("#00ff00", 0.75), ("#0000ff", 0.25)])[:2]
    assert assign(own, asked).tolist() == [0, 0, 1]


def test_more_colours_than_a_picture_has():
    own = torch.cat((hex_to_oklab("#f0f000"), torch.ones(1)))[None]
    asked = request_of([("#000080", 1.0), ("#ffff00", 1.0)])[:2]
    assert torch.equal(replaced(own, asked)[0], asked[1, :3])


def test_outlines_become_light_only_where_nothing_else_is_there():
    ink, skin = (torch.cat((hex_to_oklab(text), torch.tensor([0.5]))) for text in ("#101010", "#e0a080"))
    asked = request_of([("#ffe0e0", 1.0), ("#e0e0ff", 1.0)])[:2]
    assert torch.equal(replaced(torch.stack((ink, skin)), asked)[0], ink[:3])
    assert torch.equal(replaced(ink[None], asked[:1])[0], asked[0, :3])
    dark = request_of([("#202060", 1.0), ("#e0e0ff", 1.0)])[:2]
    assert torch.equal(replaced(torch.stack((ink, skin)), dark), dark[:, :3])
