"""Obedience: accuracies and colour distances by hand, chance, ceiling and floor where they must be."""

import pytest
import torch

from impasto.errors import InputError
from impasto.image.oklab import palette_difference
from impasto.metrics.control import (
    colour_report,
    fit_classifier,
    theme_accuracy,
    theme_report,
    theme_variety,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(counts: list[int], seed: int = 0, spread: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    """Features around one corner for each theme."""
    label = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    themes = torch.nn.functional.one_hot(label, len(counts)).float()
    noise = torch.randn(len(label), 8, generator=seeded(seed))
    return torch.nn.functional.pad(themes, (0, 8 - len(counts))) * 2 + spread * noise, themes


def test_accuracy_by_hand():
    seen = torch.tensor([0, 0, 1, 1, 2, 0])
    asked = torch.tensor([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 0]])
    found = theme_accuracy(seen, asked)
    # theme 0: two of three; 1: both, the second by its other theme; 2: one of one
    assert found.per_theme == pytest.approx((2 / 3, 1, 1))
    assert found.accuracy == pytest.approx((2 / 3 + 1 + 1) / 3)
    # what is seen is 0 in 3 of 6, 1 in 2, 2 in 1
    assert found.chance == pytest.approx((3 / 6 + (2 / 6 + 3 / 6) / 2 + 3 / 6) / 3)


def test_themes_count_alike_and_one_answer_for_all_is_chance():
    asked = torch.nn.functional.one_hot(torch.tensor([0] * 90 + [1] * 10))
    found = theme_accuracy(torch.zeros(100, dtype=torch.int64), asked)
    assert found.accuracy == found.chance == 0.5
    some = theme_accuracy(torch.zeros(2, dtype=torch.int64), torch.tensor([[1, 0], [1, 0]]))
    assert some.per_theme == (1.0, None)
    with pytest.raises(InputError, match="no theme was asked for"):
        theme_accuracy(torch.zeros(2, dtype=torch.int64), torch.zeros(2, 3))


def test_the_classifier_learns_what_is_there_and_heeds_rare_themes():
    features, themes = blobs([200, 200, 12])
    classifier = fit_classifier(features, themes, decay=1e-3)
    new, new_themes = blobs([100, 100, 100], seed=1)
    assert theme_accuracy(classifier(new), new_themes).accuracy > 0.93
    assert torch.equal(classifier.weights, fit_classifier(features, themes, decay=1e-3).weights)
    noise = torch.randn(300, 8, generator=seeded(2))
    assert theme_accuracy(classifier(noise), new_themes).accuracy == pytest.approx(1 / 3, abs=0.1)


def test_a_rare_theme_is_not_drowned():
    features, themes = blobs([800, 40], spread=1.5)
    new, new_themes = blobs([400, 400], seed=1, spread=1.5)
    common, rare = theme_accuracy(fit_classifier(features, themes)(new), new_themes).per_theme
    assert rare > 0.6
    assert abs(common - rare) < 0.2


def test_pictures_without_themes_teach_nothing_and_several_themes_are_shared():
    features, themes = blobs([50, 50])
    odd = torch.cat((features, torch.full((30, 8), 9.0)))
    none = torch.cat((themes, torch.zeros(30, 2)))
    expected = fit_classifier(features, themes)
    torch.testing.assert_close(fit_classifier(odd, none).weights, expected.weights)
    both = fit_classifier(features, torch.ones(100, 2))
    assert both.weights.abs().max() < 1e-6


@pytest.mark.parametrize("themes", [torch.ones(10, 1), torch.tensor([[1.0, 0]] * 10), torch.zeros(10, 0)])
def test_one_theme_is_nothing_to_tell_apart(themes):
    with pytest.raises(InputError, match="two themes or more"):
        fit_classifier(torch.rand(10, 4), themes)


def test_the_way_from_chance_to_the_ceiling():
    names = ("a", "b", "c")
    classifier = fit_classifier(*blobs([100] * 3, spread=1.0))
    holdout, holdout_themes = blobs([400] * 3, seed=1, spread=1.0)
    fake, asked = blobs([400] * 3, seed=2, spread=1.0)
    real = {"holdout": holdout, "holdout_themes": holdout_themes}
    good = theme_report(classifier, names, fake=fake, asked=asked, **real)
    assert good.share_of_the_way == pytest.approx(1, abs=0.1)
    deaf = theme_report(classifier, names, fake=fake, asked=asked.roll(400, 0), **real)
    assert deaf.share_of_the_way < 0
    shuffled = asked[torch.randperm(1200, generator=seeded())]
    assert abs(theme_report(classifier, names, fake=fake, asked=shuffled, **real).share_of_the_way) < 0.1
    assert good.to_dict()["per_theme"].keys() == set(names)
    assert (good.samples, good.holdout_pictures) == (1200, 1200)
    blind = torch.randn(1200, 8, generator=seeded(3)) * 1e-3
    with pytest.raises(InputError, match="cannot be told apart"):
        theme_report(
            classifier, names, fake=blind, asked=asked, holdout=-holdout, holdout_themes=holdout_themes
        )


def test_variety_within_themes():
    real, themes = blobs([60, 60, 4])
    fake, asked = blobs([60, 60, 60], seed=1)
    fake[60:120] = fake[60] + 1e-3 * torch.rand(60, 8, generator=seeded())  # one picture, sixty times
    found = theme_variety(("a", "b", "c"), real=real, themes=themes, fake=fake, asked=asked)
    assert found["a"].coverage > 0.8 > 0.4 > found["b"].coverage
    assert found["a"].recall > 0.5 > 0.1 > found["b"].recall
    assert (found["c"].coverage, found["c"].real_pictures, found["c"].samples) == (None, 4, 4)


def palettes(count: int, seed: int = 0) -> torch.Tensor:
    found = torch.rand(count, 3, 4, generator=seeded(seed))
    found[..., 3] /= found[..., 3].sum(1, keepdim=True)
    return found


def test_who_obeys_perfectly_and_who_is_deaf():
    asked, real = palettes(300), palettes(400, seed=1)
    for share in (0.05, None):
        perfect = colour_report(asked, asked, real, seeded(), share)
        deaf = colour_report(asked, palettes(300, seed=2), real, seeded(), share)
        assert perfect.delta_e < 0.02
        assert perfect.share_of_chance < 0.1
        assert perfect.retrieval == pytest.approx(1, abs=0.02)
        assert deaf.share_of_chance == pytest.approx(1, abs=0.05)
        assert deaf.delta_e == pytest.approx(deaf.chance, rel=0.1)
        assert deaf.retrieval == pytest.approx(0.05, abs=0.04)
        assert 0 < perfect.floor < perfect.chance
    assert perfect.delta_e == pytest.approx(0, abs=1e-7)
    assert (perfect.requests, perfect.real_pictures) == (300, 400)
    assert perfect.to_dict()["share_of_chance"] == perfect.share_of_chance


def test_the_floor_and_the_distance_by_hand():
    asked, real = palettes(40), palettes(30, seed=1)
    found = colour_report(asked, asked.roll(1, 0), real, seeded(), None)
    expected = palette_difference(asked.double(), asked.roll(1, 0).double())
    assert found.delta_e == pytest.approx(float(expected.mean()))
    pairs = torch.stack([palette_difference(a.expand(30, -1, -1), real).amin() for a in asked])
    assert found.floor == pytest.approx(float(pairs.mean()), rel=1e-5)


def test_requests_for_nothing_are_left_out():
    asked = palettes(60)
    asked[30:] = 0
    assert colour_report(asked, palettes(60), palettes(5), seeded()).requests == 30
    with pytest.raises(InputError, match="too few"):
        colour_report(asked[15:], palettes(45), palettes(5), seeded())
    with pytest.raises(InputError, match="must be"):
        colour_report(asked[..., :3], palettes(60), palettes(5), seeded())
