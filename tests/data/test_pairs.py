"""Pairs of two folders: matched by name, sizes verified, windows that show the same place."""

import unicodedata

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from impasto.config.reading import load_config
from impasto.data.pairs import open_pairs
from impasto.errors import DataError, InputError
from impasto.image.codec import to_tensor
from impasto.tasks.upscaling.degradations import pair_of
from impasto.tasks.upscaling.step import turned
from tests.pictures import painting
from tests.small_upscaling import SMALL

CONFIG = load_config("upscale-x4", SMALL)


@pytest.fixture
def pairs(tmp_path):
    """Fifteen sharp pictures with the means of their 4 x 4 cells, and three that do not match."""
    for folder in ("high/a", "low/a"):
        (tmp_path / folder).mkdir(parents=True)
    for i in range(15):
        sharp = painting(96, 72, seed=i)
        small = np.rint(sharp.reshape(24, 4, 18, 4, 3).mean((1, 3))).astype(np.uint8)
        Image.fromarray(sharp).save(tmp_path / "high" / "a" / f"{i:02}.png")
        Image.fromarray(small).save(tmp_path / "low" / "a" / f"{i:02}.bmp")
    Image.fromarray(painting(96, 72, seed=20)).save(tmp_path / "high" / "alone.png")
    Image.fromarray(painting(96, 72, seed=21)).save(tmp_path / "high" / "odd.png")
    Image.fromarray(painting(24, 19)).save(tmp_path / "low" / "odd.png")
    Image.fromarray(painting(24, 18)).save(tmp_path / "low" / "extra.png")
    return tmp_path / "high", tmp_path / "low"


def opened(high, low):
    return open_pairs(high, low, CONFIG.data, CONFIG.image, 4, seed=0)


def test_windows_show_the_same_place(pairs):
    dataset = opened(*pairs)
    reasons = {r.path: r.reason for r in dataset.scan.rejected}
    assert "no pair of its name" in reasons["alone.png"]
    assert "72 x 96 px and its pair 19 x 24: not exactly 4 times smaller" in reasons["odd.png"]
    assert len(dataset.scan.pictures) == 15
    batches, rng = dataset.batches(8, 0), torch.Generator().manual_seed(0)
    for _ in range(8):
        windows = turned(to_tensor(batches.next()), rng)
        low, sharp = pair_of(windows, 4, "photo", rng)
        assert low.shape == (8, 3, 16, 16)
        assert sharp.shape == (8, 3, 64, 64)
        means = torch.nn.functional.avg_pool2d(sharp, 4)
        assert (low - means).abs().max() < 0.01  # half a level
    assert dataset.holdout_windows(3, 64).shape == (3, 64, 64, 6)


def test_the_fingerprint_knows_both_folders(pairs):
    before = opened(*pairs).fingerprint
    assert opened(*pairs).fingerprint == before
    Image.fromarray(painting(24, 18, seed=9)).save(pairs[1] / "a" / "03.bmp")
    assert opened(*pairs).fingerprint != before


def test_a_run_on_pairs(pairs, tmp_path):
    run = impasto.train(
        pairs[0], tmp_path / "run", low=pairs[1], preset="upscale-x4", images=16, overrides=SMALL
    )
    assert run.images_seen == 16
    again = impasto.train(pairs[0], tmp_path / "run", low=pairs[1], images=24, overrides=SMALL, resume=True)
    assert again.images_seen == 24


def test_what_is_no_pair(pairs, tmp_path):
    with pytest.raises(DataError, match="has its pair in"):
        opened(pairs[0], pairs[0] / "a")
    with pytest.raises(DataError, match="there is no folder"):
        opened(pairs[0], tmp_path / "absent")
    with pytest.raises(InputError, match="pairs are for upscalers"):
        impasto.train(pairs[0], tmp_path / "run", low=pairs[1], preset="dcgan")


def test_partners_are_found_by_one_normal_form(pairs, tmp_path):
    high, low = pairs
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    (high / "a" / "00.png").rename(high / "a" / f"{composed}.png")
    (low / "a" / "00.bmp").rename(low / "a" / f"{decomposed}.bmp")
    assert len(opened(high, low).scan.pictures) == 15


def test_a_partner_of_the_same_suffix_comes_first_and_several_are_none(pairs):
    high, low = pairs
    Image.open(low / "a" / "00.bmp").save(low / "a" / "00.png")  # as its partner
    for kind in ("gif", "webp"):
        Image.open(low / "a" / "01.bmp").save(low / "a" / f"01.{kind}")
    dataset = opened(high, low)
    reasons = {r.path: r.reason for r in dataset.scan.rejected}
    assert "has several pairs in" in reasons["a/01.png"]
    assert dataset.behind.pictures[0].path == "a/00.png"
    alone = {r.path for r in dataset.behind.rejected}
    assert {"extra.png", "a/00.bmp"} <= alone
    assert "is paired with nothing" in dataset.notes[1]
