"""Rows that energy distances compare: which directions are found, and how far they are scaled down."""

import pytest
import torch

from impasto.nn.frozen_features import FrozenFeatures
from impasto.nn.whitening import ComparedRows, Whitening, leading_directions


def rows_of(deviations, count=512):
    """(count, D) of mean 3, exactly uncorrelated, with these standard deviations."""
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(count, len(deviations), generator=draw, dtype=torch.float64)
    even = torch.linalg.qr(noise - noise.mean(0)).Q * count**0.5
    return (even * torch.tensor(deviations, dtype=torch.float64) + 3).float()


def test_the_leading_directions_are_those_of_a_whole_decomposition():
    draw = torch.Generator().manual_seed(1)
    mixed = torch.randn(300, 40, generator=draw, dtype=torch.float64) * 5 * 0.85 ** torch.arange(40)
    mixed = mixed @ torch.linalg.qr(torch.randn(40, 40, generator=draw, dtype=torch.float64)).Q
    centred = mixed - mixed.mean(0)
    found, deviations = leading_directions(centred, 8)
    _, whole, directions = torch.linalg.svd(centred, full_matrices=False)
    assert torch.allclose(deviations, whole[:8] / 300**0.5, rtol=1e-3)
    assert torch.allclose((found.T @ directions[:4].T).abs()[:4], torch.eye(4, dtype=torch.float64), atol=0.1)


def test_a_strong_direction_is_scaled_down_and_the_others_keep_their_proportions():
    rows = rows_of([10.0, 2.0, 1.0, 1.0])
    whitening = Whitening(4, 1)
    whitening.fit(rows)
    usual = (106 / 4) ** 0.5
    expected = torch.tensor([10 / (10 + usual), 2 / usual, 1 / usual, 1 / usual])
    assert torch.allclose(whitening(rows).std(0, correction=0), expected, rtol=1e-3)


@pytest.mark.parametrize("count", [2, 5])
def test_fewer_rows_than_directions(count):
    whitening = Whitening(6, 8)
    whitening.fit(rows_of([3.0, 2, 1, 1, 1, 1])[:count])
    assert torch.isfinite(whitening(rows_of([1.0] * 6))).all()


def test_rows_that_are_all_alike_stay_finite():
    whitening = Whitening(6, 3)
    whitening.fit(torch.ones(10, 6))
    assert torch.isfinite(whitening(torch.rand(4, 6))).all()


def test_without_directions_rows_are_only_scaled():
    rows = rows_of([10.0, 2.0, 1.0])
    whitening = Whitening(3, 0)
    whitening.fit(rows)
    assert torch.allclose(whitening(rows), rows / 35**0.5, rtol=1e-3)


def test_rows_of_pictures_and_of_their_maps():
    pyramid, compared = FrozenFeatures((64, 64)), ComparedRows(3, (64, 64), 4)
    images = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        maps = pyramid(images)
    compared.fit(
        [compared.plain(images[:3], [m[:3] for m in maps]), compared.plain(images[3:], [m[3:] for m in maps])]
    )
    plain = compared.plain(images, maps)
    sizes = {name: tuple(compared.whitenings[name](rows).shape) for name, rows in plain.items()}
    assert sizes == {
        "thumbnails": (6, 192), "maps0": (6, 1536), "maps1": (6, 2560), "maps2": (6, 1792), "maps3": (6, 1280)
    }  # fmt: skip
    places = compared.by_place("maps2", plain["maps2"])
    assert places.shape == (16, 6, 112)
    unit = compared.whitenings["maps2"].scale
    assert torch.allclose(places[5], unit * maps[2][:, :, 1, 1], atol=1e-5), "row 1, column 1"


def test_what_was_found_is_kept_with_the_weights():
    one, other = Whitening(4, 2), Whitening(4, 2)
    one.fit(rows_of([4.0, 2, 1, 1]))
    other.load_state_dict(one.state_dict())
    rows = rows_of([1.0, 1, 1, 1])
    assert torch.equal(one(rows), other(rows))
