"""Measuring a generator while it trains: the distance to pictures that never train."""

import numpy as np
import torch
from numpy.typing import NDArray

from impasto.inference.sampler import render
from impasto.metrics.distances import frechet_distance, kernel_distance
from impasto.models.features import extract, load_lite0
from impasto.models.generator import Generator


class Judge:
    """Holds the hold-out's features and compares samples with them. It never trains, nor helps to.

    The same seeds every time, so that the distance moves because the generator does.
    """

    def __init__(self, holdout: NDArray[np.uint8], samples: int, device: torch.device) -> None:
        self._net = load_lite0(device)
        self._real = extract(self._net, holdout)
        self._seeds = range(samples)
        self.holdout_pictures = len(holdout)

    def distances(self, generator: Generator) -> tuple[float, float]:
        """KID-lite0 and FD-lite0 between the generator's pictures and the hold-out.

        KID is the one to decide by: a hold-out may be 16 pictures, where FD is mostly the bias of so few.
        """
        fake = extract(self._net, render(generator, self._seeds))
        return kernel_distance(self._real, fake), frechet_distance(self._real, fake)
