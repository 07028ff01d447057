import math

import pytest
import torch

from impasto.config.reading import load_config
from impasto.errors import InputError
from impasto.tasks.generation.networks import build_generator
from impasto.tasks.generation.sampling.latents import colouring_of, draw, latent_of, pack, slerp, unpack
from impasto.tasks.generation.sampling.recipe import Between, Coloured, Mix, Moved, Near, Seed, Stored
from tests.old_models import old_model


def none(name):
    raise AssertionError(name)


@pytest.fixture(scope="module")
def generator():
    cfg = load_config("default", {"image.size": 16, "model.generator_channels": 4, "model.latent_dim": 32})
    return build_generator(cfg.model, cfg.image)


def test_slerp_keeps_to_the_circle():
    first, last = torch.tensor([[2.0, 0, 0]]), torch.tensor([[0, 2.0, 0]])
    half = slerp(first, last, 0.5)
    assert torch.allclose(half, torch.tensor([[math.sqrt(2), math.sqrt(2), 0]]))
    third = slerp(first, last, 1 / 3)
    assert torch.allclose(third, 2 * torch.tensor([[math.cos(math.pi / 6), math.sin(math.pi / 6), 0]]))


def test_slerp_changes_lengths_evenly_and_has_exact_ends():
    first, last = torch.tensor([[1.0, 0]]), torch.tensor([[0, 3.0]])
    assert slerp(first, last, 0.5).norm() == pytest.approx(2)
    ends = torch.randn(2, 40, 50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(slerp(ends[0], ends[1], 0), ends[0])
    assert torch.equal(slerp(ends[0], ends[1], 1), ends[1])


@pytest.mark.parametrize("last", [[2.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
def test_slerp_where_there_is_no_circle(last):
    half = slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([last]), 0.5)
    assert torch.allclose(half, torch.tensor([[(1 + last[0]) / 2, 0.0]]))


def test_slerp_of_no_latent_at_all():
    assert torch.isfinite(slerp(torch.zeros(1, 2), torch.ones(1, 2), 0.5)).all()


def test_truncation_draws_nearer_to_exemplars_and_not_to_their_mean(themed):
    apart, lengths = [], []
    for truncation in (0.01, 0.5, 1.0):
        z = torch.cat([draw(Seed(seed=s, truncation=truncation), themed)[:1] for s in range(40)])
        apart.append(float(torch.cdist(z, themed.exemplars).min(1).values.mean()))
        lengths.append(float(z.norm(dim=1).mean()))
    assert apart[0] < 0.1 < apart[1] < apart[2]
    assert min(lengths) > 0.8 * max(lengths)


def test_truncation_of_a_plain_prior_scales_it():
    cfg = load_config("dcgan", {"image.size": 16})
    plain = build_generator(cfg.model, cfg.image)
    whole, half = (draw(Seed(seed=3, truncation=t), plain) for t in (1.0, 0.5))
    assert torch.equal(half, whole * 0.5)


def test_levels_of_a_mix(generator):
    one, other = Seed(seed=1), Seed(seed=2)
    mixed = latent_of(Mix(structure=one, detail=other, detail_from_px=8), generator, none)
    assert torch.equal(mixed[0], draw(one, generator)[0])
    assert torch.equal(mixed[1:], draw(other, generator)[1:])


def test_a_variation_has_the_share_of_noise_that_was_asked(generator):
    centre = draw(Seed(seed=1), generator)
    point = Near(centre=Seed(seed=1), spread=0.6, seed=4)
    noise = torch.randn(1, 32, generator=torch.Generator().manual_seed(4))
    assert torch.allclose(latent_of(point, generator, none), 0.8 * centre + 0.6 * noise)


def test_moves_add_up(generator):
    steps = {"up": torch.ones(32), "down": -2 * torch.ones(32)}
    point = Moved(start=Seed(seed=1), directions={"up": 3, "down": 1})
    assert torch.allclose(
        latent_of(point, generator, steps.__getitem__), draw(Seed(seed=1), generator) + 1, atol=1e-5
    )


def test_points_within_points(generator):
    inner = Between(first=Seed(seed=1), last=Seed(seed=2), at=0.25)
    outer = Near(centre=inner, spread=1.0, seed=0)
    noise = torch.randn(1, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(latent_of(outer, generator, none), noise.expand(3, -1))


def test_stored_latents_lose_nothing(generator):
    latent = torch.randn(3, 32)
    assert torch.equal(unpack(pack(latent), generator), latent)


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "AA"])
def test_stored_latents_of_another_shape(generator, text):
    with pytest.raises(InputError, match="is not 3 x 32 numbers"):
        unpack(Stored(latent=text), generator)


def test_stored_latents_that_are_not_finite(generator):
    with pytest.raises(InputError, match="not finite"):
        unpack(pack(torch.full((3, 32), torch.nan)), generator)


def test_colours_are_no_matter_of_latents(generator):
    seed = Seed(seed=3)
    point = Coloured(start=seed, colours=(("#008080", 1.0),))
    assert torch.equal(latent_of(point, generator, none), latent_of(seed, generator, none))


def test_what_a_picture_is_coloured_by():
    plain = Seed(seed=3)
    teal, red = (Coloured(start=plain, colours=((text, 1.0),)) for text in ("#008080", "#ff0000"))
    assert colouring_of(plain) == ((1.0, None),)
    assert colouring_of(Near(centre=Moved(start=teal, directions={}), spread=0.5, seed=1)) == ((1.0, teal),)
    assert colouring_of(Mix(structure=red, detail=teal, detail_from_px=8)) == ((1.0, teal),)
    half = Between(first=teal, last=Between(first=plain, last=red, at=0.5), at=0.5)
    assert colouring_of(half) == ((0.5, teal), (0.25, None), (0.25, red))
    assert colouring_of(Between(first=teal, last=red, at=0)) == ((1.0, teal),)


@pytest.fixture(scope="module")
def themed():
    """Of version 0.1: it draws around exemplars, and knows no picture that is both."""
    return old_model(8, **{"image.size": 16, "model.themes": ["animals", "food"]})[1]


def test_themes_choose_exemplars(themed):
    names = ("animals", "food")
    for place, name in enumerate(names):
        rows = [draw(Seed(seed=s, truncation=0.01, themes=(name,)), themed, names)[:1] for s in range(20)]
        nearest = torch.cdist(torch.cat(rows), themed.exemplars).argmin(1)
        assert themed.themes[nearest, place].all()
        assert len(nearest.unique()) > 1


@pytest.mark.parametrize(
    ("themes", "message", "hint"),
    [
        (("fod",), "no theme 'fod'", "did you mean 'food'"),
        (("qqq",), "no theme 'qqq'", "this model has: animals, food"),
        (("animals", "food"), "all of: animals, food", "ask for one"),
    ],
)
def test_themes_that_cannot_be_asked_for(themed, themes, message, hint):
    with pytest.raises(InputError, match=message) as caught:
        draw(Seed(seed=1, themes=themes), themed, ("animals", "food"))
    assert hint in caught.value.hint
