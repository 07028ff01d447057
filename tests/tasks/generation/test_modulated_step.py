"""One round of the game of new pictures: what learns, what is told, and what is compared."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from impasto.tasks.generation.modulated_step import themes_alike
from tests.small_games import THEMES, Game, weights


def test_both_learn_and_what_is_fixed_stays():
    game = Game()
    before = weights(game.G), weights(game.D)
    fixed = game.D.mix_channels[0].weight.clone(), weights(game.D.pyramid)
    (stats,) = game.play(1)
    assert not torch.equal(weights(game.G), before[0])
    assert not torch.equal(weights(game.D), before[1])
    assert torch.equal(game.D.mix_channels[0].weight, fixed[0])
    assert torch.equal(weights(game.D.pyramid), fixed[1])
    assert all(p.requires_grad for p in game.D.parameters())
    assert all(torch.isfinite(value) for value in vars(stats).values())
    assert stats.reconstruction > 0


def test_without_the_game_the_batches_become_alike_in_distribution():
    """Colours and places of the squares, by the energy distances alone; no picture is a target."""
    game = Game(distribution__adversarial=0, augment__colour=0, augment__translation=0, augment__cutout=0)
    seen = game.play(80)  # then .71 to .76 with three seeds
    first, last = (sum(float(s.reconstruction) for s in part) for part in (seen[:5], seen[-5:]))
    assert last < 0.8 * first


@pytest.mark.parametrize("weight", ["thumbnails", "maps", "places", "overshoot", "adversarial"])
def test_each_weight_counts(weight):
    one, other = Game(), Game(**{f"distribution__{weight}": 100.0})
    one.play(1), other.play(1)
    assert not torch.equal(weights(one.G), weights(other.G))
    assert torch.equal(weights(one.D), weights(other.D)), "D's round comes first"


def test_themes_are_told_to_both_and_some_pictures_are_told_none():
    game = Game(distribution__themeless_share=0.25)
    z = torch.cat([game.step.latents(THEMES) for _ in range(50)])
    told = z[:, :2].sum(1)
    assert 0.2 < float((told == 0).float().mean()) < 0.3
    assert torch.equal(z[told > 0][:, :2], THEMES.repeat(50, 1)[told > 0])
    assert float(z[:, 2:].std()) == pytest.approx(1, abs=0.05)
    pictures, latents = game.images[:4], game.step.latents(THEMES[:4])
    other = latents.clone()
    other[:, :2] = 1 - other[:, :2]
    game.G.eval(), game.D.eval()
    assert not torch.equal(game.G(latents), game.G(other))
    assert not torch.equal(game.D(pictures, latents), game.D(pictures, other))
    noise = latents.clone()
    noise[:, 2:] += 1
    assert torch.equal(game.D(pictures, latents), game.D(pictures, noise)), "D is told no noise"


def test_the_last_real_pictures_are_remembered():
    game = Game(distribution__remembered=20)
    game.play(1)
    assert {len(rows) for rows in game.state.recent.values()} == {8}
    first = game.state.recent["thumbnails"]
    game.play(3)
    assert {len(rows) for rows in game.state.recent.values()} == {20}
    maps = {f"maps{level}" for level in range(4)}
    assert set(game.state.recent) == maps | {f"{name} by place" for name in maps} | {"thumbnails", "told"}
    assert not torch.equal(game.state.recent["thumbnails"][:8], first)
    assert not any(rows.requires_grad for rows in game.state.recent.values())
    forgetful = Game(distribution__remembered=0)
    forgetful.play(2)
    assert {len(rows) for rows in forgetful.state.recent.values()} == {0}


def test_pictures_are_compared_with_those_of_the_same_themes():
    """The same generated pictures, told the themes that they show, or the other ones."""
    told = THEMES.repeat(2, 1)
    draw = torch.Generator().manual_seed(0)
    real, generated = (torch.randn(64, 5, generator=draw) + 4 * told[:, :1] for _ in range(2))
    for themes, told_apart in ((1.0, True), (0.0, False)):
        step = Game(distribution__themes=themes).step
        right = float(step.distance(generated, real, told, told))
        turned = generated.view(-1, 2, 5).flip(1).reshape(64, 5)  # each row of the other theme
        wrong = float(step.distance(turned, real, told, told))
        assert (wrong > right + 0.1) is told_apart
        assert told_apart or wrong == pytest.approx(right, abs=1e-4)


def test_how_much_two_pictures_themes_are_alike():
    one = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 0, 0]])
    other = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 0, 0]])
    expected = torch.tensor([[1, 0, 0], [0.5**0.5, 0, 0], [0, 0, 1]])
    assert torch.allclose(themes_alike(one, other), expected)


def test_without_themes_nothing_is_told():
    game = Game(model__themes=[])
    game.play(2)
    assert game.G.latent_dim == game.config.model.latent_dim
    assert not any("embed" in name for name, _ in game.D.named_parameters())


def test_unasked_themes_are_those_of_real_pictures():
    game = Game()
    game.G.learn_themes(torch.tensor([[1.0, 0.0]] * 3 + [[0.0, 1.0]]))
    drawn = game.G.sample_latents(400, torch.Generator().manual_seed(0))[:, :2]
    assert float(drawn[:, 0].mean()) == pytest.approx(0.75, abs=0.07)
    assert torch.equal(drawn.sum(1), torch.ones(400))
    asked = game.G.sample_latents(3, torch.Generator().manual_seed(0), themes=[1])
    assert asked[:, :2].tolist() == [[0, 1]] * 3
    half = game.G.sample_latents(3, torch.Generator().manual_seed(0), 0.5, themes=[1])
    assert torch.allclose(half[:, 2:], asked[:, 2:] / 2)
    varied = game.G.vary(asked, torch.Generator().manual_seed(1), 0.3)
    assert torch.equal(varied[:, :2], asked[:, :2])
    assert not torch.equal(varied[:, 2:], asked[:, 2:])


@pytest.mark.parametrize("kind", ["relativistic", "non-saturating", "wasserstein"])
def test_other_losses_and_penalties_play_too(kind):
    game = Game(loss__adversarial=kind, loss__r1_weight=1.0)
    (stats,) = game.play(1)
    assert stats.r1 > 0
    assert torch.isfinite(stats.discriminator_loss)


def test_parts_are_one_update():
    game = Game()
    (stats,) = game.play(1, parts=2)
    assert torch.isfinite(stats.generator_loss)
    step = {int(s["step"]) for s in game.state.generator_optimizer.state_dict()["state"].values()}
    assert step == {1}


class HostReads(TorchDispatchMode):
    """Names of what makes a program wait for a GPU: numbers read from tensors, shapes that hang on values."""

    WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "equal")

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name.removeprefix("aten::")
        if name.startswith(self.WAITS):
            self.found.append(name)
        return function(*args, **kwargs or {})


@pytest.mark.parametrize("settings", [{}, {"loss__r1_weight": 1.0, "loss__adversarial": "relativistic"}])
def test_a_round_reads_nothing_from_the_device(settings):
    """A GPU computes ahead of the program as long as the program asks for no number."""
    game = Game(**settings)
    game.play(2)
    with HostReads() as reads:
        game.play(1)
    assert reads.found == []
    with HostReads() as reads:
        float(torch.ones(1).sum())
    assert reads.found == ["_local_scalar_dense"]
