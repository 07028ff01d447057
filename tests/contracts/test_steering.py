"""What steering must satisfy with every generator."""

import json

import numpy as np
import pytest
import torch

import impasto
from impasto.config.reading import load_config
from impasto.errors import InputError
from impasto.image.files import from_pil, save
from impasto.tasks.generation.generator import ModulatedGenerator
from impasto.tasks.generation.networks import build_generator
from impasto.tasks.generation.sampling.recipe import KEY, Recipe
from impasto.training.checkpoints import ModelInfo, save_model
from tests.old_models import old_model

SMALL = {"image.size": 32}
THEMED = {**SMALL, "model.themes": ["food", "flags"]}


@pytest.fixture(
    scope="module", params=["default", "0.1", pytest.param("r3gan", marks=pytest.mark.slow), "dcgan", "mlp"]
)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    if request.param == "0.1":
        cfg, generator = old_model(**THEMED)
    else:
        small = {**THEMED, "model.generator_channels": 4} if request.param == "default" else SMALL
        cfg = load_config(request.param, small)
        torch.manual_seed(0)
        generator = build_generator(cfg.model, cfg.image)
    if request.param == "default":
        generator.learn_themes(torch.eye(2))
    save_model(folder, generator.state_dict(), ModelInfo(cfg, 10))
    return impasto.load(folder)


@pytest.fixture(scope="module")
def has_levels(model):
    return len(model.generator.levels) > 1


def pixels(picture):
    return from_pil(picture)


def same(one, other):
    return np.array_equal(pixels(one), pixels(other))


def test_a_picture_is_the_same_alone_and_among_others_bit_for_bit(model):
    together = model.generate([5, 8, 13, 21, 34, 55, 89])
    assert same(together[3], model.generate([21])[0])
    assert not same(together[3], together[4])


def made(model, has_levels, other):
    yield from model.generate([3], truncation=0.6, truncation_at={model.generator.levels[-1]: 1.2})
    yield from model.interpolate([1, 2, 5], frames=4, truncation=0.8)
    yield from model.neighbours(7, count=2)
    if has_levels:
        yield model.mix(3, 4)
        yield model.mix(3, other, detail_from_px=model.generator.levels[1], colours=False)
    yield from model.generate([3], colours=["teal", "#f4c20d"])
    asked = model.steered(4, colours=["navy"])
    yield from model.interpolate([asked, model.steered(4, palette_from=other)], frames=3)
    yield from model.neighbours(asked, count=1)
    if model.themes:
        yield from model.generate([3], theme="food")


def test_every_recipe_makes_its_picture_again_bit_for_bit(model, has_levels, tmp_path):
    first = model.generate([9])[0]
    save(pixels(first), tmp_path / "nine.png", metadata={KEY: first.info[KEY]})
    for picture in made(model, has_levels, tmp_path / "nine.png"):
        recipe = Recipe.model_validate_json(picture.info[KEY])
        fresh = impasto.load(model.folder)
        assert same(fresh.make(recipe), picture)
        assert fresh.make(recipe).info[KEY] == picture.info[KEY]


def test_an_interpolation_ends_at_its_seeds_and_passes_through_them(model):
    way = model.interpolate([1, 2, 3], frames=9)
    assert len(way) == 9
    first, middle, last = model.generate([1, 2, 3])
    assert same(way[0], first)
    assert same(way[-1], last)
    assert any(same(frame, middle) for frame in way)


def test_a_loop_begins_at_its_seed_and_does_not_repeat_it(model):
    way = model.interpolate([1, 2], frames=8, loop=True)
    assert len(way) == 8
    first, second = model.generate([1, 2])
    assert same(way[0], first)
    assert not same(way[-1], first)
    assert any(same(frame, second) for frame in way)


def test_the_null_condition_is_the_model_without_conditions(model):
    (plain,) = model.generate([4])
    assert same(model.generate([4], theme=(), colours=())[0], plain)
    assert same(model.make(model.steered(4)), plain)


def test_a_theme_is_asked_of_the_prior(model):
    if not model.themes:
        with pytest.raises(InputError, match="cannot be asked for themes"):
            model.generate([4], theme="food")
        return
    generator = model.generator
    for place, name in enumerate(model.themes):
        for seed in range(6):
            z = model.latent(model.seed_point(seed, 0.01, theme=name))[:1]
            if isinstance(generator, ModulatedGenerator):  # both networks are told
                assert z[0, : generator.kinds].tolist() == [place == 0, place == 1]
                continue
            nearest = int(torch.cdist(z, generator.exemplars).argmin())
            assert generator.themes[nearest, place] == 1


def test_colours_change_colours_and_nothing_where_they_are_already(model):
    plain, asked = model.generate([4])[0], model.generate([4], colours=["teal"])[0]
    assert not same(plain, asked)
    assert same(model.generate([4], colours=["TEAL"])[0], asked)
    both = [model.generate([4], colours=order)[0] for order in (["teal", "red"], ["red", "teal"])]
    assert same(*both)


def test_the_way_between_colours_is_a_blend_of_them(model):
    ends = [model.steered(4, colours=[name]) for name in ("teal", "red")]
    way = model.interpolate(ends, frames=5)
    first, last = (pixels(model.make(end)).astype(float) for end in ends)
    assert np.array_equal(pixels(way[0]), first)
    assert np.array_equal(pixels(way[-1]), last)
    for frame in way:
        assert np.all(pixels(frame) <= np.maximum(first, last) + 1)
        assert np.all(pixels(frame) >= np.minimum(first, last) - 1)


def test_truncation_of_1_is_none(model):
    (plain,) = model.generate([4])
    assert same(model.generate([4], truncation=1.0)[0], plain)
    levels = dict.fromkeys(model.generator.levels, 1.0)
    assert same(model.generate([4], truncation=0.5, truncation_at=levels)[0], plain)
    assert not same(model.generate([4], truncation=0.5)[0], plain)


def test_each_level_is_truncated_by_itself(model):
    (plain,) = model.generate([4])
    for px in model.generator.levels:
        assert not same(model.generate([4], truncation_at={px: 0.3})[0], plain), px


def test_a_latent_for_each_level_is_the_latent_where_all_are_alike(model):
    z = model.generator.sample_latents(3, torch.Generator().manual_seed(0))
    levels = z[:, None].repeat(1, len(model.generator.levels), 1)
    torch.testing.assert_close(model.generator(z), model.generator(levels), atol=1e-5, rtol=0)


def test_a_picture_mixed_with_itself_is_itself(model, has_levels):
    (plain,) = model.generate([6])
    assert same(model.mix(6, 6), plain)
    if has_levels:
        assert same(model.mix(6, 6, detail_from_px=model.generator.levels[1]), plain)


def test_a_mix_takes_from_both(model, has_levels):
    one, other = model.generate([6, 7])
    if not has_levels:
        with pytest.raises(InputError, match="nothing can be mixed"):
            model.mix(6, 7, detail_from_px=8)
        assert not same(model.mix(6, 7), one)  # the colours alone
        return
    mixed = model.mix(6, 7, detail_from_px=model.generator.levels[1], colours=False)
    assert not same(mixed, one)
    assert not same(mixed, other)


def test_neighbours_are_as_far_as_was_asked(model):
    centre = pixels(model.generate([2])[0]).astype(float)
    apart = [
        np.mean([np.abs(pixels(n) - centre).mean() for n in model.neighbours(2, spread=spread)])
        for spread in (0.05, 0.3, 0.9)
    ]
    assert 0 < apart[0] < apart[1] < apart[2]


def test_another_models_recipe_is_refused(model):
    recipe = json.loads(model.generate([0])[0].info[KEY]) | {"weights": "0" * 16}
    with pytest.raises(InputError, match="of another model"):
        model.make(Recipe.model_validate(recipe))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.interpolate([1]), "two stops"),
        (lambda m: m.interpolate([1, 2, 3], frames=2), "2 frames"),
        (lambda m: m.interpolate([1, -2]), "seed -2"),
        (lambda m: m.neighbours(1, spread=0), "spread 0"),
        (lambda m: m.neighbours(1, spread=float("nan")), "spread nan"),
        (lambda m: m.neighbours(1, count=0), "0 variations"),
        (lambda m: m.generate([1], truncation_at={7: 1.0}), "no level of 7 px"),
        (lambda m: m.generate([1], truncation_at={m.generator.levels[0]: 3.0}), "truncation 3"),
        (lambda m: m.mix(1, 2, detail_from_px=1), "nothing can be mixed"),
        (lambda m: m.mix(1, 2, detail_from_px=4096), "nothing can be mixed"),
        (lambda m: m.mix("absent.png", 2), "there is no recipe"),
        (lambda m: m.project("absent.png"), "absent"),
        (lambda m: m.project(m.generate([1])[0], steps=-1), "-1 steps"),
        (lambda m: m.project(m.generate([1])[0], candidates=3), "3 candidates"),
        (lambda m: m.generate([1], directions={"pca1": 21.0}), "pca1=21 is out of range"),
        (lambda m: m.project(b"not a picture"), "the photo"),
        (lambda m: m.generate([1], colours=["tael"]), "'tael' is not a colour"),
        (lambda m: m.generate([1], colours=["red"] * 6), "6 colours"),
        (lambda m: m.generate([1], palette_from="absent.png"), "absent"),
        (lambda m: m.generate([1], colours=["red"], palette_from="a.png"), "exclude each other"),
        (lambda m: m.steered(m.steered(1), theme="food"), "asked of seeds alone"),
        (lambda m: m.generate([1], theme="fodo"), "fodo|cannot be asked for themes"),
    ],
)
def test_bad_requests(model, call, message):
    with pytest.raises(InputError, match=message):
        call(model)
