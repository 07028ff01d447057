"""What is known of the real pictures before the first step: the same anew each time."""

import copy

import numpy as np
import pytest
import torch

from impasto.descriptors import ProjectedConfig
from impasto.images import to_tensor, to_uint8
from impasto.models.encoder import THUMBNAIL_SIDE
from impasto.models.pyramid import content, thumbnail
from impasto.training import reference as module
from impasto.training.reference import make_reference, remember, survey
from tests.training.test_projected_step import Game, drawings


@pytest.fixture(scope="module")
def game():
    return Game()


def anew(game, batches, *, first=False):
    state = game.state
    return make_reference(state.generator, state.discriminator, batches, game.config.model, first=first)


def test_it_is_the_same_anew_and_leaves_the_players_alone():
    game = Game()
    players = game.state.generator, game.state.discriminator
    with torch.no_grad():  # what they have learnt since
        players[0].sketch.weight.add_(1.0)
        players[1].scales.mul_(2.0)
    before = copy.deepcopy([player.state_dict() for player in players])
    again = anew(game, [game.images])
    assert again.map_scales == game.reference.map_scales
    assert torch.equal(again.encoder.ranked, game.reference.encoder.ranked)
    for player, saved in zip(players, before, strict=True):
        assert all(torch.equal(t, saved[name]) for name, t in player.state_dict().items())


def test_a_survey_is_the_same_in_any_batching(game):
    pyramid, images = game.state.discriminator.pyramid, game.images
    seen = survey(pyramid, iter(images.split(5)))  # seen once: no list is needed
    with torch.no_grad():
        maps = pyramid(images)
    torch.testing.assert_close(seen.contents, content(maps), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(seen.thumbnails, thumbnail(images, THUMBNAIL_SIDE))
    for found, expected in zip(seen.maps, maps, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert not seen.contents.requires_grad


def test_maps_are_kept_of_the_first_pictures_only(game, monkeypatch):
    monkeypatch.setattr(module, "MEASURED", 8)
    seen = survey(game.state.discriminator.pyramid, game.images.split(4))
    assert {len(m) for m in seen.maps} == {8}
    assert {len(d) for d in (seen.contents, seen.thumbnails)} == {32}


def test_each_map_counts_alike(game):
    with torch.no_grad():
        maps = game.state.discriminator.pyramid(game.images)
    means = [float(m.abs().mean()) * s for m, s in zip(maps, game.reference.map_scales, strict=True)]
    assert means == pytest.approx([1.0] * 4, rel=1e-4)


def test_the_discriminator_begins_calibrated(game):
    D = game.state.discriminator
    with torch.no_grad():
        maps = D.pyramid(game.images)
        scaled = [m * unit for m, unit in zip(maps, D.units, strict=True)]
        mixed = [mix(m) * s for mix, m, s in zip(D.mix_channels, scaled, D.scales, strict=True)]
    assert [float(m.std()) for m in mixed] == pytest.approx([1.0] * 4, rel=1e-3)


def test_a_generator_begins_with_the_layout_of_known_pictures(game):
    D, encoder = game.state.discriminator, game.reference.encoder
    with torch.no_grad():
        latents = encoder(game.images, D.pyramid(game.images))
        z = torch.nn.functional.pad(latents, (0, game.config.model.latent_dim - encoder.dims))
        sketches = game.state.generator.sketch(z)
    real = game.images.flatten(1)
    error, spread = (sketches - real).square().mean(), (real - real.mean(0)).square().mean()
    assert error < 0.5 * spread


@pytest.mark.parametrize("count", [2, 7])
def test_few_pictures(count):
    few = Game()
    reference = anew(few, [few.images[:count]], first=True)
    assert 0 < reference.encoder.dims <= 2 * (count - 1)
    assert all(torch.isfinite(t).all() for t in few.state.generator.state_dict().values())
    few.reference = reference
    assert all(torch.isfinite(value) for value in vars(few.play(1)[0]).values())


def test_one_picture_repeated():
    one = Game()
    one.images = drawings()[:1].repeat(32, 1, 1, 1)
    one.reference = anew(one, [one.images], first=True)
    assert one.reference.encoder.dims == 0
    assert all(torch.isfinite(value) for value in vars(one.play(2)[-1]).values())


def test_pictures_from_files_fit(shapes):
    """Values of uint8 pictures lie in [-1, 1], as the lessons take for granted."""
    import impasto

    config = impasto.load_config("default", {"image.size": 16})
    pixels = impasto.open_folder(shapes, config.data, config.image, seed=0).train_pixels(32, 0)
    reference = anew(Game(), [to_tensor(pixels)])
    assert isinstance(config.model, ProjectedConfig)
    assert reference.encoder.dims == 16


@pytest.mark.parametrize("mirror", [False, True])
def test_what_is_remembered_is_what_a_look_would_show(game, mirror, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 5)
    pyramid, encoder = game.state.discriminator.pyramid, game.reference.encoder
    pixels = to_uint8(drawings(count=12))
    indices = np.array([0, 2, 3, 5, 7, 8, 11])
    memory = remember(pyramid, encoder, pixels.__getitem__, indices, mirror=mirror)
    asked, flipped = np.array([8, 0, 8]), np.array([False, False, mirror])
    maps, latents = memory.recall(asked, flipped)
    shown = pixels[asked]
    shown[flipped] = shown[flipped, :, ::-1]
    with torch.no_grad():
        images = to_tensor(shown)
        expected = pyramid(images)
    for found, m in zip(maps, expected, strict=True):
        torch.testing.assert_close(found, m, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(latents, encoder(images, expected), rtol=0.05, atol=0.05)
    assert torch.equal(maps[0][0], maps[0][2]) == (not mirror)


def test_more_than_there_is_room_for_is_not_remembered(game, monkeypatch):
    pyramid, encoder = game.state.discriminator.pyramid, game.reference.encoder
    pixels, indices = to_uint8(drawings(count=12)), np.arange(12)
    one = sum(m.numel() * 4 for m in pyramid(drawings(count=1)))
    monkeypatch.setattr(module, "MOST_REMEMBERED_BYTES", 12 * one)
    assert remember(pyramid, encoder, pixels.__getitem__, indices, mirror=False) is not None
    assert remember(pyramid, encoder, pixels.__getitem__, indices, mirror=True) is None
