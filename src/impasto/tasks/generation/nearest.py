"""The training pictures that are most like generated ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from impasto.data.cache import Bytes
from impasto.data.opening import open_to_compare
from impasto.errors import InputError
from impasto.nn.features import Lite0, Views, load_lite0, look
from impasto.tasks.generation.sampling.model import Model

MOST_REAL = 10_000  # training pictures, or held-out ones; more take minutes and change little


@dataclass(frozen=True)
class Sources:
    """Pictures that samples may have been drawn after: (M, H, W, C) uint8, and what is compared of them."""

    pixels: Bytes
    views: Views

    def with_mirror_images(self, net: Lite0) -> "Sources":
        """These and their mirror images: where training showed those too, samples may redraw them."""
        images = np.ascontiguousarray(self.pixels[:, :, ::-1])
        return Sources(np.concatenate((self.pixels, images)), self.views.joined(look(net, images)))

    def nearest(self, samples: Views) -> tuple[Bytes, Bytes]:
        """The picture nearest to each sample by layout, and by content: (N, H, W, C) uint8 each.

        Layout is the picture at 16 px, content the pooled end of a frozen network.
        """
        by_layout, by_content = (
            torch.cdist(ours, theirs).argmin(1).numpy()
            for ours, theirs in ((samples.layout, self.views.layout), (samples.what, self.views.what))
        )
        return self.pixels[by_layout], self.pixels[by_content]


def sources_of(model: Model, place: str | Path) -> Sources:
    """The pictures that a model was trained on, prepared as they were then; of many, 10,000 at random.

    Raises `InputError` where `place` does not hold those pictures, `DataError` where it cannot be read.
    """
    config = model.info.config
    dataset = open_to_compare(place, config.data, config.image, seed=config.train.seed)
    if dataset.fingerprint != model.info.data.get("fingerprint"):
        raise InputError(
            f"'{place}' does not hold the pictures that this model was trained on",
            "they may have been changed since; give the folder of the training",
        )
    net = load_lite0(torch.device("cpu"))
    pixels = dataset.train_pixels(MOST_REAL, seed=0)
    sources = Sources(pixels, look(net, pixels))
    return sources.with_mirror_images(net) if dataset.mirror else sources
