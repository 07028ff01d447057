"""`make zoo`: recipes are what was shipped, one can begin with another, and what is finished stays."""

import dataclasses

import numpy as np
import pytest

import zoo
from impasto.config.reading import load_config
from impasto.tasks import load_model
from impasto.training.checkpoints import find_model, shipped_models
from tests.small_upscaling import GAME, SMALL

RECIPES = zoo.RECIPES


def test_there_is_a_recipe_for_every_model_that_is_shipped():
    assert sorted(recipe.name for recipe in RECIPES) == shipped_models()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_is_a_configuration_of_what_was_shipped(recipe):
    _, info = load_model(find_model(recipe.name))
    config = load_config(recipe.preset, recipe.overrides)
    if info.config.model.kind == "projected":
        pytest.skip("version 0.1's, which is to be trained anew")
    assert config.preset == info.config.preset
    assert config.image == info.config.image
    known = {"themes"}  # of the folder
    assert config.model.model_dump(exclude=known) == info.config.model.model_dump(exclude=known)
    if config.task == "upscaling":
        assert config.restoration == info.config.restoration


def test_one_begins_with_another_and_what_is_finished_stays(photos, tmp_path):
    first, second = (
        dataclasses.replace(recipe, overrides=SMALL | more, images=images)
        for recipe, more, images in zip(zoo.ENLARGED[:2], ({}, GAME), (32, 16), strict=True)
    )
    assert second.after == first.name
    zoo.train([first], photos, tmp_path)
    begun = (tmp_path / first.name / "last" / "model.safetensors").read_bytes()
    zoo.train([first, second], photos, tmp_path)
    assert (tmp_path / first.name / "last" / "model.safetensors").read_bytes() == begun
    (weights, _), (before, _) = (load_model(find_model(tmp_path / r.name)) for r in (second, first))
    apart = [float((weights[key] - before[key]).norm() / before[key].norm()) for key in before]
    assert np.median(apart) < 0.2
