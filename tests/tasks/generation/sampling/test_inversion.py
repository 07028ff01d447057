import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from impasto.config.reading import load_config
from impasto.image.files import from_pil
from impasto.tasks.generation.networks import build_generator
from impasto.tasks.generation.sampling.inversion import regress
from impasto.tasks.generation.sampling.photos import prepare_photo
from impasto.tasks.generation.sampling.recipe import KEY, Recipe
from impasto.training.checkpoints import ModelInfo, save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    cfg = load_config("dcgan", {"image.size": 16, "model.base_channels": 16, "model.latent_dim": 8})
    torch.manual_seed(0)
    generator = build_generator(cfg.model, cfg.image)
    with torch.no_grad():
        generator.project.weight.mul_(50)  # untrained, all of its pictures are nearly the same
    save_model(folder, generator.state_dict(), ModelInfo(cfg, 1))
    return impasto.load(folder)


def test_a_picture_of_its_own_is_found(model):
    photo = model.generate([123_456])[0]
    found = model.project(photo, steps=60, candidates=64)
    assert found.found.psnr > found.start.psnr + 3
    assert found.found.distance < found.start.distance
    assert found.nearest is None
    assert np.array_equal(from_pil(found.photo), from_pil(photo))


def test_the_search_is_decided_by_its_randomness(model):
    photo = model.generate([5])[0]
    one, again = (
        model.project(photo, rng=torch.Generator().manual_seed(3), steps=4, candidates=16) for _ in range(2)
    )
    other = model.project(photo, rng=torch.Generator().manual_seed(4), steps=4, candidates=16)
    assert one.picture.info[KEY] == again.picture.info[KEY]
    assert one.picture.info[KEY] != other.picture.info[KEY]


def test_what_was_found_has_a_recipe_and_can_be_gone_on_from(model):
    found = model.project(model.generate([5])[0], steps=2, candidates=16)
    recipe = Recipe.model_validate_json(found.picture.info[KEY])
    assert np.array_equal(from_pil(model.make(recipe)), from_pil(found.picture))
    way = model.interpolate([recipe, 7], frames=3)
    assert np.array_equal(from_pil(way[0]), from_pil(found.picture))


def test_with_training_pictures_the_nearest_is_told(model, shapes):
    photo = sorted(shapes.rglob("*.png"))[0]
    found = model.project(photo, steps=0, candidates=16, against=shapes)
    assert found.nearest is not None
    assert found.nearest.distance >= 0
    assert found.before_after().shape == (16, 4 * 16 + 3 * 2, 3)
    assert set(found.to_dict()) == {"found", "start", "nearest_training_picture"}
    assert found.to_dict()["found"] == found.to_dict()["start"]  # no step was taken


def test_photos_are_fitted_as_the_model_was_taught(tmp_path):
    cfg = load_config("dcgan", {"image.size": 16})
    wide = Image.new("RGB", (40, 20), "red")
    assert (prepare_photo(wide, cfg.image, cfg.data) == [255, 0, 0]).all()
    letterbox = cfg.data.model_copy(update={"fit": "letterbox", "background": "#0000ff"})
    padded = prepare_photo(wide, cfg.image, letterbox)
    assert (padded[0] == [0, 0, 255]).all()
    grey = cfg.image.model_copy(update={"channels": 1})
    assert prepare_photo(wide, grey, cfg.data).shape == (16, 16, 1)


def test_regression_in_its_dual_form():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(300, 4, generator=rng)
    y = x @ torch.randn(4, 2, generator=rng) + 3
    assert torch.allclose(regress(x, y, x[:5]), y[:5], atol=0.5)
