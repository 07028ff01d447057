"""Which evaluation is the best, and when a run gets worse."""

import random

import pytest

from impasto.training import ranking
from impasto.training.ranking import best_of, better, near_its_best, noise_of, scores_of, worse


def record(distance, colours=None):
    return {"distance": distance} | ({} if colours is None else {"signs": {"colour_distance": colours}})


def test_cyan_pictures_are_not_the_best():
    """The judge calls them near: the distance of colours decides."""
    assert better(record(0.5, 0.05), record(0.4, 0.4))
    assert not better(record(0.4, 0.4), record(0.5, 0.05))


def test_redrawn_pictures_are_not_the_best():
    """Nearer to the held-out pictures, and training pictures all the same; chance does not decide."""

    def drawn(distance, auc):
        signs = {"colour_distance": 0.1, "source_auc": auc, "source_auc_error": 0.04}
        return {"distance": distance, "signs": signs}

    assert better(drawn(0.6, 0.55), drawn(0.3, 0.9))
    assert better(drawn(0.3, 0.57), drawn(0.31, 0.45))


def test_an_evaluation_of_an_older_version_is_compared_by_its_distance_alone():
    assert better(record(0.5, 0.3), record(0.6))
    assert not better(record(0.6), record(0.5, 0.3))
    upscaler = {"distance": 4.0, "against_bicubic": 0.8}
    assert better(upscaler, {**upscaler, "distance": 4.1})


def test_the_best_of_several_is_the_earliest_of_the_smallest():
    records = [record(0.5, 0.1), record(0.3, 0.1), record(0.3, 0.1), record(0.2, 0.4)]
    assert best_of(records) is records[1]
    assert best_of([]) is None
    assert better(records[0], None)


def test_scores_go_back_as_far_as_they_were_measured_alike():
    assert scores_of([(1.0, None), (0.9, 0.2), (0.8, 0.1)]) == pytest.approx([1.1, 0.9])
    assert scores_of([(1.0, None), (0.9, None)]) == [1.0, 0.9]
    assert scores_of([]) == []


def test_a_straight_course_has_no_noise():
    assert noise_of([1.0, 2.0, 3.0, 4.0, 5.0]) == ranking.LEAST_NOISE
    rng = random.Random(0)
    noisy = [0.1 * i + rng.gauss(0, 0.2) for i in range(200)]
    assert noise_of(noisy) == pytest.approx(0.2, rel=0.25)
    assert noise_of([1.0]) == ranking.LEAST_NOISE


@pytest.mark.parametrize(
    ("scores", "found"),
    [
        ([0.9, 1.2, 1.6, 2.1, 2.7], True),  # the run of one shape after 25,000 images
        ([0.9, 1.2, 1.6, 2.1], False),  # too few to know their noise
        ([0.9, 1.4, 1.9], False),  # two are not enough
        ([0.9, 1.4, 1.9, 2.4], True),
        ([0.9, 1.19, 1.48, 1.77], False),  # within a third of the best
        ([0.9, 1.4, 1.9, 2.4, 0.95], False),  # it came back
        ([4.0, 2.0, 1.0, 0.6, 0.5, 0.52, 0.55, 0.5], False),  # a healthy course
        ([4.0, 2.0, 1.0, 0.6, 0.5, 0.8, 0.9, 1.0, 1.1, 1.2], True),  # the steep beginning is no noise
        ([0.5, 1.5, 0.6, 1.6, 0.7, 1.5, 1.4, 1.3], False),  # it swings
        ([0.01, 0.05, 0.06, 0.07], False),  # near nothing a multiple says nothing
        ([-0.01, 0.05, 0.03, 0.06], False),
    ],
)
def test_worse(scores, found):
    assert (worse(scores) is not None) is found


def test_how_much_worse():
    found = worse([2.0, 0.9, 1.3, 1.7, 2.1])
    assert (found.place, found.best, found.least) == (1, 0.9, 1.3)
    assert worse([0.9, 1.3, 1.7, 2.1], ranking.MUCH_WORSE) is None
    assert worse([0.9, 2.0, 3.1, 4.2], ranking.MUCH_WORSE) is not None


@pytest.mark.parametrize("seed", range(10))
def test_noise_alone_is_not_called_worse(seed):
    """Forty evaluations of a run that has arrived, each 10 % off."""
    rng = random.Random(seed)
    scores = [3.0, 1.5, 0.8] + [0.5 * (1 + rng.gauss(0, 0.1)) for _ in range(40)]
    assert not any(worse(scores[:n]) for n in range(len(scores) + 1))


def test_only_a_state_near_the_best_is_worth_going_back_to():
    assert near_its_best([])
    assert near_its_best([0.9])
    assert near_its_best([0.9, 1.1])
    assert not near_its_best([0.9, 1.3])
    assert near_its_best([3.0, 0.9, 1.3, 0.8])
