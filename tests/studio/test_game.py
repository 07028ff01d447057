"""The game of the Learn tab: that it is played as written, and what its verdicts say of known courses."""

import dataclasses
import math

import pytest
import torch

from impasto.nn.losses.adversarial import discriminator_cross_entropy
from impasto.nn.losses.penalties import squared_gradient_norm
from impasto.studio.game import DEVIATION, LOOKED_AT, SURFACE, Game, Look, Rules, centres, judge, loss_of

CONVERGED = Look(0, 0.7, 1.4, 0.5, distance=0.005, found=8, good=0.8, spread=1.0, middle=(0.0, 0.0))


def course(count, **changes):
    """Looks of a game; a change may be a function of the look's number."""
    made = [{k: v(i) if callable(v) else v for k, v in changes.items()} for i in range(count)]
    return [dataclasses.replace(CONVERGED, step=25 * (i + 1), **changed) for i, changed in enumerate(made)]


def test_the_same_rules_give_the_same_points():
    one, other = Game(Rules(seed=3)), Game(Rules(seed=3))
    one.play(30)
    other.play(10)
    torch.manual_seed(99)  # nobody else's randomness enters
    other.play(20)
    assert torch.equal(one.generated_points(), other.generated_points())
    assert not torch.equal(one.generated_points(), Game(Rules(seed=4)).generated_points())


def test_building_a_game_leaves_the_global_randomness_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Game(Rules())
    assert torch.equal(torch.rand(3), expected)


def test_real_points_lie_in_every_clump():
    game = Game(Rules(shape="grid"))
    points = game.real_points(2_000)
    apart = torch.cdist(points, centres("grid"))
    assert set(apart.argmin(1).tolist()) == set(range(9))
    assert apart.amin(1).square().mean().div(2).sqrt() == pytest.approx(DEVIATION, rel=0.1)


def test_a_round_minimises_the_losses_of_the_package():
    """The first step of D lowers its own loss on the points it was shown, by the package's formula."""
    game = Game(Rules("textbook", discriminator_lr=1e-3))
    real, fake = game.real_points(LOOKED_AT), game.generated_points()

    @torch.no_grad()
    def loss():
        return float(discriminator_cross_entropy(game._judge(real), game._judge(fake)).mean())

    before = loss()
    game.play(5)
    assert loss() < before


def test_learning_rates_are_those_asked_for():
    game = Game(Rules(generator_lr=1e-3, discriminator_lr=1e-3))
    game.play(1)
    before = [p.clone() for p in game.G.parameters()]
    game.change(Rules(generator_lr=1e-9, discriminator_lr=1e-3))
    game.play(1)
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(before, game.G.parameters(), strict=True))
    with pytest.raises(ValueError, match="generator_lr"):
        Rules(generator_lr=0)


def test_penalties_belong_to_their_games():
    assert loss_of("wasserstein-gp").gradient_penalty_weight > 0
    assert loss_of("relativistic-r1-r2").r1_weight == loss_of("relativistic-r1-r2").r2_weight > 0
    for kind in ("textbook", "minimax", "relativistic"):
        loss = loss_of(kind)
        assert loss.r1_weight == loss.r2_weight == loss.gradient_penalty_weight == 0


def test_penalties_hold_the_slope_of_d_down():
    slopes = []
    for kind in ("relativistic", "relativistic-r1-r2"):
        game = Game(Rules(kind, discriminator_lr=1e-2))
        game.play(150)
        points = game.real.clone().requires_grad_()
        slopes.append(float(squared_gradient_norm(game._judge(points), points).mean().detach()))
    assert slopes[1] < 0.5 * slopes[0]


def test_the_surface_is_high_where_the_real_points_are():
    game = Game(Rules("relativistic-r1-r2", shape="pair"))
    game.play(60)
    with torch.no_grad():
        game.G[-1].weight.zero_()
        game.G[-1].bias.copy_(
            torch.tensor([0.0, 1.2])
        )  # all that is generated lies at the top, in the middle
    game.change(Rules("relativistic-r1-r2", shape="pair", generator_lr=1e-9, discriminator_lr=3e-3))
    game.play(60)
    surface = game.surface()
    assert surface.shape == (SURFACE, SURFACE)
    top = surface[int((1.5 - 1.2) / 3 * SURFACE), SURFACE // 2]
    left = surface[SURFACE // 2, int((1.5 - 0.8) / 3 * SURFACE)]
    assert left > 0.5 > top


def test_looks_are_taken_every_25_steps_with_means_since_the_last():
    game = Game(Rules())
    game.play(60)
    assert [look.step for look in game.looks] == [25, 50]
    assert all(0 <= look.accuracy <= 1 and math.isfinite(look.distance) for look in game.looks)


def swinging(i):
    return math.sin(i), math.cos(i)


def going_one_way(i):
    return 0.3 * i, 0.0


@pytest.mark.parametrize(
    ("state", "looks"),
    [
        ("beginning", []),
        ("beginning", course(5, spread=0.01)),
        ("converged", course(40)),
        ("under way", course(40, distance=0.2)),
        ("under way", course(40, found=6)),
        ("collapsed", course(40, spread=0.1, found=1, distance=0.9)),
        ("collapsed", course(40, found=2, good=0.9, distance=0.5)),
        ("oscillating", course(40, distance=0.6, found=1, good=0.1, middle=swinging)),
        ("under way", course(40, distance=0.6, found=0, good=0, middle=going_one_way)),
        ("diverged", course(40, spread=lambda i: 100.0)),
        ("diverged", course(3, distance=lambda i: math.nan)),
    ],
)  # fmt: skip
def test_verdicts(state, looks):
    verdict = judge(looks, "ring")
    assert verdict.state == state
    if state in ("converged", "collapsed", "oscillating"):
        assert verdict.evidence["clumps"] == 8
        assert verdict.evidence["step"] == looks[-1].step


def test_a_verdict_forgets_what_is_over():
    """A game that swung at first and then settled is judged by what it does now."""
    swung = course(20, distance=0.6, found=1, good=0.1, middle=lambda i: (math.sin(2 * i), math.cos(2 * i)))
    assert judge(swung, "ring").state == "oscillating"
    assert judge(swung + course(30), "ring").state == "converged"


@pytest.mark.slow
def test_games_end_as_the_texts_say():
    """Equal rates converge; a generator ten times as fast as D collapses or swings."""
    game = Game(Rules("minimax", "ring", 1e-3, 1e-3))
    game.play(1_500)
    assert judge(game.looks, "ring").state == "converged"
    game = Game(Rules("minimax", "ring", 1e-2, 1e-3))
    game.play(600)
    assert judge(game.looks, "ring").state in ("collapsed", "oscillating")
