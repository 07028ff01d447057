"""Parts of a batch, results computed twice: the same update in less memory; and the forecast of both."""

import pytest
import torch

import impasto
from impasto.config.reading import load_config
from impasto.errors import ConfigError
from impasto.tasks import task_of
from impasto.tasks.generation import gan_step
from impasto.tasks.outlook import look_ahead
from impasto.training import device, memory
from impasto.training import state as states
from impasto.training.memory import Need, Tally, parts_that_fit
from tests.small_games import Game
from tests.small_runs import NETWORKS, SMALL, train

FORECAST = NETWORKS["default"] | {"image.size": 64, "train.batch_size": 8}
PLACE = device.Choice("cpu", "float32", "")


STILL = {"optimizer.generator_lr": 1e-12, "optimizer.discriminator_lr": 1e-12}


def gradients(pictures, **settings):
    """Of both networks of an r3gan, which has no batch norm, by one step; and what the step tells."""
    # Nothing random but latents, whose order is the same in parts.
    alike = {
        "loss.penalty_method": "analytic",
        "augment.colour": 0,
        "augment.translation": 0,
        "augment.cutout": 0,
    }
    settings = SMALL | NETWORKS["r3gan"] | STILL | alike | {"train.batch_size": 16} | settings
    config = load_config("r3gan", settings)
    fabric = device.make_fabric(PLACE)
    dataset = impasto.open_folder(pictures, config.data, config.image, seed=0)
    state = states.create_state(task_of(config).build, config, dataset.batches(16, 0), fabric)

    def next_batch():
        return impasto.image.codec.to_tensor(state.batches.next(), fabric.device)

    parts = config.train.parts
    told = gan_step.gan_step(fabric, state, next_batch, config.loss, config.augment, 1, parts)
    found = [p.grad for network in (state.discriminator, state.generator) for p in network.parameters()]
    return torch.cat([g.flatten() for g in found]), told


@pytest.mark.parametrize("settings", [{"train.parts": 2}, {"train.parts": 4}, {"train.recompute": True}])
def test_the_gradient_is_that_of_the_whole_batch(shapes, settings):
    whole, expected = gradients(shapes, **{"train.parts": 1})
    found, told = gradients(shapes, **{"train.parts": 1} | settings)
    assert whole.abs().max() > 1e-3
    torch.testing.assert_close(found, whole, rtol=1e-3, atol=1e-5)
    for name in ("discriminator_loss", "generator_loss", "r1", "r2"):
        torch.testing.assert_close(getattr(told, name), getattr(expected, name), rtol=1e-4, atol=1e-6)


def test_batch_norm_counts_a_batch_once_that_is_computed_twice():
    plain, twice = Game(), Game(train__recompute=True)
    assert twice.state.generator.recomputes
    for game in (plain, twice):
        game.play(1)
    for (name, one), (_, other) in zip(
        plain.state.generator.named_buffers(), twice.state.generator.named_buffers(), strict=True
    ):
        if "running" in name:
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_less_is_held_when_it_is_computed_twice():
    held = []
    for recompute in (False, True):
        game = Game(size=64, train__recompute=recompute)
        with Tally() as tally:
            game.play(1)
        held.append(tally.most)
    assert held[1] < 0.8 * held[0]


def test_a_tally_by_hand():
    with Tally() as tally:
        first = torch.zeros(1000)
        view = first.view(10, 100)  # no bytes of its own
        del first
        second = torch.zeros(500)
        assert tally.now == 6000
        del view
        third = second + 1
    assert (tally.now, tally.most) == (4000, 6000)
    del third


def test_as_few_parts_as_fit():
    need = Need(fixed=100, per_picture=10)
    assert need.of(32) == 420
    assert parts_that_fit(need, 32, 1000) == 1
    assert parts_that_fit(need, 32, 400) == 2
    assert parts_that_fit(need, 32, 200) == 8
    assert parts_that_fit(need, 6, 160) == 2  # three pictures
    assert parts_that_fit(need, 32, 120) is None


def test_short_memory_is_met_before_the_first_step(shapes, tmp_path, monkeypatch):
    """What is free is little: the run says what it does about it, keeps to it, and ends as any other."""
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "room", lambda device: 3e6)
    monkeypatch.setattr(memory, "measure", lambda config, *_: Need(0, 2e6 if config.train.recompute else 4e6))
    said = []
    train(shapes, tmp_path / "run", images=16, sinks=[said.append])
    assert "computed twice" in said[0].memory
    assert "4 parts" in said[0].memory
    saved = (tmp_path / "run" / "config.json").read_text()
    assert '"parts": 4' in saved
    assert '"recompute": true' in saved


def test_the_forecast_is_near_what_a_step_takes(shapes):
    _, found = look_ahead(shapes, preset="default", overrides=FORECAST)
    assert found.fits
    assert (found.recompute, found.parts) == (False, 1)
    assert found.thrifty.per_picture < found.plain.per_picture
    game = Game(size=64)
    with Tally() as tally:
        game.play(1)
    assert tally.most < found.plain.of(8) * 1.5
    assert tally.most > found.plain.of(8) / 3


def test_parts_that_cannot_be(shapes, tmp_path):
    with pytest.raises(ConfigError, match=r"does not divide a batch of 8 into parts"):
        train(shapes, tmp_path / "run", images=16, overrides={"train.parts": 3})
    assert not (tmp_path / "run").exists()
