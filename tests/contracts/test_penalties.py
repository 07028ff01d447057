"""What every gradient penalty must satisfy."""

import pytest
import torch

from impasto.config.reading import load_config
from impasto.config.shared import LossConfig
from impasto.errors import ConfigError
from impasto.nn.losses.penalties import (
    differentiates,
    interpolate_penalty,
    penalties,
    penalties_of_halves,
    squared_gradient_norm,
    squared_gradient_norm_estimate,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear(weight):
    return lambda images: images.flatten(1) @ weight.flatten()


def curved(images):
    """Something smooth whose gradient differs from picture to picture."""
    return torch.sin(images.flatten(1)).sum(1) + images.flatten(1).square().sum(1) / 2


def test_the_penalty_of_a_linear_function_is_its_squared_norm():
    weight = torch.tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True)
    images = torch.randn(4, 1, 2, 2, generator=seeded()).requires_grad_()
    penalty = squared_gradient_norm(linear(weight)(images), images)
    assert torch.allclose(penalty, torch.full((4,), 1 + 4 + 0.25 + 9))
    (gradient,) = torch.autograd.grad(penalty.mean(), weight)  # it can be trained: d |w|^2 / dw = 2 w
    assert torch.allclose(gradient, 2 * weight)


def test_the_penalty_is_of_each_sample_alone():
    images = torch.tensor([[1.0], [2.0], [3.0]], requires_grad=True)
    assert torch.allclose(squared_gradient_norm(images[:, 0] ** 2, images), torch.tensor([4.0, 16.0, 36.0]))


def test_of_several_heads_the_mean_is_bounded():
    images = torch.ones(2, 2, requires_grad=True)
    logits = torch.stack([3 * images[:, 0], images[:, 0] + 4 * images[:, 1]], 1)  # the mean: (2, 2)
    assert squared_gradient_norm(logits, images).tolist() == [8.0, 8.0]


def test_a_finite_difference_of_a_linear_function_is_exact():
    weight = torch.tensor([3.0, -4.0], dtype=torch.float64, requires_grad=True)
    images, noise = torch.randn(2, 5, 2, dtype=torch.float64, generator=seeded())
    D = linear(weight)
    for step in (0.001, 1.0):
        estimate = squared_gradient_norm_estimate(D, images, D(images), noise, step)
        assert torch.allclose(estimate, (noise @ weight).square())
    (gradient,) = torch.autograd.grad(estimate.sum(), weight)
    assert torch.allclose(gradient, 2 * (noise @ weight) @ noise)


@pytest.mark.parametrize("heads", [1, 3])
def test_finite_differences_agree_with_the_analytic_norm_in_the_mean(heads):
    D = curved if heads == 1 else lambda x: torch.stack([curved(x * k) for k in (1, -1, 0.5)], 1)
    images = torch.randn(6, 1, 2, 2, dtype=torch.float64, generator=seeded()).requires_grad_()
    exact = squared_gradient_norm(D(images), images).detach()
    many = images.detach().repeat(20_000, 1, 1, 1)
    noise = torch.randn(many.shape, dtype=torch.float64, generator=seeded(1))
    estimates = squared_gradient_norm_estimate(D, many, D(many), noise, 0.01).view(-1, 6)
    assert torch.allclose(estimates.mean(0), exact, rtol=0.05)
    assert torch.allclose(estimates.std(0), 2**0.5 * exact, rtol=0.1)  # as its docstring says


def test_the_interpolate_penalty_of_a_linear_function_is_the_distance_of_its_norm_from_one():
    weight = torch.tensor([3.0, -4.0], requires_grad=True)
    real, fake = torch.randn(2, 6, 2, generator=seeded())
    mix = torch.rand(6, generator=seeded())
    penalty = interpolate_penalty(linear(weight), real, fake, mix)
    assert torch.allclose(penalty, torch.full((6,), 16.0))
    (gradient,) = torch.autograd.grad(penalty.mean(), weight)  # 2 (|w| - 1) w / |w|
    assert torch.allclose(gradient, 8 * weight / 5)
    assert torch.allclose(interpolate_penalty(linear(weight / 5), real, fake, mix), torch.zeros(6))
    assert torch.allclose(interpolate_penalty(linear(weight / 10), real, fake, mix), torch.full((6,), 0.25))


def test_the_interpolates_lie_where_the_mix_says():
    seen = []
    real, fake = torch.ones(3, 1, 2, 2), torch.zeros(3, 1, 2, 2)
    mix = torch.tensor([0.0, 0.25, 1.0])
    interpolate_penalty(lambda x: seen.append(x) or curved(x), real, fake, mix)
    assert torch.allclose(seen[0], mix[:, None, None, None].expand(3, 1, 2, 2))


def test_a_flat_discriminator_has_finite_gradients():
    weight = torch.zeros(2, requires_grad=True)
    real, fake = torch.randn(2, 6, 2, generator=seeded())
    penalty = interpolate_penalty(linear(weight), real, fake, torch.rand(6, generator=seeded()))
    assert torch.allclose(penalty, torch.ones(6))
    assert torch.isfinite(torch.autograd.grad(penalty.mean(), weight)[0]).all()


@pytest.mark.parametrize("method", ["analytic", "finite-difference"])
def test_all_of_them_composed(method):
    loss = LossConfig(
        r1_weight=2,
        r2_weight=6,
        penalty_method=method,
        gradient_penalty_weight=0 if method == "finite-difference" else 10,
    )
    weight = torch.tensor([3.0, -4.0], dtype=torch.float64)
    D = linear(weight)
    count = 20_000
    real, fake = torch.randn(2, count, 2, dtype=torch.float64, generator=seeded())
    real.requires_grad_(differentiates(loss, loss.r1_weight))
    fake.requires_grad_(differentiates(loss, loss.r2_weight))
    found = penalties(D, real, fake, D(real), D(fake), loss, seeded(1))
    assert found.r1.item() == pytest.approx(25, rel=0.05)
    assert found.r2.item() == pytest.approx(25, rel=0.05)
    expected = found.r1 + 3 * found.r2
    if method == "analytic":
        assert found.interpolates.item() == pytest.approx(16)
        expected = expected + 160
    assert found.weighted(loss).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("method", ["analytic", "finite-difference"])
@pytest.mark.parametrize("weights", [(2, 6), (2, 0), (0, 6)])
def test_two_halves_in_one_batch_are_the_same(method, weights):
    loss = LossConfig(
        r1_weight=weights[0],
        r2_weight=weights[1],
        penalty_method=method,
        gradient_penalty_weight=0 if method == "finite-difference" else 10,
    )
    real, fake = torch.randn(2, 20_000, 1, 2, 2, dtype=torch.float64, generator=seeded())
    both = torch.cat((real, fake)).requires_grad_(differentiates(loss, 1.0))
    found = penalties_of_halves(curved, curved, both, curved(both), loss, seeded(1))
    real.requires_grad_(differentiates(loss, loss.r1_weight))
    fake.requires_grad_(differentiates(loss, loss.r2_weight))
    apart = penalties(curved, real, fake, curved(real), curved(fake), loss, seeded(1))
    for name in ("r1", "r2", "interpolates"):
        rel = 1e-9 if method == "analytic" else 0.05  # other noise
        assert getattr(found, name).item() == pytest.approx(getattr(apart, name).item(), rel=rel), name
    assert [found.r1 > 0, found.r2 > 0] == [w > 0 for w in weights]


def test_interpolates_of_halves_are_judged_as_real_pictures():
    loss = LossConfig(gradient_penalty_weight=1)
    both = torch.randn(8, 2, dtype=torch.float64, generator=seeded())
    steep, flat = (linear(torch.tensor(w, dtype=torch.float64)) for w in ([3.0, -4.0], [0.0, 1.0]))
    found = penalties_of_halves(flat, steep, both, flat(both), loss, seeded(1))
    assert found.interpolates.item() == pytest.approx(16)


def test_no_weight_no_work():
    def never(images):
        raise AssertionError

    loss, points, rng = LossConfig(), torch.zeros(3, 2), seeded()
    before = rng.get_state()
    found = penalties(never, points, points, torch.zeros(3), torch.zeros(3), loss, rng)
    assert found.weighted(loss).item() == 0
    found = penalties_of_halves(never, never, points[:2], torch.zeros(2), loss, rng)
    assert found.weighted(loss).item() == 0
    assert torch.equal(rng.get_state(), before)
    assert not differentiates(loss, loss.r1_weight)
    sampled = LossConfig(r1_weight=1, penalty_method="finite-difference")
    assert not differentiates(sampled, sampled.r1_weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss.gradient_penalty_weight": 10, "train.precision": "float32"}, "is for r1_weight"),
        ({}, r"train\.precision=float32"),
        ({"loss.finite_difference_step": 0}, "finite_difference_step"),
    ],
)
def test_finite_differences_where_they_cannot_be(settings, message):
    with pytest.raises(ConfigError, match=message):
        load_config("r3gan", {"loss.penalty_method": "finite-difference", **settings})
