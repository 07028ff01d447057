"""Variety of shape, of colour and by theme: each sees its own collapse, and is blind to the other two."""

import numpy as np
import pytest
import torch

from impasto.errors import InputError
from impasto.metrics.colour import energy_distance, relative_energy_distance
from impasto.metrics.variety import (
    colour_number,
    effective_number,
    evenly,
    looks_of,
    relative,
    shape_number,
    theme_centres,
    theme_shares,
)
from tests.pictures import FOLDERS, all_cyan, one_shape, smoothed

COUNT = 48


def varieties(real, fake):
    """(shape, colour) of samples, real pictures being 1."""
    real, fake = looks_of(real), looks_of(fake)
    return (
        relative(shape_number(fake), shape_number(real)),
        relative(colour_number(fake), colour_number(real)),
    )


def test_an_effective_number_is_one_for_all_alike_and_n_for_all_different():
    assert effective_number(torch.ones(7, 7)) == pytest.approx(1)
    assert effective_number(torch.eye(7)) == pytest.approx(7)
    twice = torch.eye(3).repeat_interleave(2, 0)
    assert effective_number(twice @ twice.T) == pytest.approx(3)


def test_relative_begins_at_all_alike():
    assert relative(1.0, 9.0) == 0
    assert relative(9.0, 9.0) == 1
    assert relative(1.0, 1.1) is None  # real pictures are all alike


def test_evenly():
    assert evenly(3, 9).tolist() == [0, 3, 6]
    assert evenly(4, 4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", FOLDERS)
def test_new_pictures_of_a_folder_are_as_varied(kind):
    real, new = FOLDERS[kind](COUNT, 1), FOLDERS[kind](COUNT, 2)
    shape, colour = varieties(real, new)
    assert shape == pytest.approx(1, abs=0.35)
    assert colour is None or colour == pytest.approx(1, abs=0.35)
    # What a generator of few minutes makes is soft, and still varied.
    shape, colour = varieties(real, smoothed(new, 8))
    assert shape > 0.4
    assert colour is None or colour > 0.5


@pytest.mark.parametrize("kind", FOLDERS)
def test_one_shape_in_many_colours_has_no_variety_of_shapes(kind):
    shape, colour = varieties(FOLDERS[kind](COUNT, 1), one_shape(FOLDERS[kind](1, 2)[0], COUNT))
    assert shape < 0.1
    assert colour is None or colour > 0.6


@pytest.mark.parametrize("kind", FOLDERS)
def test_many_shapes_all_cyan_have_no_variety_of_colours(kind):
    shape, colour = varieties(FOLDERS[kind](COUNT, 1), all_cyan(FOLDERS[kind](COUNT, 2)))
    assert shape > 0.35  # faces differ in their colours most; a collapse is called below 0.1
    assert colour is None or colour < 0.1


def test_grey_pictures_have_no_colours_to_lose():
    real = FOLDERS["letters"](COUNT, 1)[..., :1]
    assert real.shape[3] == 1
    shape, colour = varieties(real, FOLDERS["letters"](COUNT, 2)[..., :1])
    assert shape > 0.6
    assert colour is None


def test_an_alpha_channel_lies_on_white_and_sizes_do_not_matter():
    rgb = np.full((3, 20, 40, 3), 255, np.uint8)
    rgb[:, 4:9, 10:30] = (200, 30, 60)
    alpha = np.where((rgb != 255).any(3), 255, 0).astype(np.uint8)
    dark = np.where(alpha[..., None] > 0, rgb, 0).astype(np.uint8)
    flat, clear = looks_of(rgb), looks_of(np.concatenate((dark, alpha[..., None]), 3))
    assert torch.allclose(flat.shapes, clear.shapes)
    assert torch.allclose(flat.hues, clear.hues)
    assert torch.allclose(flat.shapes.norm(dim=1), torch.ones(3, dtype=torch.float64))
    assert torch.allclose(flat.hues.norm(dim=1), torch.ones(3, dtype=torch.float64))
    assert flat.colours.shape == (3, 48)


def test_flat_pictures_are_all_alike():
    shades = np.linspace(0, 255, COUNT).astype(np.uint8)
    flat = np.broadcast_to(shades[:, None, None, None], (COUNT, 32, 32, 3))
    assert shape_number(looks_of(flat)) == pytest.approx(1, abs=0.01)
    assert colour_number(looks_of(flat)) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("pixels", [np.zeros((2, 8, 8, 2), np.uint8), np.zeros((0, 8, 8, 3), np.uint8)])
def test_what_are_no_pictures_is_refused(pixels):
    with pytest.raises(InputError, match="pictures must be"):
        looks_of(pixels)


def test_a_relative_energy_distance_is_at_most_one():
    rng = torch.Generator().manual_seed(0)
    x, y = (torch.randn(200, 3, generator=rng, dtype=torch.float64) for _ in range(2))
    assert relative_energy_distance(x, y) == pytest.approx(0, abs=0.03)
    assert 0.9 < relative_energy_distance(x, y + 100) <= 1
    between = torch.cdist(x, y + 1).mean()
    assert relative_energy_distance(x, y + 1) == pytest.approx(energy_distance(x, y + 1) / float(2 * between))
    assert relative_energy_distance(x[:1].expand(3, -1), x[:1].expand(4, -1)) == 0


# --- themes


def clusters(labels, rng):
    centres = 10 * torch.eye(4, 6, dtype=torch.float64)
    return centres[labels] + torch.randn(len(labels), 6, generator=rng, dtype=torch.float64)


def test_one_theme_has_no_variety():
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(40) % 4
    names = ("cats", "dogs", "flags", "trees")
    found = theme_centres(clusters(labels, rng), torch.eye(4)[labels], names)
    assert found is not None
    assert found.names == names
    assert found.real == pytest.approx(4)
    even = theme_shares(clusters(torch.arange(64) % 4, rng), found)
    assert even.variety == pytest.approx(1)
    assert even.share == 0.25
    one = theme_shares(clusters(torch.full((64,), 2), rng), found)
    assert (one.variety, one.most, one.share) == (0, "flags", 1)


def test_a_real_picture_does_not_name_itself():
    """By its distance to the others of its theme, as if they were asked without it."""
    rng = torch.Generator().manual_seed(0)
    features = torch.randn(12, 5, generator=rng, dtype=torch.float64)
    themes = torch.eye(3)[torch.arange(12) % 3]
    nearest = []
    for i in range(12):
        others = torch.arange(12) != i
        means = [features[others & (themes[:, t] > 0)].mean(0) for t in range(3)]
        nearest.append(int(torch.stack([(features[i] - m).norm() for m in means]).argmin()))
    shares = torch.bincount(torch.tensor(nearest), minlength=3).double() / 12
    found = theme_centres(features, themes, ("a", "b", "c"))
    assert found.real == pytest.approx(float(torch.special.entr(shares).sum().exp()))


def test_themes_of_too_few_pictures_are_left_out():
    rng = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 3])
    found = theme_centres(clusters(labels, rng), torch.eye(4)[labels], ("a", "b", "c", "d"))
    assert found.names == ("a", "b")
    labels = torch.tensor([0, 0, 0, 1, 1])
    assert theme_centres(clusters(labels, rng), torch.eye(4)[labels], ("a", "b", "c", "d")) is None
