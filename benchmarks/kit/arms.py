"""Arms: something trained for some minutes or images, which shows what it has learnt at several moments.

An arm is a generator function. Its clock stands still between a snapshot and the next request, so that
whoever measures takes nobody's minutes.
"""

import functools
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import impasto
from impasto.data.folder import Dataset, open_folder
from impasto.errors import ConfigError
from impasto.tasks.generation.rendering import render
from kit.sets import PictureSet
from peers import PEERS, Peer, make_peer

# Measured by us afterwards, for every arm alike; a run's own measurements would take its minutes.
QUIET = {
    "train.snapshot_every_images": 10**12,
    "train.evaluate_every_images": 10**12,
    "train.evaluate_samples": 16,
}


SPLIT = {"data.holdout_share": 0.25}


@dataclass(frozen=True)
class Arm:
    """`recipe` is a peer's name or a preset; `overrides` are the preset's."""

    name: str
    recipe: str
    overrides: tuple[str, ...] = ()

    @property
    def is_peer(self) -> bool:
        return self.recipe in PEERS


@dataclass(frozen=True)
class Snapshot:
    """An arm at a moment: what it has done, and a way to its pictures."""

    moment: float  # minutes, or images, as asked for
    seconds: float  # of training, as measured
    images_seen: int  # real pictures that D was shown
    render: Callable[[Sequence[int]], NDArray[np.uint8]]


def parse_arm(text: str) -> Arm:
    """`PEER`, `PRESET`, `PRESET:key=value,key=value`, or any with `NAME=` before it. Raises `ConfigError`."""
    head, colon, tail = text.partition(":")
    name, equals, recipe = head.partition("=")
    recipe = recipe if equals else head
    overrides = tuple(re.split(r",(?![^\[]*\])", tail)) if colon else ()
    arm = Arm(name if equals else text, recipe, overrides)
    if not recipe or not arm.name or any("=" not in item for item in overrides):
        raise ConfigError(
            f"'{text}' is no arm", "write default, default:train.batch_size=32 or NAME=default:..."
        )
    if arm.is_peer and overrides:
        raise ConfigError(f"the peer '{recipe}' is measured as published", "leave the settings out")
    if not arm.is_peer:
        impasto.load_config(recipe, overrides)
    return arm


Unit = Literal["minutes", "images"]


def train_arm(
    arm: Arm, pictures: PictureSet, out: Path, moments: Sequence[float], seed: int, unit: Unit = "minutes"
) -> Iterator[Snapshot]:
    """Train, and stop at each of the moments, which rise. Our own arms go on where `out` ends.

    Args:
        arm: What trains.
        pictures: On what.
        out: Where a run of ours is kept.
        moments: Minutes of training, or images seen.
        seed: Of the split and of the run.
        unit: What moments are. Images are for machines that do other work meanwhile.
    """
    if not arm.is_peer:
        return train_own(arm, pictures, out, moments, seed, unit)
    dataset = open_pictures(pictures, seed)
    peer = make_peer(
        arm.recipe, lambda size: dataset.batches(size, seed), pictures.size, pictures.channels, seed
    )
    return train_peer(peer, moments, unit)


def train_own(
    arm: Arm, pictures: PictureSet, out: Path, moments: Sequence[float], seed: int, unit: Unit = "minutes"
) -> Iterator[Snapshot]:
    """`impasto train` as anyone runs it, resumed from moment to moment (exactly); its averaged weights."""
    settings = (
        QUIET
        | SPLIT
        | {
            "image.size": pictures.size,
            "image.channels": pictures.channels,
            "train.seed": seed,
        }
    )
    overrides = [*(f"{key}={value}" for key, value in settings.items()), *arm.overrides]
    for moment in moments:
        kept = out / f"moment-{moment:.12g}"
        if not kept.exists():
            limit: dict[str, Any] = {unit: moment if unit == "minutes" else int(moment)}
            run = impasto.train(
                pictures.folder, out, preset=arm.recipe, overrides=overrides, resume=True, **limit
            )
            if run.reason.condition == "interrupted":
                raise KeyboardInterrupt
            building = out / f".{kept.name}"
            shutil.rmtree(building, ignore_errors=True)
            shutil.copytree(out / "last", building)
            (building / "seconds").write_text(repr(run.seconds))
            building.rename(kept)
        model = impasto.load(kept)
        seconds = float((kept / "seconds").read_text())
        yield Snapshot(moment, seconds, model.info.images_seen, functools.partial(render, model.generator))


def train_peer(
    peer: Peer,
    moments: Sequence[float],
    unit: Unit = "minutes",
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Snapshot]:
    """Step after step; only steps count."""
    seconds, images = 0.0, 0
    for moment in moments:
        while (seconds / 60 if unit == "minutes" else images) < moment:
            start = clock()
            peer.step()
            seconds += clock() - start
            images += peer.images_per_step
        yield Snapshot(moment, seconds, images, peer.render)


def open_pictures(pictures: PictureSet, seed: int) -> Dataset:
    """The folder as `impasto train` with this seed opens it: the same pixels, the same split."""
    settings = {"image.size": pictures.size, "image.channels": pictures.channels, **SPLIT}
    config = impasto.load_config("default", settings)
    return open_folder(pictures.folder, config.data, config.image, seed=seed)
