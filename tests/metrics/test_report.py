"""The report: every figure is the one that its own function gives, under a name that says its features."""

import json
from dataclasses import fields

import pytest
import torch

from impasto.errors import InputError
from impasto.metrics.distances import frechet_distance, kernel_distance
from impasto.metrics.diversity import density_coverage, precision_recall
from impasto.metrics.novelty import feature_likelihood_divergence, novelty
from impasto.metrics.report import NAMES, Quality, Seen, findings, report, rows
from impasto.metrics.variety import Looks, colour_distance
from impasto.nn.features import Views


def normal(count: int, seed: int, shift: float = 0.0) -> Seen:
    draw = torch.Generator().manual_seed(seed)
    widths = (8, 8, 8, 257, 13, 48, 3)  # of features any will do, of looks see `Looks`
    tensors = [torch.randn(count, n, generator=draw, dtype=torch.float64) + shift for n in widths]
    return Seen(Views(*tensors[:3]), Looks(*tensors[3:]))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_every_figure_comes_from_its_own_function():
    train, holdout, fake = normal(60, 0), normal(20, 1), normal(50, 2, 0.5)
    found = report(holdout, fake, seeded(), train)
    x, y = holdout.views.what, fake.views.what[:20]
    likeness, variety = precision_recall(x, y), density_coverage(x, y)
    tree = found.to_dict()
    assert tree["fd"] == frechet_distance(x, y), "as many on both sides"
    assert tree["kd"] == kernel_distance(x, y)
    assert (tree["precision"], tree["recall"]) == (likeness.precision, likeness.recall)
    assert (tree["density"], tree["coverage"]) == (variety.density, variety.coverage)
    assert tree["colour_distance"] == colour_distance(holdout.looks, fake.looks.take(torch.arange(20)))
    assert tree["fld"] == feature_likelihood_divergence(y, train.views.what, x)
    assert (tree["samples"], tree["real_pictures"], tree["floor_pictures"]) == (50, 20, 20)
    layout = novelty(fake.views.layout, train.views.layout, holdout.views.layout, seeded())
    assert tree["layout_source_auc"] == layout.source_auc
    assert tree["layout_sourced_share"] == layout.sourced_share
    assert tree["how_source_auc"] != tree["what_source_auc"] != layout.source_auc


def test_real_pictures_are_the_floor():
    """Those trained on, as many as are held out, are nearer to these than samples of another kind."""
    tree = report(normal(40, 1), normal(40, 2, 1.0), seeded(), normal(200, 0)).to_dict()
    for name in ("fd", "kd", "colour_distance", "fld"):
        assert tree[f"floor_{name}"] < tree[name]
    assert tree["floor_recall"] > tree["recall"]
    assert tree["floor_fd"] > 0


def test_copies_are_told_from_new_pictures_where_real_ones_are_not():
    train, holdout = normal(200, 0), normal(40, 1)
    copies = report(holdout, train.take(torch.arange(40)), seeded(), train).to_dict()
    new = report(holdout, normal(40, 2), seeded(), train).to_dict()
    for space in ("layout", "how", "what"):
        assert copies[f"{space}_source_auc"] > 0.9 > 0.7 > new[f"{space}_source_auc"]
    assert copies["fld"] > copies["jittered_copies_fld"]
    assert findings(copies)[0] == "Of 100 pictures 100 are one of yours drawn again; 5 would be by chance."
    assert findings(copies)[1].startswith("REDRAWN: ")
    assert len(findings(new)) == 1


def test_mirror_images_that_were_trained_on_are_sources_too():
    train, holdout, mirrored = normal(200, 0), normal(40, 1), normal(200, 3)
    copies = mirrored.take(torch.arange(40))
    told = report(holdout, copies, seeded(), train, train.views.joined(mirrored.views)).to_dict()
    untold = report(holdout, copies, seeded(), train).to_dict()
    for space in ("layout", "how", "what"):
        assert told[f"{space}_source_auc"] > 0.9 > 0.7 > untold[f"{space}_source_auc"]
    assert told["floor_fld"] == untold["floor_fld"], "what training pictures get rests on themselves"


def test_names_say_which_features_and_never_fid():
    tree = report(normal(20, 0), normal(20, 1), seeded(), normal(50, 2)).to_dict()
    names = {name: value for name, value, _ in rows(tree)}
    assert names["FD-lite0"] == tree["fd"]
    assert names["KID-lite0"] == tree["kd"]
    assert not any(name.startswith(("FID", "fid")) or name == "KID" for name in names)
    figures = {field.name for field in fields(Quality)} | {"samples", "real_pictures"}
    assert set(NAMES) == figures, "every figure has a name, and so a row"
    assert json.loads(json.dumps(tree)) == tree


def test_how_new_they_are_is_unknown_without_the_training_pictures():
    tree = report(normal(20, 0), normal(20, 1), seeded()).to_dict()
    assert tree["layout_source_auc"] is None
    assert tree["fld"] is None
    assert tree["floor_pictures"] == 10
    assert findings(tree)[0].startswith("How new they are is unknown")
    assert [name for name, _, _ in rows(tree)] == list(NAMES.values())


def test_too_few_pictures_are_refused():
    with pytest.raises(InputError, match="too few"):
        report(normal(5, 0), normal(20, 1), seeded())
    with pytest.raises(InputError, match="too few"):
        report(normal(20, 0), normal(3, 1), seeded())
