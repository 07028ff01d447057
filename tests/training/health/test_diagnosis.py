"""Every verdict from synthetic statistics, on both sides of its bound."""

import dataclasses
import json
import math

import pytest
import torch

from impasto.tasks.generation.discriminator import Discriminator
from impasto.tasks.generation.evaluator import (
    Signs,
    opinions,
    other_distance,
    overfitting_of,
    pair_distance,
)
from impasto.training.health import diagnosis
from impasto.training.health.diagnosis import Examined, diagnose, vanishing
from impasto.training.health.statistics import (
    GRACE_IMAGES,
    Level,
    RunningStats,
    StepFigures,
    after_look,
    after_step,
    look_is_due,
)

WELL = Signs(
    diversity=0.7,
    twins=0.0,
    coverage=0.4,
    overfitting=0.1,
    overfitting_error=0.1,
    holdout=64,
    place=(0.0, 0.0),
    colour=(0.5, 0.5, 0.5),
    source_auc=0.52,
    source_auc_error=0.04,
    sourced=0.06,
    sourced_chance=0.05,
    train_pull=0.0,
)
STEADY = RunningStats(
    spread=0.8,
    most_spread=0.9,
    discriminator_loss=0.5,
    real_accuracy=0.8,
    fake_accuracy=0.8,
    logit_gap=1.0,
    generator_weights=Level(10, 10, 10),
    discriminator_weights=Level(10, 10, 10),
    generator_gradient=Level(1, 1, 1),
    discriminator_gradient=Level(1, 1, 1),
)
LATE = 40_000


def evaluations(*changes, distances=None, first=20_000):
    """One evaluation for each dictionary of changes to healthy signs."""
    return [
        Examined(
            first + 2_500 * i,
            distances[i] if distances else 1.0 - 0.01 * i,
            dataclasses.replace(WELL, **change),
        )
        for i, change in enumerate(changes)
    ]


def verdict(running_stats=STEADY, examined=(), seen=LATE):
    """(kind, severity) of the only verdict, or None."""
    found = diagnose(running_stats, examined, seen)
    assert len(found) <= 1
    for v in found:
        assert v.evidence.endswith(".")
        assert any(c.isdigit() for c in v.evidence) or not running_stats.finite
        assert v.advice.endswith(".")
    return (found[0].kind, found[0].severity) if found else None


def running_stats(**changes):
    return dataclasses.replace(STEADY, **changes)


def test_a_healthy_run_gets_no_verdict():
    assert verdict(STEADY, evaluations(*[{}] * 12)) is None
    assert verdict(RunningStats(), [], 0) is None


@pytest.mark.parametrize(
    ("ill", "well"),
    [
        ({"finite": False}, {"finite": True}),
        ({"logit_gap": 301.0}, {"logit_gap": 299.0}),
        ({"logit_gap": -301.0}, {"logit_gap": -299.0}),
        ({"discriminator_loss": 301.0}, {"discriminator_loss": 299.0}),
        ({"spread": 10.1}, {"spread": 9.9}),
        ({"generator_weights": Level(31, 20, 10)}, {"generator_weights": Level(29, 20, 10)}),
        ({"discriminator_weights": Level(31, 20, 10)}, {"discriminator_weights": Level(29, 20, 10)}),
        ({"generator_gradient": Level(10_001, 9, 1)}, {"generator_gradient": Level(9_999, 9, 1)}),
        ({"discriminator_gradient": Level(10_001, 9, 1)}, {"discriminator_gradient": Level(9_999, 9, 1)}),
    ],
)
def test_divergence(ill, well):
    assert verdict(running_stats(**ill)) == ("divergence", "trouble")
    assert verdict(running_stats(**ill), seen=100) == (
        "divergence",
        "trouble",
    )  # no grace: nothing begins like this
    assert verdict(running_stats(**well)) is None


def test_divergence_silences_everything_else():
    dead = evaluations({}, {"diversity": 0.0, "twins": 1.0})
    assert [v.kind for v in diagnose(running_stats(finite=False, spread=0.0), dead, LATE)] == ["divergence"]


@pytest.mark.parametrize(
    ("ill", "well"),
    [
        ({"spread": 0.049, "most_spread": 0.1}, {"spread": 0.051, "most_spread": 0.1}),
        ({"spread": 0.17, "most_spread": 0.9}, {"spread": 0.19, "most_spread": 0.9}),
    ],
)
def test_collapse_in_pixels(ill, well):
    assert verdict(running_stats(**ill)) == ("collapse", "trouble")
    assert verdict(running_stats(**ill), seen=GRACE_IMAGES) == ("collapse", "trouble")
    assert verdict(running_stats(**ill), seen=GRACE_IMAGES - 1) is None
    assert verdict(running_stats(**well)) is None


@pytest.mark.parametrize(
    ("ill", "well"),
    [
        ([{"diversity": 0.149}], [{"diversity": 0.151}]),
        ([{"diversity": 0.9}, {"diversity": 0.179}], [{"diversity": 0.9}, {"diversity": 0.181}]),
        ([{"twins": 0.51}], [{"twins": 0.49}]),
        (
            [{"coverage": c} for c in (0.61, 0.61, 0.12, 0.08)],
            [{"coverage": c} for c in (0.61, 0.61, 0.13, 0.08)],
        ),
    ],
)
def test_collapse_to_the_judge(ill, well):
    assert verdict(STEADY, evaluations(*ill)) == ("collapse", "trouble")
    assert verdict(STEADY, evaluations(*well)) is None
    assert verdict(STEADY, evaluations(*ill, first=-20_000), 3_000) is None  # the grace period


def test_a_fall_in_coverage_must_be_more_than_chance():
    fall = [{"coverage": c, "holdout": 64} for c in (0.2, 0.2, 0.03, 0.03)]
    assert verdict(STEADY, evaluations(*fall)) == ("collapse", "trouble")
    few = [{**change, "holdout": 16} for change in fall]
    assert verdict(STEADY, evaluations(*few)) == ("coverage", "notice")
    assert verdict(STEADY, evaluations(*fall[1:])) == ("coverage", "notice")  # one high value is luck
    assert verdict(STEADY, evaluations(*[{**c, "coverage": None} for c in fall])) is None


def test_the_evidence_has_the_numbers():
    (found,) = diagnose(STEADY, evaluations(*[{"coverage": c} for c in (0.61, 0.63, 0.08, 0.05)]), LATE)
    assert "covered 0.61 of the held-out pictures, and now 0.08" in found.evidence
    assert "loss.r1_weight" in found.advice


def certain(images, **changes):
    return running_stats(
        certain_since=LATE - images,
        discriminator_loss=5e-3,
        real_accuracy=1.0,
        fake_accuracy=1.0,
        **changes,
    )


def test_vanishing():
    assert verdict(certain(2_500)) == ("vanishing", "notice")
    assert verdict(certain(2_499)) is None
    faint, fair = Level(0.009, 0.0099, 1), Level(0.009, 0.0101, 1)
    assert verdict(certain(2_500, generator_gradient=faint)) == ("vanishing", "trouble")
    assert verdict(certain(2_500, generator_gradient=fair)) == ("vanishing", "notice")
    assert (
        verdict(running_stats(generator_gradient=faint)) is None
    )  # a small gradient alone may be an equilibrium
    saturated = dataclasses.replace(certain(2_500), discriminator_loss=9e-5)
    assert verdict(saturated) == ("vanishing", "trouble")
    # In a hinge or Wasserstein game G learns from a D that is certain, unless its gradient really fades.
    assert list(vanishing(certain(2_500), LATE, linear=True)) == []
    assert list(vanishing(saturated, LATE, linear=True)) == []
    (found,) = vanishing(certain(2_500, generator_gradient=faint), LATE, linear=True)
    assert found.severity == "trouble"


def overfitted(*values, error=0.1):
    return [{"overfitting": v, "overfitting_error": error} for v in values]


def test_overfitting():
    assert verdict(STEADY, evaluations(*overfitted(0.71, 0.71))) == ("overfitting", "notice")
    assert verdict(STEADY, evaluations(*overfitted(0.71, 0.69))) is None  # both must be sure
    assert verdict(STEADY, evaluations(*overfitted(0.71, None))) is None
    # Trouble only when the distance has stalled too.
    strong = overfitted(*[0.86] * 6)
    stalled, improving = [1, 0.8, 0.7, 0.7, 0.8, 0.9], [1, 0.8, 0.7, 0.7, 0.8, 0.69]
    assert verdict(STEADY, evaluations(*strong, distances=stalled)) == ("overfitting", "trouble")
    assert verdict(STEADY, evaluations(*strong, distances=improving)) == ("overfitting", "notice")
    # A repair gets as many evaluations to show what it does.
    early, late = (
        [
            dataclasses.replace(e, repairs=int(i >= since))
            for i, e in enumerate(evaluations(*strong, distances=stalled))
        ]
        for since in (4, 3)
    )
    assert verdict(STEADY, early) == ("overfitting", "notice")
    assert verdict(STEADY, late) == ("overfitting", "trouble")
    mild = overfitted(*[0.84] * 6)
    assert verdict(STEADY, evaluations(*mild, distances=stalled)) == ("overfitting", "notice")


def test_redrawing():
    def drawn(*found, **more):
        return evaluations(*[{"source_auc": auc, "sourced": share, **more} for auc, share in found])

    assert verdict(STEADY, drawn((0.9, 0.5), (0.63, 0.09), sourced_chance=0.01)) is None, (
        "a share that is little"
    )
    assert verdict(STEADY, drawn((0.9, 0.5), (0.63, 0.16))) == ("redrawing", "notice")
    assert verdict(STEADY, drawn((0.9, 0.5), (0.61, 0.5))) is None
    assert verdict(STEADY, drawn((0.5, 0.05), (0.9, 0.5))) is None, "once is no verdict"
    assert verdict(STEADY, drawn((0.7, 0.5), (0.7, 0.5), source_auc_error=0.07)) is None
    assert verdict(STEADY, drawn((0.9, 0.2), (0.9, 0.2), sourced_chance=0.06, holdout=16)) is None
    assert verdict(STEADY, drawn((None, None), (0.9, 0.5))) is None, "not measured by version 0.1"
    (found,) = diagnose(STEADY, drawn((0.9, 0.5), (0.9, 0.5)), LATE)
    assert "Of 100 samples 50 are a training picture drawn again" in found.evidence


def test_signs_of_version_0_1_are_read():
    old = {**dataclasses.asdict(WELL), "memorised": 0.02, "memorised_chance": 0.06}
    old = {name: value for name, value in old.items() if "sourc" not in name and name != "train_pull"}
    signs = Signs.of(json.loads(json.dumps(old)))
    assert (signs.diversity, signs.source_auc, signs.train_pull) == (0.7, None, None)


def swinging(width, count=6, drift=0.0):
    return evaluations(*[{"place": ((-1) ** i * width / 2 + i * drift, 0.1 * i)} for i in range(count)])


def test_oscillation_is_a_notice():
    assert verdict(STEADY, swinging(0.52)) == ("oscillation", "notice")
    assert verdict(STEADY, swinging(0.47)) is None
    assert verdict(STEADY, swinging(0.52, count=5)) is None
    assert verdict(STEADY, swinging(0.2, drift=0.6)) is None  # far, but straight on
    assert verdict(STEADY, evaluations(*[{}] * 6)) is None  # nothing moves


def test_trouble_comes_first_and_each_kind_once():
    examined = evaluations(*overfitted(0.9, 0.9), {"twins": 0.9, "diversity": 0.1, **overfitted(0.9)[0]})
    found = diagnose(running_stats(spread=0.01), examined, LATE)
    assert [(v.kind, v.severity) for v in found] == [("collapse", "trouble"), ("overfitting", "notice")]


def test_evaluations_at_the_end_of_a_run_do_not_count():
    plain = {"images_seen": 20_000, "distance": 1.0, "signs": WELL.to_dict(), "repairs": 2}
    stored = json.loads(json.dumps([plain, {**plain, "images_seen": 21_000, "extra": True}]))
    (found,) = diagnosis.examined(stored)
    assert found == Examined(20_000, 1.0, WELL, 2)
    assert diagnosis.examined([{"images_seen": 1, "distance": 2.0}]) == []  # of an older version


# --- collapse in one respect alone, and getting worse

# The run that was called healthy to its end: one shape in many colours, an evaluation every 5,000 images.
ROW_40 = {
    "coverage": (0.54, 0.46, 0.38, 0.28, 0.18, 0.10, 0.06),
    "distance": (0.90, 1.20, 1.60, 2.10, 2.70, 3.30, 3.90),
}


def row_40(count, **more):
    """Its first evaluations, with the signs of version 0.1, or `more`."""
    return evaluations(
        *[{"coverage": c, "diversity": 0.74, "holdout": 136, **more} for c in ROW_40["coverage"][:count]],
        distances=ROW_40["distance"],
        first=5_000,
    )


def test_the_run_of_one_shape_in_many_colours_is_told_that_it_gets_worse():
    assert [verdict(STEADY, row_40(n)) for n in range(1, 8)] == [
        None,
        None,
        None,
        None,
        ("worse", "notice"),
        ("worse", "trouble"),
        ("worse", "trouble"),
    ]
    (found,) = diagnose(STEADY, row_40(7), LATE)
    assert "5,000 images (KID-lite0 0.900, held-out pictures covered 0.54)" in found.evidence
    assert "now KID-lite0 3.900, held-out pictures covered 0.06" in found.evidence
    for what in ("--from RUN/best", "optimizer.generator_lr", "augment.*"):
        assert what in found.advice


def test_a_few_pictures_made_again_and_again_are_trouble_though_the_run_gets_better():
    """A run of `default` without its energy distances: seven pictures in 48 samples (row 40's kind)."""
    varied = [(0.915, 0.133), (0.891, 0.065), (0.91, 0.061), (0.9, 0.062), (0.971, 0.069)]
    distances = [1.278, 0.737, 0.516, 0.481, 0.527]
    course = evaluations(
        *[{"diversity": d, "shape_variety": v} for d, v in varied], distances=distances, first=5_000
    )
    told = [[(v.kind, v.severity) for v in diagnose(STEADY, course[:n], LATE)] for n in (2, 3, 5)]
    assert told == [[], [("shape", "trouble")], [("shape", "trouble")]]
    (found,) = diagnose(STEADY, course, LATE)
    assert found.evidence.startswith("A few pictures are made again and again")
    # A beginning, in which all samples are alike.
    alike = evaluations(*[{"diversity": d, "shape_variety": 0.06} for d in (0.33, 0.46, 0.4)], first=5_000)
    assert [v.severity for v in diagnose(STEADY, alike, LATE) if v.kind == "shape"] == ["notice"]


def test_and_in_its_shapes_it_is_seen_at_once():
    def told(count):
        found = diagnose(STEADY, row_40(count, shape_variety=0.04, colour_variety=1.2), LATE)
        return [(v.kind, v.severity) for v in found]

    assert told(2) == [("shape", "notice")]
    # Trouble as soon as the run gets worse, which alone would be a notice.
    assert told(5) == [("shape", "trouble"), ("worse", "notice")]


ONE_RESPECT = pytest.mark.parametrize(
    ("kind", "name"),
    [("shape", "shape_variety"), ("colour", "colour_variety"), ("theme", "theme_variety")],
)


@ONE_RESPECT
def test_collapse_in_one_respect(kind, name):
    def seen(*values):
        changes = [{name: v, "top_theme": "flags", "top_theme_share": 0.99} for v in values]
        return verdict(STEADY, evaluations(*changes))

    assert seen(0.09, 0.09) == (kind, "notice")  # it may not have learnt it yet
    assert seen(*[0.09] * 20) == (kind, "notice")  # and gets better all the time
    assert seen(0.09, 0.11) is None  # both must be
    assert seen(0.09) is None
    assert seen(None, None) is None  # real pictures have none of it
    # Much less than it was, and little.
    assert seen(0.8, 0.8, 0.27, 0.27) == (kind, "trouble")
    assert seen(0.8, 0.8, 0.29, 0.29) is None
    assert seen(0.3, 0.8, 0.27, 0.27) is None  # one high value is luck
    assert seen(1.6, 1.6, 0.41, 0.41) is None  # more than real pictures, and now still much
    assert seen(0.11, 0.11, 0.03, 0.03) == (kind, "trouble")
    assert seen(0.09, 0.09, 0.01, 0.01) == (kind, "notice")  # there was nothing to lose yet
    early = evaluations({name: 0.0}, {name: 0.0}, first=-3_000)
    assert verdict(STEADY, early, 3_000) is None  # the grace period


@ONE_RESPECT
def test_little_variety_is_trouble_where_nothing_gets_better(kind, name):
    def seen(count, first=5_000, **more):
        """Evaluations after the best one, the first."""
        alike = [{name: 0.05, "top_theme": "flags", "top_theme_share": 0.99, **more}] * (count + 1)
        return evaluations(*alike, distances=[0.7] + [0.75] * count, first=first)

    assert verdict(STEADY, seen(5)) == (kind, "notice")
    assert verdict(STEADY, seen(6)) == (kind, "trouble")
    # A best that is late in the run may not be the last one.
    assert verdict(STEADY, seen(7, first=20_000)) == (kind, "notice")
    assert verdict(STEADY, seen(8, first=20_000)) == (kind, "trouble")
    # A repair gets as many evaluations to show what it does.
    mended = [dataclasses.replace(e, repairs=int(i > 3)) for i, e in enumerate(seen(9))]
    assert [verdict(STEADY, mended[:n]) for n in (9, 10)] == [(kind, "notice"), (kind, "trouble")]
    found = diagnose(STEADY, seen(5), LATE) + diagnose(STEADY, seen(6), LATE)
    assert [v.advice.startswith("Early in a run, wait") for v in found] == [True, False]


@ONE_RESPECT
def test_little_variety_is_not_told_where_it_is_known_why(kind, name):
    little = {name: 0.05, "top_theme": "flags", "top_theme_share": 0.99}
    assert verdict(STEADY, evaluations(little, little)) == (kind, "notice")
    far = {**little, "coverage": 0.0}
    assert verdict(STEADY, evaluations(far, far)) == ("coverage", "notice")
    alike = {**little, "twins": 0.9}
    assert verdict(STEADY, evaluations(alike, alike)) == ("collapse", "trouble")
    worst = {**far, "twins": 0.0}
    stuck = evaluations(*[worst] * 7, distances=[0.7] + [0.75] * 6, first=5_000)
    assert verdict(STEADY, stuck) == (kind, "trouble")  # trouble is told whatever else there is


# A minimax game of `dcgan` on 96 drawings, from 4,000 images on, every 2,000: for long grey, and all like
# squares; well in the end.
SLOW_TEXTBOOK = """
distance        1.96 2.31 1.45 1.59 1.41 1.18 1.28 1.37 .82 .9 .95 .81 .92 .8 .86 .82 .84 .89 .92
colour_distance .61 .54 .46 .39 .32 .24 .2 .18 .26 .14 .14 .12 .14 .11 .14 .1 .08 .09 .08
coverage        0 0 .06 0 .06 .06 .06 .06 .12 .06 .19 .31 .19 .31 .19 .19 .38 .38 .38
shape_variety   .2 .2 .23 .17 .22 .28 .28 .26 .09 .24 .33 .22 .19 .18 .25 .53 .36 .28 .28
colour_variety  .007 .007 .007 .006 .007 .008 .011 .014 .014 .035 .066 .056 .061 .098 .207 .145 .142 .118 .14
theme_variety   0 0 0 0 0 0 0 0 0 0 0 0 .62 .98 .77 .98 .74 .39 .34
"""


def test_a_textbook_that_takes_long_is_never_in_trouble():
    lines = [line.split() for line in SLOW_TEXTBOOK.strip().splitlines()]
    names, columns = [name for name, *_ in lines], zip(*(map(float, c) for _, *c in lines), strict=True)
    course = []
    for i, (distance, *signs) in enumerate(columns):
        found = dataclasses.replace(WELL, **dict(zip(names[1:], signs, strict=True)))
        course.append(Examined(4_000 + 2_000 * i, distance, found))
    told = [diagnose(STEADY, course[:n], course[n - 1].images_seen) for n in range(2, len(course) + 1)]
    assert {v.severity for found in told for v in found} == {"notice"}
    assert told[-1] == []


def test_the_share_of_the_theme_is_in_the_evidence():
    ill = {"theme_variety": 0.01, "top_theme": "flags", "top_theme_share": 0.98}
    (found,) = diagnose(STEADY, evaluations(ill, ill), LATE)
    assert found.evidence.startswith("98% of the samples look like 'flags'; their themes vary 0.01 times")


def test_colours_that_drift_away_are_getting_worse():
    """KID-lite0 falls all the time: the judge hardly sees colours."""
    colours = [0.05, 0.4, 0.6, 0.8, 1.0]
    distances = [0.5, 0.49, 0.48, 0.47, 0.46]
    examined = evaluations(*[{"colour_distance": c} for c in colours], distances=distances)
    assert verdict(STEADY, examined) == ("worse", "notice")
    (found,) = diagnose(STEADY, examined, LATE)
    assert "distance of colours 0.050" in found.evidence
    assert "distance of colours 1.000" in found.evidence
    # Evaluations of an older version do not count beside them.
    older = [
        dataclasses.replace(e, signs=dataclasses.replace(e.signs, colour_distance=None)) for e in examined
    ]
    assert verdict(STEADY, [*older[:1], *examined[1:]]) is None


def test_few_pictures_covered_is_a_notice():
    assert verdict(STEADY, evaluations({"coverage": 0.09}, {"coverage": 0.06})) == ("coverage", "notice")
    assert verdict(STEADY, evaluations({"coverage": 0.11}, {"coverage": 0.06})) is None
    assert verdict(STEADY, evaluations({"coverage": 0.06})) is None
    assert verdict(STEADY, evaluations({"coverage": None}, {"coverage": 0.06})) is None


def test_signs_of_an_older_version_load():
    new = (
        "shape_variety",
        "colour_variety",
        "theme_variety",
        "top_theme",
        "top_theme_share",
        "colour_distance",
    )
    stored = {k: v for k, v in WELL.to_dict().items() if k not in new}
    assert Signs.of(json.loads(json.dumps(stored))) == WELL
    full = dataclasses.replace(WELL, shape_variety=0.9, top_theme="flags", colour_distance=0.1)
    assert Signs.of(json.loads(json.dumps(full.to_dict()))) == full


def test_every_kind_of_verdict_has_a_name_and_a_repair():
    from typing import get_args

    from impasto.training.health import repairs
    from impasto.training.health.report import NAMES

    assert set(get_args(diagnosis.Kind)) == NAMES.keys() - {"memorisation"} == repairs.CURE.keys()


# --- the running statistics


PULSE = StepFigures(
    discriminator_loss=0.5,
    generator_loss=1.0,
    real_accuracy=1.0,
    fake_accuracy=1.0,
    real_logit=2.0,
    fake_logit=-1.0,
    spread=0.5,
)

NEW = RunningStats()


def steps(pulse, count, start=NEW, seen=0):
    for _ in range(count):
        seen += 50
        start = after_step(start, pulse, 50, seen)
    return start


def test_running_means_have_their_half_life():
    begun = after_step(RunningStats(), PULSE, 50, 50)
    assert (begun.spread, begun.logit_gap) == (0.5, 3.0)
    later = steps(dataclasses.replace(PULSE, spread=0.0), 10, begun, 50)
    assert later.spread == pytest.approx(0.25)
    assert later.most_spread == 0.0  # within the grace period variety may be noise
    assert after_step(begun, PULSE, 50, GRACE_IMAGES).most_spread == 0.5


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(StepFigures)])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_one_number_that_is_none_is_enough(name, value):
    assert after_step(STEADY, PULSE, 50, 50).finite
    assert not after_step(STEADY, dataclasses.replace(PULSE, **{name: value}), 50, 50).finite


def test_certain_since():
    sure = dataclasses.replace(PULSE, discriminator_loss=0.009)
    after = steps(sure, 20)
    assert after.certain_since == 50
    assert steps(PULSE, 20).certain_since is None  # right every time, but not certain
    unsure = dataclasses.replace(sure, fake_accuracy=0.5)
    assert steps(unsure, 3, after, 1_000).certain_since is None


def test_a_level_shows_a_jump_and_a_long_fall():
    level = Level()
    for _ in range(30):
        level = level.seen(2.0)
    assert (level.rise, level.rest) == pytest.approx((1.0, 1.0))
    assert level.seen(2e5).rise == pytest.approx(1e5)
    for _ in range(6):
        level = level.seen(2e-5)
    assert 1e-5 < level.rest < 1e-2
    assert level.seen(0.0).rest > 0  # the logarithm of nothing
    assert math.isnan(level.seen(math.nan).now)
    assert Level().rise == Level().rest == 1.0


def test_a_look_reads_both_networks():
    G, D = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)
    D(G(torch.ones(2, 3))).sum().backward()
    seen = after_look(RunningStats(), G, D)
    weights = torch.cat([p.detach().flatten() for p in G.parameters()])
    assert seen.generator_weights.now == pytest.approx(float(weights.norm()))
    assert seen.discriminator_gradient.now > 0
    with torch.no_grad():
        G.bias[1] = torch.inf
    assert not after_look(seen, G, D).finite
    assert after_look(seen, D, D).finite


def test_looks_come_at_the_first_step_and_every_500_images():
    assert [n for n in range(0, 2_000, 16) if look_is_due(n, n + 16)] == [0, 496, 992, 1488, 1984]


def test_vitals_survive_json():
    stored = json.loads(json.dumps(dataclasses.asdict(STEADY)))
    assert RunningStats.of(stored) == STEADY


# --- upscalers


@pytest.mark.parametrize(
    ("ratios", "images", "severity"),
    [
        ([], LATE, None),
        ([1.2], LATE, None),  # once is no verdict
        ([1.2, 1.1], 7_000, None),  # nor is it early
        ([1.2, 1.1], LATE, "notice"),
        ([0.95, 1.0, 1.1], LATE, "notice"),
        ([0.8, 1.0, 1.1], LATE, "trouble"),  # it was better, and is no more
        ([0.8, 1.1, 0.9], LATE, None),
        ([1.2, 0.99], LATE, None),
    ],
)
def test_an_upscaler_no_better_than_bicubic(ratios, images, severity):
    verdicts = diagnose(STEADY, [], images, ratios=ratios)
    assert [v.severity for v in verdicts] == ([severity] if severity else [])
    if severity:
        assert verdicts[0].kind == "useless"
        assert f"{ratios[-1]:.2f} times bicubic's" in verdicts[0].evidence


def test_evaluations_of_upscalers():
    records = [
        {"images_seen": 100, "against_bicubic": 3.0},  # too early
        {"images_seen": 9_000, "against_bicubic": 1.5},
        {"images_seen": 9_500, "against_bicubic": 1.4, "extra": True},
        {"images_seen": 9_900, "distance": 1.0},  # a generator's
    ]
    assert diagnosis.against_bicubic(records) == [1.5]


# --- the signs of an evaluation


def test_pair_distance_is_that_of_pairs():
    x = torch.randn(50, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    squared = torch.pdist(x).square().mean()
    assert pair_distance(x) == pytest.approx(float(squared.sqrt()))
    assert pair_distance(x[:1].expand(50, -1)) == 0


def test_twins_are_found():
    x = torch.randn(40, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[3] = x[7]
    near = other_distance(x)
    assert near[3] < 1e-6
    assert near[7] < 1e-6
    assert (near < 1e-6).sum() == 2


def test_overfitting_by_hand():
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(64, generator=rng, dtype=torch.float64)
    train, fake = 2 + 0.1 * noise, -2 + 0.1 * noise
    assert overfitting_of(train, train, fake)[0] == 0
    assert overfitting_of(train, fake, fake)[0] == pytest.approx(1)
    value, error = overfitting_of(train, 0.1 * noise[:16], fake)
    assert value == pytest.approx(0.5, abs=0.05)
    assert error == pytest.approx(
        (float((0.1 * noise).var()) / 64 + float((0.1 * noise[:16]).var()) / 16) ** 0.5 / 4
    )
    assert overfitting_of(noise, noise, noise)[0] is None  # D tells nothing apart


@pytest.mark.parametrize("heads", [0, 5])
def test_opinions_of_one_head_or_several(heads):
    class Brightness(Discriminator):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, images):
            logits = self.weight * images.mean((1, 2, 3))
            return logits[:, None] * torch.arange(heads) if heads else logits

    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 4, 4, 3).numpy()
    discriminator = Brightness().train()
    expected = [-2.0, 2.0] if heads else [-1.0, 1.0]
    assert opinions(discriminator, pixels).tolist() == pytest.approx(expected)
    assert discriminator.training
