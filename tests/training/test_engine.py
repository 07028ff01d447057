import itertools

from impasto.training.engine import due


def test_even_at_first_then_in_proportion():
    seen = [n for n in range(1, 200_001) if due(n - 1, n, 500)]
    assert seen[:20] == list(range(500, 10_001, 500))
    steps = [b / a for a, b in itertools.pairwise(seen[19:])]
    assert all(1.04 < step < 1.06 for step in steps)


def test_a_long_step_counts_once():
    assert due(0, 1600, 500)
    assert not due(501, 999, 500)
