import numpy as np
import pytest
import torch

import impasto
from impasto.config.reading import load_config
from impasto.errors import InputError
from impasto.tasks.generation.generator import Generator
from impasto.tasks.generation.networks import build_generator
from impasto.tasks.generation.sampling import directions
from impasto.tasks.generation.sampling.directions import FILE, fit_directions, fit_steps, principal_components
from impasto.tasks.generation.sampling.properties import PROPERTIES, properties
from impasto.training.checkpoints import ModelInfo, save_model


class Tinted(Generator):
    """The first number of a latent is the warmth of the picture, the second its brightness."""

    def __init__(self):
        super().__init__(6, "normal", (4,))
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, z):
        (z,) = self.at_levels(z)
        base = torch.tensor([1.0, 0.0, -1.0]) * 0.1 * z[:, :1] + 0.1 * z[:, 1:2]
        rows = torch.linspace(-0.2, 0.2, 8)[:, None]
        return base[:, :, None, None] + rows.expand(8, 8)


@pytest.fixture(scope="module")
def tinted():
    return fit_directions(Tinted())


def test_what_moves_a_property_is_found(tinted):
    warm, bright = tinted["warmth"], tinted["brightness"]
    assert warm[0] > 0.9
    assert warm[1:].abs().max() < 0.2
    assert bright[1] > 0.9
    row = tinted.names.index("warmth")
    assert tinted.measured[row, PROPERTIES.index("warmth")] == pytest.approx(1, abs=0.15)
    assert tinted.predicted[row] > 0.9


def test_fitting_draws_nothing_by_chance(tinted):
    again = fit_directions(Tinted())
    assert torch.equal(again.steps, tinted.steps)
    assert again.names == tinted.names


def test_an_unknown_direction_names_the_nearest(tinted):
    with pytest.raises(InputError, match="did you mean 'warmth'"):
        tinted["warmht"]
    with pytest.raises(InputError, match="this model has: brightness"):
        tinted["zzz"]


def test_grey_pictures_have_no_warmth():
    cfg = load_config("dcgan", {"image.size": 16, "image.channels": 1, "model.base_channels": 8})
    torch.manual_seed(0)
    generator = build_generator(cfg.model, cfg.image).eval()
    with torch.no_grad():
        generator.project.weight.mul_(50)  # untrained, all of its pictures are nearly the same
    found = fit_directions(generator)
    assert "warmth" not in found
    assert {"brightness", "pca1"} <= set(found)


def test_steps_add_one():
    z = torch.randn(4000, 5, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([3.0, 4.0, 0, 0, 0])
    (step,) = fit_steps(z, (z @ weights)[:, None])
    assert torch.allclose(step / step.norm(), weights / 5, atol=0.02)
    assert step @ weights == pytest.approx(1, abs=0.2)


def test_principal_components_are_found_largest_first():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(500, 3, generator=rng) * torch.tensor([1.0, 5.0, 2.0])
    found = principal_components(x, 2)
    assert found.shape == (500, 2)
    assert torch.allclose(found.square().mean(0), torch.ones(2), atol=1e-3)
    correlations = [abs(float(np.corrcoef(found[:, i], x[:, j])[0, 1])) for i, j in ((0, 1), (1, 2))]
    assert min(correlations) > 0.99
    assert (found.gather(0, found.abs().argmax(0, keepdim=True)) > 0).all()


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setattr(directions, "SAMPLES", 32)
    monkeypatch.setattr(directions, "TRIALS", 4)
    cfg = load_config("dcgan", {"image.size": 16, "model.base_channels": 8})
    torch.manual_seed(0)
    save_model(tmp_path / "m", build_generator(cfg.model, cfg.image).state_dict(), ModelInfo(cfg, 1))
    return impasto.load(tmp_path / "m")


def never(_generator, _themes, _progress):
    raise AssertionError("fitted again")


def test_they_are_kept_beside_the_model(model, monkeypatch):
    found = model.directions()
    assert (model.folder / FILE).is_file()
    monkeypatch.setattr(directions, "fit_directions", never)
    again = impasto.load(model.folder).directions()
    assert torch.equal(again.steps, found.steps)
    assert again.names == found.names
    assert again.predicted == found.predicted


def test_other_weights_are_fitted_anew(model, monkeypatch):
    model.directions()
    monkeypatch.setattr(directions, "fit_directions", never)
    other = impasto.load(model.folder)
    with torch.no_grad():
        other.generator.project.weight.mul_(2)
    with pytest.raises(AssertionError, match="fitted again"):
        other.directions()


def test_a_damaged_file_is_made_again(model):
    found = model.directions()
    whole = (model.folder / FILE).read_bytes()
    (model.folder / FILE).write_bytes(whole[:-3])
    assert torch.equal(impasto.load(model.folder).directions().steps, found.steps)
    assert len((model.folder / FILE).read_bytes()) == len(whole)
    assert torch.equal(impasto.load(model.folder).directions().steps, found.steps)


def test_where_the_folder_is_not_ours_they_go_to_the_cache(model, monkeypatch):
    written = []
    save = directions.save_state

    def refuse_the_folder(path, tensors, values):
        if path.parent == model.folder:
            raise PermissionError(path)
        written.append(path)
        save(path, tensors, values)

    monkeypatch.setattr(directions, "save_state", refuse_the_folder)
    found = model.directions()
    assert len(written) == 1
    monkeypatch.setattr(directions, "fit_directions", never)
    assert torch.equal(model.directions().steps, found.steps)


def test_properties_of_known_pictures():
    white, red = torch.ones(1, 3, 4, 4), -torch.ones(1, 3, 4, 4)
    red[:, 0] = 1
    half = -torch.ones(1, 3, 4, 4)
    half[..., 2:] = 1
    found = properties(torch.cat((white, red, half)))
    brightness, warmth, saturation, contrast, symmetry = found.T.tolist()
    assert brightness == pytest.approx([1, 2 * 0.299 - 1, 0], abs=1e-6)
    assert warmth == pytest.approx([0, 2, 0])
    assert saturation == pytest.approx([0, 2, 0])
    assert contrast == pytest.approx([0, 0, (16 / 15) ** 0.5], abs=1e-6)
    assert symmetry == pytest.approx([0, 0, -2], abs=1e-4)


def test_transparent_pictures_lie_on_white():
    clear = torch.cat((-torch.ones(1, 3, 4, 4), -torch.ones(1, 1, 4, 4)), 1)
    assert properties(clear)[0, 0] == pytest.approx(1)
    grey = torch.zeros(1, 1, 4, 4)
    assert properties(grey)[0, :3].tolist() == pytest.approx([0, 0, 0])
