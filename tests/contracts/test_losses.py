"""What every adversarial loss and penalty must satisfy."""

import math

import pytest
import torch

from impasto.losses import adversarial as losses
from impasto.losses.penalties import squared_gradient_norm

KINDS = ["minimax", "non-saturating", "relativistic"]


def logits(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def log_sigmoid(t: float) -> float:
    return -math.log1p(math.exp(-t))


def test_values_by_hand():
    real, fake = 0.7, -1.3
    one, other = logits(real), logits(fake)
    sigmoid = lambda t: 1 / (1 + math.exp(-t))  # noqa: E731
    by_definition = -(math.log(sigmoid(real)) + math.log(1 - sigmoid(fake)))
    assert losses.discriminator_cross_entropy(one, other).item() == pytest.approx(by_definition)
    assert losses.generator_non_saturating(other).item() == pytest.approx(-math.log(sigmoid(fake)))
    assert losses.generator_minimax(other).item() == pytest.approx(math.log(1 - sigmoid(fake)))
    assert losses.discriminator_relativistic(one, other).item() == pytest.approx(-log_sigmoid(real - fake))
    assert losses.generator_relativistic(one, other).item() == pytest.approx(-log_sigmoid(fake - real))


@pytest.mark.parametrize("kind", KINDS)
def test_per_sample_and_finite_for_any_logit(kind):
    extreme = logits(-1e4, -50, 0, 50, 1e4)
    for loss in (losses.discriminator_loss, losses.generator_loss):
        values = loss(kind, extreme, extreme.flip(0))
        assert values.shape == (5,)
        assert torch.isfinite(values).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_point_the_right_way_and_are_the_analytic_ones(kind):
    real, fake = logits(0.3, -2.0).requires_grad_(), logits(1.1, 0.0).requires_grad_()
    d_real, d_fake = torch.autograd.grad(losses.discriminator_loss(kind, real, fake).sum(), (real, fake))
    assert (d_real < 0).all()  # D wants real logits up
    assert (d_fake > 0).all()  # and generated ones down
    (g_fake,) = torch.autograd.grad(losses.generator_loss(kind, real, fake).sum(), fake)
    assert (g_fake < 0).all()  # G wants generated ones up
    for loss in (losses.discriminator_loss, losses.generator_loss):
        assert torch.autograd.gradcheck(lambda r, f, loss=loss: loss(kind, r, f), (real, fake))


def test_the_saturating_game_is_zero_sum_in_the_generated_part():
    real, fake = logits(0.4, 1.0), logits(-3.0, 2.0)
    d = losses.discriminator_loss("minimax", real, fake) - torch.nn.functional.softplus(-real)
    assert torch.allclose(d, -losses.generator_loss("minimax", real, fake))


def test_the_relativistic_pair_is_antisymmetric_and_blind_to_an_offset():
    real, fake = logits(0.4, 1.0), logits(-3.0, 2.0)
    d = losses.discriminator_loss("relativistic", real, fake)
    assert torch.allclose(d, losses.generator_loss("relativistic", fake, real))
    assert torch.allclose(d, losses.discriminator_loss("relativistic", real + 5, fake + 5))


def test_the_penalty_of_a_linear_function_is_its_squared_norm():
    weight = torch.tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True)
    images = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    penalty = squared_gradient_norm((images[:, 0] * weight).sum((1, 2)), images)
    assert torch.allclose(penalty, torch.full((4,), 1 + 4 + 0.25 + 9))
    (gradient,) = torch.autograd.grad(penalty.mean(), weight)  # it can be trained: d |w|^2 / dw = 2 w
    assert torch.allclose(gradient, 2 * weight)


def test_the_penalty_is_of_each_sample_alone():
    images = torch.tensor([[1.0], [2.0], [3.0]], requires_grad=True)
    assert torch.allclose(squared_gradient_norm(images[:, 0] ** 2, images), torch.tensor([4.0, 16.0, 36.0]))
