"""Does it learn? Real games, played for seconds; and a collapse is told from a success."""

import pytest
import torch

import impasto
from impasto.config import LossConfig
from impasto.images import to_tensor
from impasto.inference.sampler import render
from impasto.metrics.distances import kernel_distance
from impasto.metrics.diversity import density_coverage
from tests.training.gaussians import play, real_points, score


def test_the_default_game_finds_the_gaussians_and_a_collapse_is_counted():
    torch.manual_seed(0)
    loss = LossConfig(adversarial="relativistic", r1_weight=0.2, r2_weight=0.2)
    points = play(loss, steps=1500, seed=0, lr=5e-3, beta1=0.0)
    modes, _ = score(points)
    real = real_points(2500, torch.Generator().manual_seed(9))
    assert modes >= 20
    assert density_coverage(real, points).coverage > 0.4
    collapsed = points[:1] + 0.01 * torch.randn(2500, 2)
    assert score(collapsed)[0] <= 1
    assert density_coverage(real, collapsed).coverage < 0.05


@pytest.mark.parametrize("preset", ["mlp", "dcgan", "default"])
def test_every_preset_learns_drawings(shapes, tmp_path, preset):
    """Colour statistics in the plain space of pixels: no network that could be fooled."""
    settings = {
        "image.size": 16,
        "train.batch_size": 32,
        "train.evaluate_samples": 16,
        "train.precision": "float32",
        "train.device": "cpu",
    }
    narrow = {
        "mlp": {"model.hidden": [128, 256]},
        "dcgan": {"model.base_channels": 16},
        "default": {"model.generator_channels": 16, "model.discriminator_channels": 16},
    }
    overrides = {**settings, **narrow[preset]}
    run = impasto.train(shapes, tmp_path / "run", preset=preset, images=64, overrides=overrides)
    dataset = impasto.open_folder(
        shapes,
        impasto.load_config(preset, overrides).data,
        impasto.load_config(preset, overrides).image,
        seed=0,
    )
    real = _pixels(dataset.train_array())

    def measure():
        fake = _pixels(render(impasto.load(run.out / "last").generator, range(96)))
        return kernel_distance(real, fake), density_coverage(real, fake).coverage

    before, _ = measure()
    impasto.train(shapes, run.out, images=9600, resume=True, overrides=overrides)
    after, coverage = measure()
    assert after < 0.25 * before
    assert coverage > 0.25


def _pixels(pictures):
    return to_tensor(pictures)[:, :, ::4, ::4].flatten(1)
