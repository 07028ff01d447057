"""Obedience of a whole model, measured against the folder that it was trained on."""

import json

import pytest
import torch

import impasto
from impasto.data.opening import open_to_compare
from impasto.errors import InputError
from impasto.tasks.generation.control import control, held_out
from impasto.tasks.generation.generator import KEPT_THEMES
from tests.small_runs import train

QUICK = {"requests": 24, "per_theme": 40, "photos": 0}


@pytest.fixture(scope="module")
def folder(shapes, tmp_path_factory):
    """Hardly trained: it makes rough discs and squares."""
    out = tmp_path_factory.mktemp("control") / "run"
    train(
        shapes,
        out,
        images=320,
        overrides={"data.holdout_min_pictures": 24, "distribution.themes": 4.0},
    )
    return out


@pytest.fixture(scope="module")
def model(folder):
    return impasto.load(folder)


def test_themes_of_a_run_are_those_of_its_folder(model):
    assert model.themes == ("discs", "squares")
    has = model.generator.themes
    assert has.shape == (KEPT_THEMES, 2)
    assert (has.sum(1) == 1).all()
    assert 0.2 < float(has[:, 0].mean()) < 0.8


def test_it_obeys_and_json_can_say_so(model, shapes):
    found = control(model, shapes, **QUICK)
    assert json.loads(json.dumps(found)) == found
    themes, colours, some = (found[key] for key in ("themes", "colours", "some_colours"))
    assert themes["samples"] == 80
    assert themes["chance"] == pytest.approx(0.5, abs=0.05)
    assert 0 <= themes["accuracy"] <= 1  # so rough a model obeys by chance: see the next test
    assert set(themes["variety"]) == {"discs", "squares"}
    assert colours["requests"] == 24
    assert colours["share_of_chance"] < 0.85  # of such rough pictures; of good ones a third
    assert some["delta_e"] < 0.6 * some["chance"]
    assert "projection" not in found


def shape_of_theme(first: str):
    """A generator's pass: a disc where the first theme is told, else a square, or the other way round.

    The noise says where and in which colour.
    """

    def forward(z):
        z = z[:, 0] if z.ndim == 3 else z
        rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
        centre = 8 + 2 * torch.tanh(z[:, 2:4, None, None])
        down, right = (rows - centre[:, 0]).abs(), (columns - centre[:, 1]).abs()
        disc, square = torch.hypot(down, right) < 3.5, torch.maximum(down, right) < 3.5
        told = (z[:, 0] > z[:, 1]) == (first == "disc")
        inside = torch.where(told[:, None, None], disc, square)[:, None]
        return torch.where(inside, 0.5 * torch.tanh(z[:, 4:7, None, None]), torch.ones(()))

    return forward


@pytest.mark.parametrize(("first", "least", "most"), [("disc", 0.7, 1), ("square", 0, 0.3)])
def test_a_model_that_draws_what_it_is_told_obeys(model, shapes, monkeypatch, first, least, most):
    monkeypatch.setattr(model.generator, "forward", shape_of_theme(first))
    assert least <= control(model, shapes, **QUICK)["themes"]["accuracy"] <= most


def test_a_folder_larger_than_what_is_looked_at_is_sampled_from_all_themes(model, shapes, monkeypatch):
    """A folder's pictures lie theme by theme: the first ten of it are all discs."""
    monkeypatch.setattr("impasto.tasks.generation.control.MOST_REAL", 10)
    themes = control(model, shapes, requests=24, per_theme=2, photos=0)["themes"]
    assert set(themes["variety"]) == {"discs", "squares"}
    dataset = open_to_compare(shapes, model.info.config.data, model.info.config.image, seed=0)
    assert 2 < dataset.theme_matrix[held_out(dataset)[:12], 0].sum() < 10


@pytest.mark.slow
def test_photos_are_sought(model, shapes):
    found = control(model, shapes, requests=24, per_theme=2, photos=2, steps=2)["projection"]
    assert found["photos"] == 2
    assert found["distance_lite0"] > 0
    assert found["nearest_psnr"] > 5


def test_another_folder_says_nothing(model, shapes):
    with pytest.raises(InputError, match="is not what this model was trained on"):
        control(model, shapes / "discs", **QUICK)
    with pytest.raises(InputError, match="19 requests"):
        control(model, shapes, requests=19)
