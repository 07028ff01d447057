"""How well pairs are translated: like the real pictures, like the true one, and how varied over seeds."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.image.codec import to_tensor
from impasto.metrics.distances import frechet_distance, kernel_distance
from impasto.metrics.fidelity import feature_distance
from impasto.nn.features import FeatureMaps, Lite0, extract

SEEDS = (0, 1)  # of each layout
MOST_DETAILED = 24  # pairs whose distance to the truth is measured: the maps of whole pictures are dear

Pixels = NDArray[np.uint8]
Translate = Callable[[int, Sequence[int]], Tensor]
"""Number of a layout and seeds -> its translations (seeds, 3, H, W) in [-1, 1]."""


@dataclass(frozen=True)
class Comparison:
    """Translations of layouts that nobody trained on, against their real pictures."""

    kid: float  # KID-lite0 to the real pictures
    frechet_distance: float  # FD-lite0
    to_truth: float  # distance in features to the true picture
    to_another: float  # the same to the picture of another layout
    seed_variety: float  # of translations of one layout by two seeds, unlike pictures' being 1
    pairs: int

    def figures(self) -> dict[str, Any]:
        """For the model card."""
        return {
            "KID-lite0 to the hold-out": round(self.kid, 4),
            "FD-lite0 to the hold-out": round(self.frechet_distance, 3),
            "distance in features to the true picture": round(self.to_truth, 4),
            "the same to another picture": round(self.to_another, 4),
            "variety over seeds, real pictures' being 1": round(self.seed_variety, 3),
            "hold-out pairs": self.pairs,
        }

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


class PairJudge:
    """Holds the real pictures of pairs and compares translations with them.

    Args:
        pictures: The real pictures, (N, H, W, 3) uint8, N of at least 2.
        device: Computes the features.
    """

    def __init__(self, pictures: Pixels, device: torch.device) -> None:
        self._lite0, self._maps = Lite0().to(device), FeatureMaps().to(device)
        self._real = to_tensor(pictures)
        self._features = extract(self._lite0, pictures)
        self._device = device
        self._apart = _mean_distance(self._features, self._features.roll(1, 0))

    @torch.no_grad()
    def compare(self, translate: Translate) -> Comparison:
        """Translate every layout by `SEEDS`, and compare."""
        by_seed: list[list[Tensor]] = [[] for _ in SEEDS]
        truth, another = [], []
        count = len(self._real)
        detailed = set(np.linspace(0, count, min(MOST_DETAILED, count), endpoint=False).astype(int).tolist())
        for index in range(count):
            made = translate(index, SEEDS).cpu()
            for seen, picture in zip(by_seed, made, strict=True):
                seen.append(self._lite0(picture[None].to(self._device)).cpu())
            if index in detailed:
                pair = torch.stack((self._real[index], self._real[index - 1]))
                one = made[:1].expand(2, -1, -1, -1)
                apart = feature_distance(self._maps, one.to(self._device), pair.to(self._device))
                truth.append(float(apart[0]))
                another.append(float(apart[1]))
        first, second = (torch.cat(seen) for seen in by_seed)
        both = torch.cat((first, second))
        return Comparison(
            kid=kernel_distance(both, self._features),
            frechet_distance=frechet_distance(first, self._features),
            to_truth=float(np.mean(truth)),
            to_another=float(np.mean(another)),
            seed_variety=_mean_distance(first, second) / max(self._apart, 1e-9),
            pairs=count,
        )

    def distances_of(self, pictures: Pixels) -> dict[str, float]:
        """KID-lite0 and FD-lite0 of other pictures (M, H, W, 3) uint8 to the real ones."""
        features = extract(self._lite0, pictures)
        return {
            "kid": kernel_distance(features, self._features),
            "frechet_distance": frechet_distance(features, self._features),
        }


def _mean_distance(x: Tensor, y: Tensor) -> float:
    return float((x - y).norm(dim=1).mean())
