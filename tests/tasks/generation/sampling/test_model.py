import numpy as np
import pytest
import torch

import impasto
from impasto.config.reading import load_config
from impasto.errors import CheckpointError, InputError
from impasto.tasks.generation.networks import build_generator
from impasto.tasks.generation.sampling.starts import parse_seeds
from impasto.training.checkpoints import ModelInfo, save_model


@pytest.fixture(scope="module", params=["default", "r3gan", "dcgan"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    cfg = load_config(request.param, {"image.size": 32})
    torch.manual_seed(0)
    generator = build_generator(cfg.model, cfg.image)
    save_model(folder, generator.state_dict(), ModelInfo(cfg, 10))
    return impasto.load(folder)


def test_a_seed_is_the_same_picture_alone_and_among_others(model):
    together = model.render([5, 8, 13, 21, 34, 55, 89]).astype(int)
    alone = model.render([21])[0].astype(int)
    assert np.abs(together[3] - alone).max() <= 1
    assert np.abs(together[3] - together[4]).max() > 1


def test_pictures_are_pil_images(model):
    pictures = model.generate(range(3))
    assert [p.size for p in pictures] == [(32, 32)] * 3
    assert pictures[0].mode == "RGB"


def test_truncation_makes_pictures_more_alike(model):
    spread = [model.render(range(24), truncation=t).astype(float).std(0).mean() for t in (0.3, 1.0)]
    assert spread[0] < spread[1]


def test_loading_leaves_the_callers_randomness_alone(model):
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    impasto.load(model.folder)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("seeds", [[-1], [2**63]])
def test_seeds_out_of_range(model, seeds):
    with pytest.raises(InputError, match="out of range"):
        model.generate(seeds)


@pytest.mark.parametrize("truncation", [0, -1, 2.1, float("nan")])
def test_truncation_out_of_range(model, truncation):
    with pytest.raises(InputError, match="truncation"):
        model.generate([0], truncation=truncation)


def test_no_seeds(model):
    with pytest.raises(InputError, match="no seeds"):
        model.generate([])


@pytest.mark.parametrize(("text", "seeds"), [("3", [3]), ("0-3,8", [0, 1, 2, 3, 8]), (" 7 , 9-9", [7, 9])])
def test_seed_lists(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "3-1", "-4", "1-", "1.5", "0-99999999999", "1,,2"])
def test_bad_seed_lists(text):
    with pytest.raises(InputError, match="seeds"):
        parse_seeds(text)


def test_where_there_is_no_model(tmp_path):
    with pytest.raises(CheckpointError, match="there is no model"):
        impasto.load(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="holds no model"):
        impasto.load(tmp_path)


def test_truncated_weights_are_refused(model, tmp_path):
    import shutil

    copy = shutil.copytree(model.folder, tmp_path / "copy")
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="cannot be read"):
        impasto.load(copy)
