"""The training pictures that are most like generated ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from impasto.data.cache import Bytes
from impasto.data.opening import open_to_compare
from impasto.data.scan import Progress
from impasto.errors import InputError
from impasto.inference.sampler import Model
from impasto.models.features import Views, load_lite0, look

MOST_SOURCES = 10_000  # more take minutes to look at


@dataclass(frozen=True)
class Sources:
    """Training pictures (N, H, W, C) uint8, and what is compared of them; `of` is how many there are."""

    pixels: Bytes
    views: Views
    of: int

    def nearest(self, pixels: Bytes) -> tuple[Bytes, Bytes]:
        """(B, H, W, C) uint8 -> the training picture nearest to each by layout, and by content.

        Layout is the picture at 16 px, content the pooled end of a frozen network (`features.Views`).
        """
        views = look(load_lite0(torch.device("cpu")), pixels)
        by_layout, by_content = (
            torch.cdist(ours, theirs).argmin(1).numpy()
            for ours, theirs in ((views.layout, self.views.layout), (views.what, self.views.what))
        )
        return self.pixels[by_layout], self.pixels[by_content]


def sources_of(model: Model, place: str | Path, progress: Progress | None = None) -> Sources:
    """The pictures that a model was trained on, prepared as they were then; of many, 10,000 at random.

    Raises `InputError` where `place` does not hold those pictures, `DataError` where it cannot be read.
    """
    config = model.info.config
    dataset = open_to_compare(place, config.data, config.image, seed=config.train.seed, progress=progress)
    if dataset.fingerprint != model.info.data.get("fingerprint"):
        raise InputError(
            f"'{place}' does not hold the pictures that this model was trained on",
            "they may have been changed since; give the folder of the training",
        )
    pixels = dataset.train_pixels(MOST_SOURCES, seed=0)
    views = look(load_lite0(torch.device("cpu")), pixels)
    return Sources(np.ascontiguousarray(pixels), views, len(dataset.train_indices))
