import numpy as np
import pytest
import torch

from impasto.tasks.generation.sampling.paths import divide, walk
from impasto.tasks.generation.sampling.recipe import Between, Seed


def place(point):
    """Where on a line a point lies whose pictures stand still first and then change quickly."""
    if isinstance(point, Between):
        first, last = place(point.first), place(point.last)
        return first + (last - first) * point.at**8
    return float(point.seed)


def look(points):
    return torch.tensor([[place(point), 0.0] for point in points])


def test_steps_are_even_in_what_is_seen():
    way = [place(p) for p in walk([Seed(seed=0), Seed(seed=10)], 21, look, loop=False)]
    steps = np.abs(np.diff(way))
    assert way[0] == 0
    assert way[-1] == 10
    assert steps.max() < 1.5 * np.median(steps)


def test_a_longer_leg_gets_more_frames_and_stops_are_kept():
    stops = [Seed(seed=0), Seed(seed=2), Seed(seed=10)]
    way = walk(stops, 21, look, loop=False)
    assert len(way) == 21
    assert way[0] == stops[0]
    assert way[-1] == stops[2]
    assert way.index(stops[1]) in (4, 5)


def test_a_loop_comes_back_without_its_first_frame():
    way = walk([Seed(seed=0), Seed(seed=5)], 10, look, loop=True)
    assert len(way) == 10
    assert way.count(Seed(seed=0)) == way.count(Seed(seed=5)) == 1
    assert 0 < place(way[-1]) < 2


def test_standing_still():
    way = walk([Seed(seed=3), Seed(seed=3)], 5, look, loop=False)
    assert [place(p) for p in way] == [3.0] * 5


@pytest.mark.parametrize(
    ("steps", "lengths", "shares"),
    [
        (10, [1, 1], [5, 5]),
        (10, [3, 1], [7, 3]),
        (2, [100, 0], [1, 1]),
        (4, [0, 0], [2, 2]),
        (7, [1, 1, 1], [3, 2, 2]),
    ],
)
def test_steps_are_shared_out_by_length(steps, lengths, shares):
    assert divide(steps, lengths) == shares
