"""Everything that is measured of a generator at once, with the counts and the floor it is to be read by."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from impasto.metrics.distances import frechet_distance, kernel_distance, real_floor
from impasto.metrics.diversity import density_coverage, memorisation, precision_recall

# What each figure is called wherever it is printed. The features are part of the name: a distance of other
# features is another measure, and the published names (FID, KID) mean Inception's.
NAMES = {
    "fd": "FD-lite0",
    "kd": "KID-lite0",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "memorised_share": "memorised share",
    "memorised_chance": "memorised share of new pictures",
    "samples": "samples",
    "real_pictures": "real pictures",
    "floor_fd": "FD-lite0 floor (real half to real half)",
    "floor_kd": "KID-lite0 floor (real half to real half)",
    "floor_pictures": "pictures in each half",
}


@dataclass(frozen=True, slots=True)
class Report:
    """Samples against real pictures. `fd` depends on the counts, so compare only reports with the same."""

    fd: float
    kd: float
    precision: float
    recall: float
    density: float
    coverage: float
    memorised_share: float | None  # None where it is not known which pictures were trained on
    memorised_chance: float | None
    samples: int
    real_pictures: int
    floor_fd: float
    floor_kd: float
    floor_pictures: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, by field name."""
        return asdict(self)

    def rows(self) -> list[tuple[str, float | int | None]]:
        """(name, value) of every figure, to print."""
        return [(NAMES[key], value) for key, value in asdict(self).items()]


def report(
    *,
    real: Tensor,
    fake: Tensor,
    generator: torch.Generator,
    train: Tensor | None = None,
    holdout: Tensor | None = None,
) -> Report:
    """Compare features of samples, fake (N, D), with those of real pictures, real (M, D).

    `train` and `holdout` (K, D) are real pictures that the generator did and did not learn from; without
    both, memorisation stays None. `generator` splits the real pictures for the floor.
    Raises `InputError` for fewer than six real pictures or four samples.
    """
    variety = density_coverage(real, fake)
    likeness = precision_recall(real, fake)
    floor = real_floor(real, generator)
    memory = memorisation(fake, train, holdout) if train is not None and holdout is not None else None
    return Report(
        fd=frechet_distance(real, fake),
        kd=kernel_distance(real, fake, generator=generator),
        precision=likeness.precision,
        recall=likeness.recall,
        density=variety.density,
        coverage=variety.coverage,
        memorised_share=memory.share if memory else None,
        memorised_chance=memory.chance if memory else None,
        samples=len(fake),
        real_pictures=len(real),
        floor_fd=floor.fd,
        floor_kd=floor.kd,
        floor_pictures=floor.pictures,
    )
