"""benchmarks/million.py: its shards are what `train` takes, and its files are the same pictures."""

import argparse
from pathlib import Path

import numpy as np
import pytest

import million
from impasto.config.shared import DataConfig, ImageConfig
from impasto.data.opening import open_pictures


def test_generated_shards_and_files_are_the_same_pictures(tmp_path: Path) -> None:
    shards = million.generate(tmp_path / "all", 80, 20)
    place = million.some_of(shards, 60, tmp_path / "some", 20)
    folder = million.as_folder(place, tmp_path / "folder")
    one, other = (
        open_pictures(p, DataConfig(), ImageConfig(size=million.SIDE), seed=0) for p in (place, folder)
    )
    assert one.themes == other.themes == million.THEMES
    everything = np.arange(60)
    assert sorted(map(bytes, one.pixels.take(everything))) == sorted(
        map(bytes, other.pixels.take(everything))
    )


@pytest.mark.slow
def test_a_round_at_toy_size(tmp_path: Path) -> None:
    place = million.some_of(million.generate(tmp_path / "all", 40, 20), 40, tmp_path / "some", 20)
    args = argparse.Namespace(rounds=1, images=64, held_out=16)
    rows = [million.measure(place, "dcgan", 40, "shards", tmp_path, args)]
    assert rows[0]["warm"]["peak_mb"] > 100
    assert million.ratios(rows)[0]["warm_peak_mb"] == 1
    assert "40 shards" in million.line(rows[0])
