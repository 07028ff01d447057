"""One round of a projected GAN: what learns, what does not, and what the lesson does."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from impasto.config import Adversarial, load_config
from impasto.data.batches import Batches
from impasto.data.cache import Pixels
from impasto.errors import CheckpointError
from impasto.images import to_tensor, to_uint8
from impasto.losses.adversarial import leaves_zero_undetermined
from impasto.models.layers import near_range, overshoot
from impasto.training import projected_step as module
from impasto.training import state as states
from impasto.training.projected_step import draw_latents, grow, heeded, projected_step, soften
from impasto.training.reference import make_reference, remember
from impasto.training.state import create_state
from tests.training.test_run import NETWORKS

SMALL = {**NETWORKS["default"], "train.batch_size": 8, "optimizer.generator_lr": 3e-3}


def drawings(size=16, count=32):
    """(count, 3, size, size): a bright square on dark ground, of varied place and colour."""
    rng = torch.Generator().manual_seed(3)
    images = torch.full((count, 3, size, size), -0.9)
    for image in images:
        y, x = torch.randint(0, size // 2, (2,), generator=rng).tolist()
        image[:, y : y + size // 2, x : x + size // 2] = torch.rand(3, 1, 1, generator=rng)
    return images


class Game:
    """A run without its surroundings: `play(n)` plays n rounds and returns the figures of each."""

    def __init__(self, size=16, **settings):
        settings = {key.replace("__", "."): value for key, value in settings.items()}
        self.config = load_config("default", {"image.size": size, **SMALL, **settings})
        self.fabric = Fabric(accelerator="cpu", devices=1)
        self.state = create_state(self.config, batches=None, fabric=self.fabric)
        self.images = drawings(size)
        self.reference = make_reference(
            self.state.generator, self.state.discriminator, [self.images], self.config.model, first=True
        )
        self.place = 0

    def next_batch(self):
        batch = self.images.roll(-self.place, 0)[:8]
        self.place += 8
        return batch

    def play(self, rounds):
        cfg = self.config
        return [
            projected_step(
                self.fabric,
                self.state,
                self.reference,
                self.next_batch,
                cfg.loss,
                cfg.matching,
                cfg.augment,
                max(1, cfg.train.parts),
            )
            for _ in range(rounds)
        ]


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()]).clone()


def test_what_learns_and_what_does_not():
    game = Game()
    G, D = game.state.generator, game.state.discriminator
    before = weights(G), weights(D), weights(D.pyramid), D.scales.clone(), D.mix_scales[0].weight.clone()
    (stats,) = game.play(1)
    after = weights(G), weights(D), weights(D.pyramid), D.scales, D.mix_scales[0].weight
    changed = [not torch.equal(old, new) for old, new in zip(before, after, strict=True)]
    assert changed == [True, True, False, False, False]
    assert all(torch.isfinite(value) for value in vars(stats).values())
    assert stats.reconstruction > 0
    assert all(p.requires_grad for p in D.parameters())


def test_the_discriminator_stays_while_the_generator_learns(monkeypatch):
    game = Game()
    seen = []
    step = game.state.generator_optimizer.step

    def spy(*args, **kwargs):
        seen.append(
            (weights(game.state.discriminator), [p.grad for p in game.state.discriminator.parameters()])
        )
        return step(*args, **kwargs)

    d_step = game.state.discriminator_optimizer.step

    def d_spy(*args, **kwargs):
        found = d_step(*args, **kwargs)
        gradients = [p.grad.clone() for p in game.state.discriminator.parameters()]
        seen.append((weights(game.state.discriminator), gradients))
        return found

    monkeypatch.setattr(game.state.generator_optimizer, "step", spy)
    monkeypatch.setattr(game.state.discriminator_optimizer, "step", d_spy)
    game.play(1)
    (after_d, gradients), (before_g, later) = seen
    assert torch.equal(after_d, before_g)
    assert torch.equal(weights(game.state.discriminator), after_d)
    assert all(torch.equal(a, b) for a, b in zip(gradients, later, strict=True))


def test_the_pictures_of_known_latents_become_those_they_stand_for():
    # With 4 channels at full size it can do little.
    wide = {"model__generator_channels": 16, "model__max_channels": 64}
    found = [float(s.reconstruction) for s in Game(matching__adversarial=0.0, **wide).play(60)]
    assert sum(found[-8:]) < 0.9 * sum(found[:8])


def test_overshoot_by_hand():
    images = torch.tensor([0.5, -1.0, 3.0, -2.0])
    assert overshoot(near_range(images)) == pytest.approx((2**2 + 1**2) / 4)


@pytest.mark.parametrize("without", [{"reconstruction": 0.0}, {"paired_share": 0.0}])
def test_without_the_lesson_its_figure_is_zero_and_the_game_goes_on(without):
    stats = Game(**{f"matching__{key}": value for key, value in without.items()}).play(2)[-1]
    assert stats.reconstruction == 0
    assert stats.generator_loss != 0


def test_overshoot_brings_the_values_back():
    """Alone, against colours that lie beyond the range; without it they stay there."""

    def left(weight):
        game = Game(matching__adversarial=0.0, matching__paired_share=0.0, matching__overshoot=weight)
        with torch.no_grad():
            game.state.generator.sketch.bias.add_(2.0)
        game.play(20)
        with torch.no_grad():
            z = game.state.generator.sample_latents(32, torch.Generator().manual_seed(0))
            return float(overshoot(game.state.generator(z)))

    assert left(10.0) < 0.5 * left(0.0)


@pytest.mark.parametrize(("share", "pairs"), [(0.0, 0), (0.5, 4), (1.0, 8)])
def test_a_share_of_the_batch_is_paired(share, pairs):
    game = Game(matching__paired_share=share, matching__blur=0.0, model__exemplar_noise=0.0)
    state, real = game.state, game.images[:8]
    with torch.no_grad():
        known = game.reference.encoder(real, state.discriminator.pyramid(real))
    z, real_z, found, share = draw_latents(state, game.reference, known, game.config.matching)
    assert found == pairs
    assert share == (1 if pairs else 0)
    assert z.shape == real_z.shape == (8, game.config.model.latent_dim)
    assert torch.equal(z[:pairs], real_z[:pairs])
    free = known.shape[1]  # the others may stand for the same picture, and differ in what is free
    assert not (z[pairs:, free:] == real_z[pairs:, free:]).any()
    assert torch.equal(real_z[:, : known.shape[1]], known)
    (stats,) = game.play(1)
    assert (stats.reconstruction > 0) == (pairs > 0)


def test_picture_i_is_changed_alike_on_both_sides(monkeypatch):
    game = Game(augment__colour=1.0, augment__translation=1.0, augment__cutout=0.5)
    calls, whole = [], module.augment

    def spy(images, changes, rng):
        probe = drawings()[:8]  # the same pictures on both sides: their changes show what was drawn
        calls.append(whole(probe, changes, copy_of(rng)))
        return whole(images, changes, rng)

    def copy_of(rng):
        return torch.Generator().manual_seed(rng.initial_seed())

    monkeypatch.setattr(module, "augment", spy)
    game.play(2)
    assert len(calls) == 4
    assert torch.equal(calls[0], calls[1])
    assert torch.equal(calls[2], calls[3])
    assert not torch.equal(calls[0], calls[2])
    assert not torch.equal(calls[0], drawings()[:8])


@pytest.mark.parametrize("kind", get_args(Adversarial))
def test_any_loss_and_any_penalty(kind):
    game = Game(
        loss__adversarial=kind,
        loss__r1_weight=1.0,
        loss__r2_weight=1.0,
        loss__gradient_penalty_weight=1.0,
        augment__translation=1.0,
    )
    stats = game.play(2)[-1]
    assert all(torch.isfinite(value) for value in vars(stats).values())
    assert min(stats.r1, stats.r2, stats.gradient_penalty) > 0
    assert (game.state.discriminator.centre != 0) == leaves_zero_undetermined(kind)


def test_real_latents_are_as_noisy_as_the_prior_and_those_of_pairs_are_not():
    game = Game(matching__blur=0.1, model__exemplar_noise=0.6)
    state, real = game.state, game.images[:8]
    with torch.no_grad():
        known = game.reference.encoder(real, state.discriminator.pyramid(real))
    draws = [draw_latents(state, game.reference, known, game.config.matching) for _ in range(400)]
    dims = known.shape[1]
    for which, rows, noise in ((0, slice(0, 4), 0.1), (1, slice(None), 0.6)):
        latents = torch.stack([draw[which][rows, :dims] for draw in draws])
        torch.testing.assert_close(latents.mean(0), (1 - noise**2) ** 0.5 * known[rows], rtol=0, atol=0.15)
        assert latents.std(0).mean() == pytest.approx(noise, rel=0.05)


def test_penalties_judge_a_picture_beside_its_own_latent(monkeypatch):
    """Or a difference of two logits would be that between knowing a latent and not knowing it."""
    game = Game(model__spectral_norm=False, loss__r1_weight=1.0, loss__r2_weight=1.0)
    whole, compared = module.penalties_of_halves, []

    def spy(judge, on_real, both, logits, *rest):
        torch.testing.assert_close(judge(both), logits)
        torch.testing.assert_close(on_real(both[:8]), logits[:8])
        compared.append(both.shape)
        return whole(judge, on_real, both, logits, *rest)

    monkeypatch.setattr(module, "penalties_of_halves", spy)
    game.play(1)
    assert [len(shape) for shape in compared] == [2]
    assert compared[0][0] == 16


def test_latents_are_heeded_little_by_little():
    assert [heeded(n, 8_000) for n in (0, 2_000, 8_000, 9_000)] == [0, 0.25, 1, 1]
    assert heeded(0, 0) == 1
    game = Game(matching__heed_by_images=0)
    images = torch.zeros(2, 3, game.state.generator.size, game.state.generator.size)
    latents = game.state.generator.sample_latents(2, torch.Generator().manual_seed(0))
    D = game.state.discriminator.eval()
    with torch.no_grad():
        whole, blind = D(images, latents), D(images)
        D.heeded = 0.25
        torch.testing.assert_close(D(images, latents), blind + 0.25 * (whole - blind))
    game.play(1)
    assert D.heeded == 1


def test_detail_doubles_at_four_times_the_images():
    game = Game(size=64, grow__from_px=16, grow__until_images=100)
    sides = []
    for seen in (0, 99, 100, 399, 400, 10_000):
        game.state.images_seen = seen
        grow(game.state, game.config.grow)
        sides.append(int(game.state.generator.resolution))
    assert sides == [16, 16, 32, 32, 64, 64]


def test_how_far_it_has_grown_survives_saving(tmp_path):
    game = Game(size=32, grow__from_px=8, grow__until_images=100)
    state = game.state
    state.images_seen = 50
    grow(state, game.config.grow)
    game.play(1)
    states.update_average(state, game.config.ema, 8)
    state.batches = type("Nothing", (), {"state_dict": lambda self: {}, "load_state_dict": lambda *a: None})()
    states.save(state, tmp_path / "s.safetensors", game.config, "f")
    fresh = create_state(game.config, state.batches, game.fabric)
    assert int(fresh.generator.resolution) == 32
    states.restore(fresh, tmp_path / "s.safetensors", "f")
    assert int(fresh.generator.resolution) == int(fresh.average.resolution) == 8
    with pytest.raises(CheckpointError, match="the pictures are not those") as caught:
        states.restore(fresh, tmp_path / "s.safetensors", "other", ["Left out: 1 hidden file."])
    assert caught.value.hint.endswith("may have read what this one leaves out. Left out: 1 hidden file.")


@pytest.mark.parametrize("size", [16, 32])
def test_growth_from_more_than_the_picture_has(size):
    game = Game(size=size, grow__from_px=128, grow__until_images=100)
    grow(game.state, game.config.grow)
    assert int(game.state.generator.resolution) == size
    game.play(1)


def test_while_it_is_small_real_pictures_have_no_more_detail(monkeypatch):
    game = Game(size=32)
    game.state.generator.grow_to(8)
    shown, whole = [], module.look_at
    monkeypatch.setattr(module, "look_at", lambda f, s, r, real: shown.append(real) or whole(f, s, r, real))
    game.play(1)
    assert torch.equal(shown[0], soften(game.images[:8], 8))


def test_what_is_remembered_serves_a_grown_generator_only(monkeypatch):
    game = Game(size=32)
    game.state.batches = Batches(Pixels(to_uint8(game.images), 32, 3), np.arange(32), 8, 0)
    game.next_batch = lambda: to_tensor(game.state.batches.next())
    pyramid, passed = game.state.discriminator.pyramid, []
    monkeypatch.setattr(pyramid, "_maps", lambda net, x: passed.append(len(x)) or type(pyramid)._maps(net, x))
    memory = remember(
        pyramid, game.reference.encoder, game.state.batches.pixels.take, np.arange(32), mirror=False
    )
    game.reference = replace(game.reference, memory=memory)
    passed.clear()
    game.state.generator.grow_to(16)
    game.play(1)
    assert passed == [8, 8]
    game.state.generator.grow_to(32)
    (remembered,) = game.play(1)
    assert passed == [8, 8, 8]
    game.play(1)
    assert torch.isfinite(remembered.discriminator_loss)


def test_softened():
    images = drawings()
    assert soften(images, 16) is images
    soft = soften(images, 8)
    assert soft.shape == images.shape
    torch.testing.assert_close(soft.mean((2, 3)), images.mean((2, 3)), atol=0.03, rtol=0)
    assert (
        soft[:, :, 1:].sub(soft[:, :, :-1]).abs().max() < images[:, :, 1:].sub(images[:, :, :-1]).abs().max()
    )
    flat = torch.full((1, 3, 16, 16), 0.25)
    assert torch.equal(soften(flat, 8), flat)
