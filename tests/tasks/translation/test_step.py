"""One step: which pairs are compared, and that D sees both sides changed alike."""

import torch

from impasto.config.reading import load_config
from impasto.data.batches import Batches
from impasto.tasks.translation.step import TranslationStep, spread_of_all
from impasto.tasks.translation.task import Translation
from impasto.training import device as places
from impasto.training import state as states
from tests.small_translation import SETTINGS

LABELS = [{"name": name, "colour": colour} for name, colour in (("a", "#000000"), ("b", "#ffffff"))]


class Rows:
    def take(self, indices, offsets=None):
        raise AssertionError("no batch is asked for")


def a_step(**settings):
    config = load_config("translate", SETTINGS | {"layout.labels": LABELS} | settings)
    fabric = places.make_fabric(places.choose(config.train))
    state = states.create_state(Translation().build, config, Batches(Rows(), torch.arange(8), 8, 0), fabric)
    return TranslationStep(fabric, state, config, None)


def pairs(count=8):
    pictures = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    layout = torch.nn.functional.one_hot((pictures[:, 0] > 0).long(), 2).permute(0, 3, 1, 2).float()
    return pictures, layout


def test_half_of_the_latents_are_found_and_compared():
    step = a_step()
    z, compared, unlikely = step.latents(pairs()[0])
    assert z.shape == (8, 4)
    assert compared == 4
    assert unlikely > 0
    z, compared, unlikely = a_step(**{"translation.latents": 0.0}).latents(pairs()[0])
    assert compared == 8  # without an encoder each is compared
    assert unlikely == 0


def test_d_sees_real_and_translated_pairs_changed_alike():
    step = a_step(**{"augment.colour": 1.0, "augment.translation": 1.0, "augment.cutout": 1.0})
    picture, layout = pairs()
    real, fake = step.augmented(picture, picture.clone(), layout)
    assert torch.equal(real, fake)
    assert real.shape == (8, 5, 32, 32)
    assert not torch.equal(real[:, :3], picture)
    assert not torch.equal(real[:, 3:], layout)  # moved with the picture
    again, _ = step.augmented(picture, picture, layout)
    assert not torch.equal(again, real)


def test_a_step_changes_both_networks():
    step = a_step()
    before = [p.detach().clone() for network in (step.G, step.D) for p in network.parameters()]
    stats = step(torch.cat(pairs(), 1))
    after = [p.detach() for network in (step.G, step.D) for p in network.parameters()]
    assert all(torch.isfinite(p).all() for p in after)
    assert sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) > 0.9 * len(before)
    assert torch.isfinite(stats.generator_loss)
    assert stats.reconstruction > 0


def test_the_spread_of_one_pair_is_that_of_its_pixels():
    real = pairs(1)[0]
    assert torch.isclose(spread_of_all(real, real), torch.ones(()))
    assert spread_of_all(torch.zeros_like(real), real) == 0
