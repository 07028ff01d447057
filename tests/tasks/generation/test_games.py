"""Any loss with any network, by config; penalties, the zero of the logits, spectral normalisation."""

import copy
from typing import get_args

import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file

from impasto.config.reading import load_config
from impasto.config.shared import Adversarial
from impasto.nn.losses.adversarial import leaves_zero_undetermined
from impasto.tasks import task_of
from impasto.tasks.generation.gan_step import gan_step
from impasto.tasks.generation.networks import build_discriminator
from impasto.training.game import spread_of
from impasto.training.health.diagnosis import WILD_SPREAD
from impasto.training.state import create_state
from tests.small_runs import NETWORKS, train

KINDS = get_args(Adversarial)
PLAIN = ["mlp", "dcgan", "r3gan"]  # whose game gan_step plays


def configure(preset, **settings):
    return load_config(preset, {"image.size": 16, **NETWORKS[preset], **settings})


def play(config, steps=2, real=None):
    """`steps` rounds on random pictures. Returns the state and the last round's figures."""
    fabric = Fabric(accelerator="cpu", devices=1)
    state, stats = create_state(task_of(config).build, config, batches=None, fabric=fabric), None
    rng = torch.Generator().manual_seed(1)
    draw = lambda: torch.rand(8, 3, 16, 16, generator=rng) * 2 - 1 if real is None else real  # noqa: E731
    for _ in range(steps):
        stats = gan_step(fabric, state, draw, config.loss.at_size(16), config.augment)
    return state, stats


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("preset", PLAIN)
def test_any_loss_with_any_network(preset, kind):
    config = configure(preset, **{"loss.adversarial": kind, "loss.gradient_penalty_weight": 10})
    before, _ = play(config, steps=0)
    state, stats = play(config)
    for role in ("generator", "discriminator"):
        old, new = (weights(getattr(s, role)) for s in (before, state))
        assert torch.isfinite(new).all()
        assert not torch.equal(old, new), role
    assert all(torch.isfinite(value) for value in stats.__dict__.values())
    assert stats.gradient_penalty > 0
    assert (state.discriminator.centre != 0) == leaves_zero_undetermined(kind)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"loss.r1_weight": 10}, "r1"),
        ({"loss.r2_weight": 10}, "r2"),
        ({"loss.gradient_penalty_weight": 10}, "gradient_penalty"),
        (
            {
                "loss.r1_weight": 10,
                "loss.penalty_method": "finite-difference",
                "train.precision": "float32",
            },
            "r1",
        ),
    ],
)
def test_each_penalty_works_alone(settings, name):
    _, stats = play(configure("dcgan", **settings))
    given = {penalty: float(getattr(stats, penalty)) > 0 for penalty in ("r1", "r2", "gradient_penalty")}
    assert given == {penalty: penalty == name for penalty in given}


def test_a_penalty_holds_the_slope_where_it_is_told_to():
    """With real pictures that never change, D's slope between them and the generated ones goes to 1."""
    real = torch.ones(8, 3, 16, 16)
    settings = {"loss.adversarial": "wasserstein", "optimizer.discriminator_lr": 1e-3}
    free, held = (
        play(configure("mlp", **settings, **{"loss.gradient_penalty_weight": weight}), 60, real)[1]
        for weight in (1e-6, 100)
    )
    assert held.gradient_penalty < 0.1
    assert free.gradient_penalty > 10 * held.gradient_penalty


def test_the_spread_of_a_batch_beside_the_real_ones():
    rng = torch.Generator().manual_seed(0)
    real = torch.rand(64, 3, 8, 8, generator=rng) * 2 - 1
    assert spread_of(real / 2, real) == pytest.approx(0.5)
    assert spread_of(real[:1].expand(8, -1, -1, -1), real) < 0.01
    assert spread_of(100 * real, real) > WILD_SPREAD
    alike = torch.zeros_like(real)  # nobody's fault: no verdict may come of it
    assert spread_of(real, alike) < WILD_SPREAD
    assert spread_of(100 * real, alike) > WILD_SPREAD


@pytest.mark.parametrize("preset", PLAIN)
class TestSpectralNorm:
    def settings(self, **more):
        return {"model.spectral_norm": True, "loss.adversarial": "hinge", **more}

    def test_every_layer_has_norm_one_and_still_after_training(self, preset):
        config = configure(preset, **self.settings(**{"loss.r1_weight": 1}))  # twice differentiable too
        D = play(config, 20)[0].discriminator.eval()
        layers = [m for m in D.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
        norms = [torch.linalg.matrix_norm(layer.weight.flatten(1), 2) for layer in layers]
        assert torch.stack(norms).detach().tolist() == pytest.approx([1.0] * len(layers), abs=0.05)

    def test_only_where_the_config_says_so_and_only_the_discriminator(self, preset):
        plain, normalised = (
            play(configure(preset, **{"model.spectral_norm": on}), 0)[0] for on in (False, True)
        )
        assert not any("parametrizations" in key for key in plain.discriminator.state_dict())
        assert any("parametrizations" in key for key in normalised.discriminator.state_dict())
        assert not any("parametrizations" in key for key in normalised.generator.state_dict())

    def test_it_can_be_copied_and_loaded(self, preset):
        config = configure(preset, **self.settings())
        D = play(config)[0].discriminator.module.eval()
        images = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        fresh = build_discriminator(config.model, config.image).eval()
        fresh.load_state_dict(D.state_dict())
        assert torch.equal(copy.deepcopy(D)(images), D(images))
        assert torch.allclose(fresh(images), D(images), atol=1e-6)  # another layout in memory


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        pytest.param(
            "r3gan",
            {"model.spectral_norm": True, "loss.adversarial": "relativistic-average"},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "default",
            {"loss.adversarial": "relativistic", "loss.r1_weight": 1, "augment.colour": 0.5},
            marks=pytest.mark.slow,
        ),
        ("dcgan", {"loss.adversarial": "wasserstein", "loss.gradient_penalty_weight": 10}),
        ("mlp", {"loss.r1_weight": 1, "loss.r2_weight": 1, "loss.penalty_method": "finite-difference"}),
    ],
)
def test_resuming_stays_a_theorem(shapes, tmp_path, preset, overrides):
    for out, images in (("whole", 80), ("parts", 40), ("parts", 80)):
        train(shapes, tmp_path / out, preset, images=images, overrides=overrides, resume=True)
    whole, parts = (load_file(tmp_path / out / "state.safetensors") for out in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, parts[name]), name


def test_spectral_norm_in_bfloat16(shapes, tmp_path):
    overrides = {"train.precision": "bfloat16", "model.spectral_norm": True}
    assert train(shapes, tmp_path / "run", "r3gan", images=16, overrides=overrides).images_seen == 16
