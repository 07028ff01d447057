"""The report: every figure is the one that its own function gives, under a name that says its features."""

import json

import pytest
import torch

from impasto.errors import InputError
from impasto.metrics.distances import frechet_distance, kernel_distance, real_floor
from impasto.metrics.diversity import density_coverage, memorisation, precision_recall
from impasto.metrics.report import NAMES, Report, report


def normal(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_every_figure_comes_from_its_own_function():
    train, holdout, fake = normal(60, 0), normal(20, 1), normal(50, 2) + 0.5
    real = torch.cat((train, holdout))
    found = report(real=real, fake=fake, train=train, holdout=holdout, generator=seeded())
    likeness, variety = precision_recall(real, fake), density_coverage(real, fake)
    memory, floor = memorisation(fake, train, holdout), real_floor(real, seeded())
    assert found == Report(
        fd=frechet_distance(real, fake),
        kd=kernel_distance(real, fake),
        precision=likeness.precision,
        recall=likeness.recall,
        density=variety.density,
        coverage=variety.coverage,
        memorised_share=memory.share,
        memorised_chance=memory.chance,
        samples=50,
        real_pictures=80,
        floor_fd=floor.fd,
        floor_kd=floor.kd,
        floor_pictures=40,
    )
    assert (
        len({found.precision, found.recall, found.density, found.coverage}) == 4
    )  # none stands in for another


def test_names_say_which_features_and_never_fid():
    found = report(real=normal(20, 0), fake=normal(20, 1), generator=seeded())
    names = dict(found.rows())
    assert names["FD-lite0"] == found.fd
    assert names["KID-lite0"] == found.kd
    assert set(NAMES) == set(found.to_dict())
    assert not any(name.startswith(("FID", "fid")) or name == "KID" for name in names)
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


def test_memorisation_is_unknown_without_the_training_pictures():
    found = report(real=normal(20, 0), fake=normal(20, 1), train=normal(20, 2), generator=seeded())
    assert found.memorised_share is None
    assert found.memorised_chance is None


def test_too_few_pictures_are_refused():
    with pytest.raises(InputError, match="too few"):
        report(real=normal(5, 0), fake=normal(20, 1), generator=seeded())
    with pytest.raises(InputError, match="too few"):
        report(real=normal(20, 0), fake=normal(3, 1), generator=seeded())
