"""A plane of pictures without end: its whole points are seeds, and between four of them lie arcs.

Steps are small where `per` is large: with 8 steps from seed to seed, neighbours are much alike.
"""

from collections.abc import Callable

from impasto.tasks.generation.sampling.recipe import Between, Point


def point_at(x: int, y: int, per: int, corner: Callable[[int], Point]) -> Point:
    """The point at (x / per, y / per) of the plane.

    Args:
        x: Across, in steps. It may be negative.
        y: Down, in steps. It may be negative.
        per: Steps from seed to seed, 1 or more.
        corner: Gives the point of a seed, with what is asked of its picture.
    """
    (i, right), (j, down) = divmod(x, per), divmod(y, per)

    def on_row(j: int) -> Point:
        return _between(corner, seed_of(i, j), seed_of(i + 1, j), right / per)

    return on_row(j) if down == 0 else Between(first=on_row(j), last=on_row(j + 1), at=down / per)


def seed_of(i: int, j: int) -> int:
    """The seed at a whole point, another for each (Cantor's pairs); 0 is in the middle."""
    one, other = (2 * n if n >= 0 else -2 * n - 1 for n in (i, j))
    return (one + other) * (one + other + 1) // 2 + other


def _between(corner: Callable[[int], Point], first: int, last: int, at: float) -> Point:
    return corner(first) if at == 0 else Between(first=corner(first), last=corner(last), at=at)
