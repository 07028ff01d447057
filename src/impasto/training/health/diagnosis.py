"""Is this run well? Pure functions from running statistics to verdicts, with evidence and advice in words.

A verdict is "trouble" when training on as it is makes no sense, else a "notice", which asks for nothing but
to be read. What is measured against a fixed bound is so only after a grace period: an untrained generator
makes one grey picture sixteen times, which is what a collapse looks like. The bounds were set between what
healthy and broken runs of all presets showed (tests/training/health/test_runs.py holds them there).
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from impasto.metrics.novelty import is_redrawn
from impasto.training import ranking
from impasto.training.health.report import LITTLE_COVERAGE
from impasto.training.health.signs import Signs
from impasto.training.health.statistics import GRACE_IMAGES, RunningStats

Kind = Literal[
    "collapse",
    "shape",
    "colour",
    "theme",
    "worse",
    "coverage",
    "divergence",
    "overfitting",
    "redrawing",
    "vanishing",
    "oscillation",
    "useless",
]
Severity = Literal["notice", "trouble"]

# Divergence. A logit of 17 is certainty to float32, and healthy runs stay below 50; a mean of 300 is a
# network that runs away. Healthy generators spread at most twice as far as real pictures, in [-1, 1].
WILD_LOGIT = WILD_LOSS = 300.0
WILD_SPREAD = 10.0
# Norms against their running level: healthy weights change by a few per cent between two looks, gradients of
# single batches by up to a factor of ten or so, and once by a hundred.
WILD_WEIGHTS, WILD_GRADIENT = 3.0, 10_000.0

# Collapse. Real pictures score 1; healthy runs are above 0.4 in features and 0.3 in pixels after the grace.
LITTLE_DIVERSITY, LITTLE_SPREAD = 0.15, 0.05
MANY_TWINS = 0.5  # healthy runs have none; half the samples with a double is a few pictures, repeated
# What was there and is lost: a fall to a fifth is far outside the scatter of either figure.
LOST_SHARE = 0.2
# A covered share rests on as few as 16 pictures: the fall must be this many standard errors as well.
SURE_ERRORS = 3.0

# Collapse of shapes, colours or themes alone: effective numbers, real pictures' being 1 (metrics/variety.py).
# Of 128 pictures of emoji, facades, layouts and paintings: one shape in any colours .01 to .06, all in one
# hue 0 to .01. Held-out pictures, means of two, and pictures reduced to 8 x 8 pixels: .6 to 1; reduced to
# 4 x 4, .2 to .4. So below .1 twice in a row, or a third of what it was, and little.
NARROW = 0.1
NARROWED_SHARE, NARROWED = 0.35, 0.4
# A beginning is below .1, too: of 96 drawings healthy textbooks made grey ones, or blobs that all look like
# one theme, for 6,000 to 30,000 images, and then got there. So what never was there is a notice, and trouble
# only when nothing has got better for this many evaluations and for this share of the run.
STUCK, STUCK_SHARE = 6, 0.5
# A generator of seven pictures, each made again and again, had shapes .06 to .07 and a mean distance of two
# samples .89 to .97 times that of two real pictures. In a beginning samples are all alike: .33 to .46.
REPEATED = 0.8

# Overfitting (r_v, Karras et al. 2020). Their target is 0.6, above which they augment more; 96 drawings gave
# 0.15, 20 gave 1.2. Trouble only when nothing has got better for a while: a D that knows its pictures by
# heart may still teach.
MILD_OVERFIT, STRONG_OVERFIT = 0.6, 0.75
STALLED = 3  # evaluations

# Vanishing. How long D must have been certain of everything, and how little is left of G's usual gradient.
CERTAIN_IMAGES = 2_500
LITTLE_GRADIENT = 0.01
SATURATED_LOSS = 1e-4  # D's probabilities are past 0.9999: a cross-entropy has nothing left to say

# Oscillation: over this many evaluations the mean features go to and fro by this many deviations of real
# pictures, and on average turn back (the cosine of two moves after each other; -0.5 is what noise gives).
SWINGS = 6
WIDE_SWING, TURNING_BACK = 0.5, -0.3

# An upscaler's error against bicubic's. Ours are below it after 1,500 windows, and 0.75 of it in the end.
LATE_IMAGES = 8_000
LOST_AGAIN = 0.9  # better than this once, and now no better than bicubic


@dataclass(frozen=True)
class Verdict:
    """What is wrong, how one knows, and what to do."""

    kind: Kind
    severity: Severity
    evidence: str
    advice: str


@dataclass(frozen=True)
class Examined:
    """An evaluation, as far as health is concerned."""

    images_seen: int
    distance: float
    signs: Signs
    repairs: int = 0  # how many there had been


def examined(evaluations: Sequence[Mapping[str, Any]]) -> list[Examined]:
    """Those evaluations that count: what was measured because a run ended between two, a longer run lacks."""
    return [
        Examined(e["images_seen"], e["distance"], Signs.of(e["signs"]), e["repairs"])
        for e in evaluations
        if e.get("signs") and not e.get("extra")
    ]


def against_bicubic(evaluations: Sequence[Mapping[str, Any]]) -> list[float]:
    """Of those evaluations that count: the error of enlarged pictures, bicubic's being 1; upscalers alone."""
    return [
        e["against_bicubic"]
        for e in evaluations
        if "against_bicubic" in e and not e.get("extra") and e["images_seen"] >= GRACE_IMAGES
    ]


def diagnose(
    stats: RunningStats,
    evaluations: Sequence[Examined],
    images_seen: int,
    *,
    linear: bool = False,
    ratios: Sequence[float] = (),
) -> list[Verdict]:
    """The verdicts that hold now: at most one of each kind, trouble first.

    After divergence nothing else is said, because the numbers no longer mean anything.

    Args:
        stats: Running statistics of the steps so far.
        evaluations: Evaluations that count, oldest first; see `examined`.
        images_seen: Images that the run has seen.
        linear: Whether G's loss is linear in D's logits. A D that is certain of everything then still
            teaches.
        ratios: What `against_bicubic` gave; empty where the run is not of an upscaler.
    """
    diverged = list(divergence(stats))
    if diverged:
        return diverged[:1]
    late = [e for e in evaluations if e.images_seen >= GRACE_IMAGES]
    found = [
        *collapse(stats, late, images_seen),
        *narrowed(late),
        *worse(late),
        *vanishing(stats, images_seen, linear),
        *redrawing(late),
        *overfitting(late),
        *oscillation(late),
        *useless(ratios, images_seen),
    ]
    ill = any(v.severity == "trouble" for v in found)
    few = [] if ill else list(uncovered(late))
    if ill or few:  # then it is known why there is little variety: one piece of news, not four
        found = [v for v in found if v.severity == "trouble" or v.kind not in ("shape", "colour", "theme")]
    found += few
    found.sort(key=lambda v: v.severity != "trouble")
    return [v for i, v in enumerate(found) if v.kind not in {w.kind for w in found[:i]}]


def divergence(stats: RunningStats) -> Iterator[Verdict]:
    """Numbers that are none, or that run away."""
    advice = (
        "Lower optimizer.generator_lr and optimizer.discriminator_lr, or raise loss.r1_weight and r2_weight."
    )

    def trouble(evidence: str) -> Verdict:
        return Verdict("divergence", "trouble", evidence, advice)

    if not stats.finite:
        yield trouble("The losses or the weights are no longer finite numbers.")
    if abs(stats.logit_gap or 0.0) > WILD_LOGIT or (stats.discriminator_loss or 0.0) > WILD_LOSS:
        yield trouble(
            f"D's logits of real and generated pictures lie {stats.logit_gap or 0:,.0f} apart and its loss "
            f"is {stats.discriminator_loss or 0:,.3g}; below {WILD_LOGIT:g} is usual."
        )
    if (stats.spread or 0.0) > WILD_SPREAD:
        yield trouble(
            f"The generated pictures are {stats.spread:,.0f} times as far apart as the real ones: they have "
            "left the range of colours."
        )
    for name in ("generator", "discriminator"):
        weights, gradient = (
            getattr(stats, f"{name}_weights"),
            getattr(stats, f"{name}_gradient"),
        )
        if weights.rise > WILD_WEIGHTS:
            yield trouble(f"The {name}'s weights have grown to {weights.rise:,.1f} times their usual norm.")
        if gradient.rise > WILD_GRADIENT:
            yield trouble(f"The {name}'s gradient is {gradient.rise:,.0f} times its usual norm.")


def collapse(stats: RunningStats, evaluations: Sequence[Examined], images_seen: int) -> Iterator[Verdict]:
    """Samples that are all alike, or much less varied than they were."""
    advice = (
        "Go back to an earlier model. Raise loss.r1_weight and r2_weight or lower the learning rates; a "
        "larger train.batch_size shows D more of the sameness."
    )

    def trouble(evidence: str) -> Verdict:
        return Verdict("collapse", "trouble", evidence, advice)

    spread = stats.spread
    if spread is not None and images_seen >= GRACE_IMAGES:
        if spread < LITTLE_SPREAD:
            yield trouble(
                f"In pixels the generated pictures vary {spread:.3f} times as much as the real ones."
            )
        elif spread < LOST_SHARE * stats.most_spread:
            yield trouble(
                f"In pixels the variety of the generated pictures fell from {stats.most_spread:.2f} to "
                f"{spread:.2f} of the real ones'."
            )
    if not evaluations:
        return
    now, before = evaluations[-1].signs, evaluations[:-1]
    if now.diversity < LITTLE_DIVERSITY:
        yield trouble(
            f"To the judge the samples vary {now.diversity:.2f} times as much as the real pictures."
        )
    if before and now.diversity < LOST_SHARE * max(e.signs.diversity for e in before):
        most = max(e.signs.diversity for e in before)
        yield trouble(
            f"To the judge the variety of the samples fell from {most:.2f} to {now.diversity:.2f} of the "
            "real pictures'."
        )
    if now.twins > MANY_TWINS:
        yield trouble(f"{now.twins:.0%} of the samples have a twin, all but equal to them.")
    # Two in a row on either side: one evaluation of a small hold-out says little.
    covered = [e.signs.coverage for e in evaluations if e.signs.coverage is not None]
    if len(covered) >= 4:
        most = max(min(pair) for pair in itertools.pairwise(covered[:-2]))
        rest = max(covered[-2:])
        error = math.sqrt(most * (1 - most) / now.holdout)
        if rest < LOST_SHARE * most and most - rest > SURE_ERRORS * error:
            yield trouble(f"The samples covered {most:.2f} of the held-out pictures, and now {rest:.2f}.")


def narrowed(evaluations: Sequence[Examined]) -> Iterator[Verdict]:
    """Samples that are all alike in shape, in colour or in theme, whatever the other two do."""
    if not evaluations:
        return
    signs, now, for_good = [e.signs for e in evaluations], evaluations[-1].signs, stuck(evaluations)
    repeated = min(s.diversity for s in signs[-2:]) >= REPEATED
    yield from _narrowed(
        "shape",
        [s.shape_variety for s in signs],
        for_good or repeated,
        "A few pictures are made again and again: the shapes of the samples, whatever their colours, vary"
        if repeated
        else "The shapes of the samples, whatever their colours, vary",
        "lower learning rates or a higher loss.r1_weight; a larger train.batch_size shows D more of the "
        "sameness.",
    )
    yield from _narrowed(
        "colour",
        [s.colour_variety for s in signs],
        for_good,
        "The colours of the samples, whatever their shapes, vary",
        "less augment.colour, which hides from D what colours real pictures have.",
    )
    yield from _narrowed(
        "theme",
        [s.theme_variety for s in signs],
        for_good,
        f"{now.top_theme_share:.0%} of the samples look like '{now.top_theme}'; their themes vary",
        "data.balance=1, so that D sees every theme as often, or lower learning rates.",
    )


def stuck(evaluations: Sequence[Examined]) -> bool:
    """Whether nothing better is to be expected: no better evaluation for long, or the last ones much worse.

    A repair gets as long to show what it does.
    """
    scores = _scores(evaluations)
    lately, now = evaluations[-len(scores) :], evaluations[-1]
    best = scores.index(min(scores))
    since = sum(e.repairs == now.repairs for e in lately[best + 1 :])
    long = since >= STUCK and lately[best].images_seen <= STUCK_SHARE * now.images_seen
    return long or ranking.worse(scores) is not None


def _narrowed(
    kind: Kind, values: Sequence[float | None], for_good: bool, words: str, cure: str
) -> Iterator[Verdict]:
    """A verdict where little of a variety is left, or much of it was lost; twice in a row on either side.

    Trouble where it was lost, or stays little `for_good`.
    """
    known = [v for v in values if v is not None]
    if len(known) < 2:
        return
    rest = max(known[-2:])
    most = max((min(pair) for pair in itertools.pairwise(known[:-2])), default=0.0)
    lost = most >= NARROW and rest < min(NARROWED, NARROWED_SHARE * most)
    if not lost and rest >= NARROW:
        return
    before = f", and varied {most:.2f} times as much before" if lost else ""
    sure = lost or for_good
    then = "Go on" if sure else "Early in a run, wait for the next evaluations. Later, go on"
    yield Verdict(
        kind,
        "trouble" if sure else "notice",
        f"{words} {max(0.0, known[-1]):.2f} times as much as those of as many real pictures{before}.",
        f"{then} from the best model in a new run, with --from RUN/best and {cure}",
    )


def _scores(evaluations: Sequence[Examined]) -> list[float]:
    return ranking.scores_of([(e.distance, ranking.penalty_of(e.signs.to_dict())) for e in evaluations])


def worse(evaluations: Sequence[Examined]) -> Iterator[Verdict]:
    """Distances that have risen from their best, beyond their noise, for several evaluations."""
    scores = _scores(evaluations)
    found = ranking.worse(scores)
    if found is None:
        return
    best, now = evaluations[len(evaluations) - len(scores) + found.place], evaluations[-1]

    def figures(e: Examined) -> str:
        colours, covered = e.signs.colour_distance, e.signs.coverage
        parts = [f"KID-lite0 {e.distance:.3f}"]
        parts += [] if colours is None else [f"distance of colours {colours:.3f}"]
        parts += [] if covered is None else [f"held-out pictures covered {covered:.2f}"]
        return ", ".join(parts)

    evidence = (
        f"The best was at {best.images_seen:,} images ({figures(best)}); the last {ranking.LATELY} "
        f"evaluations were all worse, now {figures(now)}. Their noise is {found.noise:.3f}."
    )
    advice = (
        "The best model is kept, and is what `impasto generate RUN` uses. Go on from it in a new run: "
        "--from RUN/best, with half of optimizer.generator_lr and optimizer.discriminator_lr, or with more "
        "augmentation (augment.*)."
    )
    much = ranking.worse(scores, ranking.MUCH_WORSE) is not None
    yield Verdict("worse", "trouble" if much else "notice", evidence, advice)


def uncovered(evaluations: Sequence[Examined]) -> Iterator[Verdict]:
    """Samples that come near hardly any of the held-out pictures, twice in a row: a notice."""
    covered = [e.signs.coverage for e in evaluations[-2:]]
    known = [c for c in covered if c is not None]
    if len(known) == 2 and max(known) < LITTLE_COVERAGE:
        evidence = (
            f"The samples come near {known[-1]:.0%} of {evaluations[-1].signs.holdout} held-out pictures."
        )
        advice = (
            "Early in a run, wait for the next evaluations. Later, look at the newest picture under samples/ "
            "and lower the learning rates or take the preset's own settings."
        )
        yield Verdict("coverage", "notice", evidence, advice)


def vanishing(stats: RunningStats, images_seen: int, linear: bool = False) -> Iterator[Verdict]:
    """A discriminator that is certain of everything, or a generator that is told nothing any more."""
    advice = (
        "Raise loss.r1_weight and r2_weight, lower optimizer.discriminator_lr, or set "
        'loss.adversarial = "non-saturating" in place of "minimax".'
    )
    certain = images_seen - stats.certain_since if stats.certain_since is not None else 0
    long = certain >= CERTAIN_IMAGES
    gradient, loss = stats.generator_gradient, stats.discriminator_loss or 0.0
    words = (
        f"For {certain:,} images D has been right on {stats.real_accuracy or 0:.1%} of real and "
        f"{stats.fake_accuracy or 0:.1%} of generated pictures (loss {loss:.2g})"
    )
    faint = gradient.rest < LITTLE_GRADIENT
    saturated = loss < SATURATED_LOSS and not linear
    if long and (saturated or faint):
        rest = f", and the generator's gradient is {gradient.rest:.2%} of its usual norm" if faint else ""
        yield Verdict("vanishing", "trouble", f"{words}{rest}.", advice)
    elif long and not linear:
        yield Verdict("vanishing", "notice", f"{words}: it teaches the generator little.", advice)


def overfitting(evaluations: Sequence[Examined]) -> Iterator[Verdict]:
    """A discriminator that knows its pictures by heart: twice in a row, each time by a standard error."""
    last = [e.signs for e in evaluations[-2:]]
    values = [s.overfitting - s.overfitting_error for s in last if s.overfitting is not None]
    if len(values) < 2 or min(values) < MILD_OVERFIT:
        return
    shown = last[-1].overfitting or 0.0
    evidence = (
        f"On held-out pictures D's logits lie {shown:.0%} of the way from training to generated pictures "
        f"(r_v, of {last[-1].holdout} held out)"
    )
    advice = "Raise augment.colour, augment.translation or augment.cutout; more pictures are better still."
    distances = [e.distance for e in evaluations]
    best, lately = min(distances[:-STALLED], default=math.inf), min(distances[-STALLED:])
    # A repair gets as long to show what it does.
    since_repair = sum(e.repairs == evaluations[-1].repairs for e in evaluations)
    if min(values) > STRONG_OVERFIT and lately >= best and since_repair >= STALLED:
        worse = f", and for {STALLED} evaluations KID-lite0 to them has been no better than {best:.3f}"
        yield Verdict("overfitting", "trouble", f"{evidence}{worse}.", advice)
    else:
        yield Verdict("overfitting", "notice", f"{evidence}.", advice)


def redrawing(evaluations: Sequence[Examined]) -> Iterator[Verdict]:
    """Samples that are training pictures drawn again, by their layouts. Twice in a row: a notice.

    See `novelty.is_redrawn`. It asks for nothing but to be read: no repair helps.
    """
    last = [e.signs for e in evaluations[-2:]]
    if len(last) < 2 or not all(_redrawn(signs) for signs in last):
        return
    signs = last[-1]
    assert signs.sourced is not None
    evidence = (
        f"Of 100 samples {100 * signs.sourced:.0f} are a training picture drawn again; of new pictures "
        f"{100 * signs.sourced_chance:.0f} would look so by chance (AUC {signs.source_auc:.2f}, new .50)."
    )
    advice = (
        "See samples above the training pictures nearest to them: impasto evaluate RUN --against DIR --sheet "
        "FILE. "
        "More pictures help most; data.mirror and augment.* make few last longer; an earlier model may be "
        "newer."
    )
    yield Verdict("redrawing", "notice", evidence, advice)


def _redrawn(signs: Signs) -> bool:
    if signs.source_auc is None or signs.sourced is None:
        return False
    auc = signs.source_auc, signs.source_auc_error
    return is_redrawn(*auc, signs.sourced, signs.sourced_chance, signs.holdout)


def oscillation(evaluations: Sequence[Examined]) -> Iterator[Verdict]:
    """Samples that swing to and fro as a whole and get no better: never more than a notice."""
    last = evaluations[-SWINGS:]
    if len(last) < SWINGS:
        return
    moves = [
        [b - a for a, b in zip(one.signs.place, two.signs.place, strict=True)]
        for one, two in itertools.pairwise(last)
    ]
    lengths = [math.hypot(*move) for move in moves]
    if min(lengths) == 0:
        return
    cosines = [
        sum(a * b for a, b in zip(one, two, strict=True)) / (math.hypot(*one) * math.hypot(*two))
        for one, two in itertools.pairwise(moves)
    ]
    if fmean(lengths) > WIDE_SWING and fmean(cosines) < TURNING_BACK:
        net = math.hypot(*(b - a for a, b in zip(last[0].signs.place, last[-1].signs.place, strict=True)))
        evidence = (
            f"Over {SWINGS} evaluations the samples' mean features moved {fmean(lengths):.2f} deviations of "
            f"the real pictures at a time and arrived {net:.2f} from where they began; KID-lite0 went "
            f"between {min(e.distance for e in last):.3f} and {max(e.distance for e in last):.3f}."
        )
        advice = "Lower the learning rates or raise ema.halflife_images, which averages swings away."
        yield Verdict("oscillation", "notice", evidence, advice)


def useless(ratios: Sequence[float], images_seen: int) -> Iterator[Verdict]:
    """An upscaler that does no better than bicubic, or no longer does. Twice in a row."""
    if len(ratios) < 2 or min(ratios[-2:]) < 1 or images_seen < LATE_IMAGES:
        return
    best = min(ratios)
    evidence = f"On held-out pictures the error is {ratios[-1]:.2f} times bicubic's"
    if best < LOST_AGAIN:
        advice = "Lower optimizer.generator_lr; with a game, lower restoration.adversarial as well."
        yield Verdict("useless", "trouble", f"{evidence}, and was {best:.2f} times it.", advice)
    else:
        advice = (
            "Begin anew --from an upscaler that works, or with a lower optimizer.generator_lr; look at the "
            "newest picture under samples/."
        )
        yield Verdict("useless", "notice", f"{evidence} after {images_seen:,} windows.", advice)
