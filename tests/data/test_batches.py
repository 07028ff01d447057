import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.data.batches import MIN_TRAIN_PICTURES, Batches, Shuffled, split
from impasto.data.cache import Pixels
from impasto.errors import DataError


def numbered(count: int) -> Pixels:
    """Picture i is (2, 2, 1) with i in its left column and 255 in its right."""
    array = np.full((count, 2, 2, 1), 255, np.uint8)
    array[:, :, 0, 0] = np.arange(count)[:, None]
    return Pixels(array, 2, 1)


def served(batches: Batches, calls: int) -> list[int]:
    return [int(i) for _ in range(calls) for i in batches.next().min(axis=(1, 2, 3))]


def test_an_epoch_serves_each_picture_once_in_an_order_of_its_own() -> None:
    batches = Batches(numbered(12), np.arange(2, 12), 5, seed=0)
    first, second = served(batches, 2), served(batches, 2)
    assert sorted(first) == sorted(second) == list(range(2, 12))
    assert first != second
    assert first == served(Batches(numbered(12), np.arange(2, 12), 5, seed=0), 2)
    assert first != served(Batches(numbered(12), np.arange(2, 12), 5, seed=1), 2)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 50), st.integers(1, 50), st.integers(0, 200), st.integers(0, 2**63 - 1)
)
def test_what_comes_at_a_position_depends_on_seed_and_position_alone(
    count: int, size: int, other_size: int, start: int, seed: int
) -> None:
    pixels, indices = numbered(count), np.arange(count)
    long = Batches(pixels, indices, start + size + other_size, seed, mirror=True).next()
    short = Batches(pixels, indices, size, seed, mirror=True)
    short.load_state_dict(json.loads(json.dumps({"seed": seed, "images_seen": start})))
    np.testing.assert_array_equal(short.next(), long[start : start + size])
    assert short.state_dict() == {"seed": seed, "images_seen": start + size}


def test_mirroring_turns_about_half() -> None:
    pixels = Batches(numbered(10), np.arange(10), 4000, 0, mirror=True).next()
    turned = pixels[:, 0, 0, 0] == 255
    assert 0.45 < turned.mean() < 0.55
    assert not (Batches(numbered(10), np.arange(10), 400, 0).next()[:, 0, 0, 0] == 255).any()


@pytest.mark.parametrize("mirror", [False, True])
def test_what_was_served_can_be_named(mirror: bool) -> None:
    batches = Batches(numbered(10), np.arange(2, 10), 7, 0, mirror=mirror)
    for _ in range(3):  # over the end of an epoch
        pixels = batches.next()
        indices, mirrored = batches.served()
        again = batches.pixels.take(indices)
        again[mirrored] = again[mirrored, :, ::-1]
        assert np.array_equal(pixels, again)
        assert mirrored.any() == mirror


def test_windows_are_spread_evenly() -> None:
    array = np.tile(np.arange(10, dtype=np.uint8), (2, 1)).reshape(-1)  # one picture, 2 x 10
    pixels = Pixels(array, 2, 1, np.array([[2, 10]]), np.array([0]))
    seen = Batches(pixels, np.array([0]), 9000, 0).next()[:, 0, 0, 0]
    assert np.bincount(seen).min() > 850
    assert seen.max() == 8


def test_an_epoch_by_weight_is_as_long_and_each_picture_comes_as_often_as_it_should() -> None:
    weights = np.array([0.5, 1.5, 0.25, 3.0, 0.75])
    indices = np.arange(2, 7)
    batches = Batches(numbered(7), indices, 5, seed=0, order=Shuffled(indices, weights))
    epochs = np.array([np.bincount(served(batches, 1), minlength=7)[2:] for _ in range(800)])
    assert (epochs.sum(axis=1) == 5).all()
    fair = weights / weights.mean()
    assert (epochs >= np.floor(fair)).all()
    assert (epochs <= np.ceil(fair)).all()
    np.testing.assert_allclose(epochs.mean(axis=0), fair, atol=0.06)


def test_by_weight_too_everything_follows_from_seed_and_position() -> None:
    weights = np.linspace(0.1, 2, 30)
    weights /= weights.mean()
    indices = np.arange(30)
    order = Shuffled(indices, weights)
    long = Batches(numbered(30), indices, 200, 3, mirror=True, order=order).next()
    short = Batches(numbered(30), indices, 50, 9, mirror=True, order=order)
    short.load_state_dict(json.loads(json.dumps({"seed": 3, "images_seen": 60})))
    np.testing.assert_array_equal(short.next(), long[60:110])
    assert short.state_dict() == {"seed": 3, "images_seen": 110}


def hashes(count: int, tag: str = "") -> list[str]:
    return [f"{tag}{i:04}" for i in range(count)]


@pytest.mark.parametrize(("count", "expected"), [(24, 16), (100, 16), (1000, 100)])
def test_the_share_or_the_minimum_is_held_out(count: int, expected: int) -> None:
    train, holdout = split(hashes(count), 0.1, 16, seed=0)
    assert len(holdout) == expected
    np.testing.assert_array_equal(np.sort(np.concatenate([train, holdout])), np.arange(count))


def test_the_split_is_stable_when_pictures_are_added() -> None:
    before = set(split(hashes(1000), 0.1, 16, seed=0)[1])
    after = set(split(hashes(1020), 0.1, 16, seed=0)[1])
    assert len(before & after) > 90
    assert before != set(split(hashes(1000), 0.1, 16, seed=1)[1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 80), min_size=60, max_size=300), st.integers(0, 9))
def test_copies_never_straddle_the_split(content: list[int], seed: int) -> None:
    names = [f"{c:02}" for c in content] + hashes(40, "unique")
    train, holdout = split(names, 0.2, 16, seed)
    assert not {names[i] for i in train} & {names[i] for i in holdout}
    assert len({names[i] for i in train}) >= MIN_TRAIN_PICTURES
    assert len(holdout) >= 16


def test_too_few_pictures_are_refused_with_the_setting_to_change() -> None:
    with pytest.raises(DataError, match="23 different pictures, and at least 24") as caught:
        split(hashes(23), 0.1, 16, seed=0)
    assert "data.holdout_min_pictures" in caught.value.hint
    with pytest.raises(DataError, match="1 different pictures"):
        split(["same"] * 500, 0.1, 16, seed=0)
