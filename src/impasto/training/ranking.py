"""Which evaluation of a run is the best, and whether a run gets worse: pure functions of its evaluations.

A generator's score is its KID-lite0 to the hold-out plus a penalty: its distance of colours, as the judge is
nearly colour-blind, and how clearly its samples are training pictures drawn again. The less, the better.
Evaluations of version 0.1 and of upscalers have no penalty; where one of two lacks it, both are compared by
their distance alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

# The AUC of sources (metrics/novelty.py) counts beyond two errors above .5, so that chance does not decide.
# With this weight pictures that are all drawn again lose to new ones whose KID-lite0 is higher by one.
SURE_ERRORS, REDRAWING = 2.0, 2.0
LATELY = 3  # evaluations in a row that must all be worse: one or two may be chance
# Times the best: a notice, and trouble. A run of one shape in many colours ended at four times its best.
WORSE, MUCH_WORSE = 1.33, 2.0
# Deviations of the noise between evaluations, more while it is known from few. Of 60 made-up runs that had
# arrived and scattered by 10 %, none was called worse in 40 evaluations; by 15 to 30 %, three; and much worse
# none by up to 20 %.
SURE_DEVIATIONS, FEW = 4.0, 2.0
# A best that is new has few evaluations behind it to take the noise from; the first of a run fall steeply.
RECENT, STEEP = 12, 3
# KID-lite0 of a few hundred pictures is good to about this much, whatever the evaluations say.
LEAST_NOISE = 0.02


@dataclass(frozen=True)
class Worse:
    """A run that lies above its best. `place` is the best evaluation's among those that were given."""

    place: int
    best: float
    least: float  # of the last `LATELY`
    noise: float


def penalty_of(signs: Mapping[str, Any]) -> float | None:
    """What an evaluation's signs add to its distance; None where they were not measured."""
    colours: float | None = signs.get("colour_distance")
    if colours is None:
        return None
    auc, error = signs.get("source_auc"), signs.get("source_auc_error", 0.0)
    redrawn = 0.0 if auc is None else max(0.0, auc - 0.5 - SURE_ERRORS * error)
    return colours + REDRAWING * redrawn


def scored(evaluation: Mapping[str, Any]) -> tuple[float, float | None]:
    """The distance and the penalty of an evaluation's record."""
    return evaluation["distance"], penalty_of(evaluation.get("signs") or {})


def better(one: Mapping[str, Any], other: Mapping[str, Any] | None) -> bool:
    """Whether an evaluation's record is better than another; anything is better than None."""
    if other is None:
        return True
    (mine, more), (yours, added) = scored(one), scored(other)
    if more is None or added is None:
        return bool(mine < yours)
    return bool(mine + more < yours + added)


def best_of(evaluations: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The best of them, the earliest of several; None of none."""
    best: Mapping[str, Any] | None = None
    for evaluation in evaluations:
        if better(evaluation, best):
            best = evaluation
    return best


def scores_of(measured: Sequence[tuple[float, float | None]]) -> list[float]:
    """Scores from (distance, penalty), oldest first.

    Of the newest evaluations alone, as far back as they were measured as the last one is.
    """
    scores: list[float] = []
    for distance, penalty in reversed(measured):
        if (penalty is None) != (measured[-1][1] is None):
            break
        scores.append(distance + (penalty or 0.0))
    return scores[::-1]


def noise_of(scores: Sequence[float]) -> float:
    """The deviation of a score from the course of its neighbours.

    From second differences, `a - 2 b + c`, which no straight rise or fall has; their deviation is the root of
    six times as large.
    """
    bends = [a - 2 * b + c for a, b, c in zip(scores, scores[1:], scores[2:], strict=False)]
    return max(LEAST_NOISE, (fmean(b * b for b in bends) / 6) ** 0.5 if bends else 0.0)


def worse(scores: Sequence[float], factor: float = WORSE) -> Worse | None:
    """How the last evaluations lie above the best before them, beyond their noise; None where they do not."""
    before, lately = list(scores[:-LATELY]), scores[-LATELY:]
    if not before:
        return None
    best, least = min(before), min(lately)
    place = before.index(best)
    noise, bound = _noise_and_bound(scores, place, factor)
    return Worse(place, best, least, noise) if least > bound else None


def near_its_best(scores: Sequence[float]) -> bool:
    """Whether the last evaluation is within the noise of the best: only then is it worth going back to."""
    if not scores:
        return True
    _, bound = _noise_and_bound(scores, list(scores).index(min(scores)), WORSE)
    return scores[-1] <= bound


def _noise_and_bound(scores: Sequence[float], place: int, factor: float) -> tuple[float, float]:
    """The noise of scores, and what is worse than the best of them, at `place`, whatever the noise.

    The noise is that since the best evaluation, and of `RECENT` at least, but not of the steep beginning.
    """
    since = scores[min(place, max(len(scores) - RECENT, STEEP)) :]
    noise, best = noise_of(since), scores[place]
    deviations = SURE_DEVIATIONS * (1 + FEW / max(1, len(since) - 2))
    return noise, max(best + abs(best) * (factor - 1), best + deviations * noise)
