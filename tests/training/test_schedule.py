import itertools

import pytest

from impasto.config.shared import OptimizerConfig
from impasto.training.schedule import due, rate_share


def test_even_at_first_then_in_proportion():
    seen = [n for n in range(1, 200_001) if due(n - 1, n, 500)]
    assert seen[:20] == list(range(500, 10_001, 500))
    steps = [b / a for a, b in itertools.pairwise(seen[19:])]
    assert all(1.04 < step < 1.06 for step in steps)


def test_a_long_step_counts_once():
    assert due(0, 1600, 500)
    assert not due(501, 999, 500)


@pytest.mark.parametrize(
    ("settings", "seen", "done", "share"),
    [
        ({}, 5, 0.5, 1.0),
        ({"warmup_images": 100}, 25, None, 0.25),
        ({"warmup_images": 100}, 200, None, 1.0),
        ({"decay_from_images": 1000}, 500, None, 1.0),
        ({"decay_from_images": 1000}, 4000, None, 0.5),
        ({"cooldown": 0.25}, 10, 0.75, 1.0),
        ({"cooldown": 0.25}, 10, 0.9, 0.4),
        ({"cooldown": 0.25}, 10, 1.0, 0.0),
        ({"cooldown": 0.25}, 10, None, 1.0),  # without an end there is no last quarter
        ({"cooldown": 0.5, "decay_from_images": 1000}, 4000, 0.75, 0.25),
    ],
)
def test_how_learning_rates_go(settings, seen, done, share):
    assert rate_share(OptimizerConfig(**settings), seen, done) == pytest.approx(share)
