"""What every adversarial loss must satisfy."""

import math
from typing import get_args

import pytest
import torch

from impasto.config.shared import Adversarial
from impasto.nn.losses import adversarial as losses

KINDS = get_args(Adversarial)
SIDES = (losses.discriminator_loss, losses.generator_loss)


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


@pytest.mark.parametrize(
    ("kind", "d_loss", "g_loss"),
    [
        # real (0.5, 2), generated (-0.5, -3)
        ("least-squares", [(0.25 + 0.25) / 2, (1 + 4) / 2], [0.125, 4.5]),
        ("hinge", [0.5 + 0.5, 0], [0.5, 3]),
        ("wasserstein", [-1, -5], [0.5, 3]),
        (
            "relativistic-average",  # the means are 1.25 and -1.75
            [
                -log_sigmoid(0.5 + 1.75) - log_sigmoid(1.25 + 0.5),
                -log_sigmoid(2 + 1.75) - log_sigmoid(1.25 + 3),
            ],
            [
                -log_sigmoid(-0.5 - 1.25) - log_sigmoid(-1.75 - 0.5),
                -log_sigmoid(-3 - 1.25) - log_sigmoid(-1.75 - 2),
            ],
        ),
    ],
)
def test_values_of_the_other_games_by_hand(kind, d_loss, g_loss):
    real, fake = logits(0.5, 2), logits(-0.5, -3)
    assert losses.discriminator_loss(kind, real, fake).tolist() == pytest.approx(d_loss)
    assert losses.generator_loss(kind, real, fake).tolist() == pytest.approx(g_loss)


@pytest.mark.parametrize("kind", KINDS)
def test_per_sample_and_finite_for_any_logit(kind):
    extreme = logits(-1e4, -50, 0, 50, 1e4)
    for loss in SIDES:
        values = loss(kind, extreme, extreme.flip(0))
        assert values.shape == (5,)
        assert torch.isfinite(values).all()


@pytest.mark.parametrize("kind", KINDS)
def test_heads_are_judged_each_for_itself(kind):
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 6, 3, dtype=torch.float64, generator=rng)
    for loss in SIDES:
        alone = torch.stack([loss(kind, real[:, i], fake[:, i]) for i in range(3)], 1)
        assert torch.allclose(loss(kind, real, fake), alone)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_judged_alone_unless_the_game_says_otherwise(kind):
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 6, dtype=torch.float64, generator=rng)
    for loss in SIDES:
        alone = torch.allclose(loss(kind, real, fake)[:2], loss(kind, real[:2], fake[:2]))
        assert alone == (kind != "relativistic-average")


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_point_the_right_way_and_are_the_analytic_ones(kind):
    real, fake = logits(0.3, -2.0).requires_grad_(), logits(-0.4, -0.9).requires_grad_()
    d_real, d_fake = torch.autograd.grad(losses.discriminator_loss(kind, real, fake).sum(), (real, fake))
    assert (d_real < 0).all()  # D wants real logits up
    assert (d_fake > 0).all()  # and generated ones down
    (g_fake,) = torch.autograd.grad(losses.generator_loss(kind, real, fake).sum(), fake)
    assert (g_fake < 0).all()  # G wants generated ones up
    for loss in SIDES:
        assert torch.autograd.gradcheck(lambda r, f, loss=loss: loss(kind, r, f), (real, fake))


@pytest.mark.parametrize("kind", KINDS)
def test_where_real_and_generated_are_alike_a_constant_discriminator_is_best(kind):
    """The equilibrium: D = 0 everywhere is a minimum among D = t h(x), whatever the direction h."""
    h = torch.randn(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    same = h[torch.randperm(200, generator=torch.Generator().manual_seed(1))]
    at = [losses.discriminator_loss(kind, t * h, t * same).mean().item() for t in (-0.5, -0.1, 0.0, 0.1, 0.5)]
    assert min(at) == pytest.approx(at[2])


def test_hinge_leaves_alone_what_is_beyond_the_margin():
    real, fake = logits(1.5).requires_grad_(), logits(-1.5).requires_grad_()
    losses.discriminator_hinge(real, fake).sum().backward()
    assert real.grad.item() == fake.grad.item() == 0


def test_the_optimum_of_least_squares_gives_pearsons_chi_squared():
    """Mao et al. 2017, section 3.3: 2 C(G) = chi^2(p_data + p_g || 2 p_g), on two points."""
    p, q = logits(0.7, 0.3), logits(0.2, 0.8)
    best = (p - q) / (p + q)  # minimises p (C - 1)^2 + q (C + 1)^2
    value = (p + q) @ losses.generator_least_squares(best)
    assert (2 * value).item() == pytest.approx(((p - q) ** 2 / (p + q)).sum().item())


def test_the_saturating_game_is_zero_sum_in_the_generated_part():
    real, fake = logits(0.4, 1.0), logits(-3.0, 2.0)
    d = losses.discriminator_loss("minimax", real, fake) - torch.nn.functional.softplus(-real)
    assert torch.allclose(d, -losses.generator_loss("minimax", real, fake))


@pytest.mark.parametrize("kind", ["relativistic", "relativistic-average"])
def test_relativistic_pairs_exchange_their_roles(kind):
    real, fake = logits(0.4, 1.0), logits(-3.0, 2.0)
    d = losses.discriminator_loss(kind, real, fake)
    assert torch.allclose(d, losses.generator_loss(kind, fake, real))


@pytest.mark.parametrize("kind", KINDS)
def test_which_games_are_blind_to_an_offset(kind):
    real, fake = logits(0.4, 3.0), logits(-0.3, -3.0)
    d, moved = (losses.discriminator_loss(kind, real + by, fake + by) for by in (0, 1))
    assert losses.leaves_zero_undetermined(kind) == torch.allclose(d, moved)


@pytest.mark.parametrize("kind", KINDS)
def test_which_generators_look_at_real_pictures(kind):
    real, fake = logits(0.4, 0.7), logits(-0.3, 0.2)
    g, moved = (losses.generator_loss(kind, real + by, fake) for by in (0, 0.1))
    assert losses.generator_compares(kind) != torch.allclose(g, moved)


@pytest.mark.parametrize("kind", KINDS)
def test_which_generators_learn_the_same_from_a_certain_discriminator(kind):
    fake = logits(-8.0, 0.5).requires_grad_()
    losses.generator_loss(kind, logits(8.0, -0.5), fake).sum().backward()
    assert losses.generator_is_linear(kind) == torch.equal(fake.grad, -torch.ones(2))
