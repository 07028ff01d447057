"""Which pictures are learnt from, which are held out, and in what order they come."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from impasto.data.cache import Flags, Indices, Offsets
from impasto.data.scan import content_hash
from impasto.errors import DataError

MIN_TRAIN_PICTURES = 8
_MIRROR, _DOWN, _ACROSS = 1, 2, 3  # independent streams of numbers


def split(names: Sequence[str], share: float, minimum: int, seed: int) -> tuple[Indices, Indices]:
    """Divide pictures into those to learn from and those to measure with.

    About max(minimum, share x N) are held out. Lots are drawn from the names, so adding pictures moves few.

    Args:
        names: A name for each of the N pictures: the hash of its content, or of its group of copies. Pictures
            of one name are always on the same side.
        share: The share of the pictures to hold out, in (0, 1).
        minimum: How many pictures to hold out at least.
        seed: Decides the lots.

    Returns:
        The indices of the pictures to learn from, and of those held out. Both are sorted.

    Raises:
        DataError: There are fewer than minimum + 8 different names, or too few pictures can be held out.
    """
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        groups.setdefault(name, []).append(index)
    needed = minimum + MIN_TRAIN_PICTURES
    if len(groups) < needed:
        raise DataError(
            f"the folder has {len(groups)} different pictures, and at least {needed} are needed",
            f"add pictures, or hold fewer out: data.holdout_min_pictures is {minimum}",
        )
    wanted = max(minimum, round(share * len(names)))
    drawn = sorted(groups, key=lambda name: content_hash(f"{seed}:{name}".encode()))
    held: list[int] = []
    left = len(groups)
    for name in drawn:
        if len(held) + len(groups[name]) <= wanted and left > MIN_TRAIN_PICTURES:
            held += groups[name]
            left -= 1
    if len(held) < minimum and left > MIN_TRAIN_PICTURES:  # groups are larger than what is missing
        others = [name for name in drawn if groups[name][0] not in held]
        held += groups[min(others, key=lambda name: len(groups[name]))]
    holdout = np.array(sorted(held), np.int64)
    train = np.setdiff1d(np.arange(len(names)), holdout)
    if len(holdout) < minimum:
        raise DataError(
            f"only {len(holdout)} pictures can be held out, and {minimum} are needed: most are duplicates",
            "train with data.dedupe=true, or lower data.holdout_min_pictures",
        )
    return train, holdout


def drawn_by_weight(weights: Offsets, generator: np.random.Generator) -> Indices:
    """n places out of n, place i about `weights[i]` times, weights (n,) being 1 on average: (n,).

    Systematic sampling, in random order: a place comes as often as its weight rounded down or up, and on
    average exactly so.
    """
    places = generator.permutation(len(weights))
    reached = np.cumsum(weights[places])
    reached *= len(weights) / reached[-1]
    marks = np.floor(reached + generator.random()).astype(np.int64)
    return np.repeat(places, np.diff(marks, prepend=0))


class Rows(Protocol):
    """What batches are taken from: the `Pixels` of a folder, or whatever else a task learns from."""

    def take(self, indices: Indices, offsets: Offsets | None = None, /) -> NDArray[Any]:
        """A copy of some of the rows, (n, H, W, C); see `Pixels.take`."""
        ...


class Order(Protocol):
    """In which order pictures come: a function of the seed, the epoch and the place in it alone."""

    def at(self, seed: int, epoch: int, places: Indices) -> Indices:
        """Which pictures come at these places, (n,) from 0, of an epoch: (n,)."""


class Shuffled:
    """All pictures in a new order each epoch; with `weights` (n,) each as often as its weight says.

    An epoch is as long with weights as without.
    """

    def __init__(self, indices: Indices, weights: Offsets | None = None) -> None:
        self._indices, self._weights = indices, weights
        self._made: tuple[int, int] | None = None
        self._order = indices

    def at(self, seed: int, epoch: int, places: Indices) -> Indices:
        """See `Order.at`."""
        if self._made != (seed, epoch):
            generator = np.random.default_rng([seed, epoch])
            chosen = self._indices
            if self._weights is not None:
                chosen = chosen[drawn_by_weight(self._weights, generator)]
            self._order, self._made = generator.permutation(chosen), (seed, epoch)
        return self._order[places]


class Batches:
    """Endless batches over some pictures, in a new order each epoch.

    Everything follows from the seed and the count of pictures seen, whatever the batch size: that is all
    there is to save, and picture number 1,000 is the same picture in the same window however it is reached.

    Args:
        pixels: The pictures of a data set, or other rows.
        indices: Which of them to serve, (n,), n of at least 1.
        batch_size: Pictures in a batch, over all processes; a multiple of `world`.
        seed: Decides the order, the windows and which pictures are mirrored.
        mirror: Whether half of the pictures, by chance, are mirrored left to right.
        order: In which order pictures come. None means `Shuffled`.
        rank: Which process this is, from 0 to world - 1. It serves every `world`-th picture of a batch, from
            its rank on.
        world: How many processes share a batch.

    Raises:
        ValueError: There is no picture, or `batch_size`, `rank` and `world` do not go together.
    """

    def __init__(
        self,
        pixels: Rows,
        indices: Indices,
        batch_size: int,
        seed: int,
        *,
        mirror: bool = False,
        order: Order | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if not len(indices) or batch_size < 1:
            raise ValueError("batches need at least one picture and a size of at least one")
        if batch_size % world or not 0 <= rank < world:
            raise ValueError(
                f"a batch of {batch_size} cannot be dealt out to {world} processes, {rank} among them"
            )
        self.pixels = pixels
        self.picture_indices = indices
        self.batch_size = batch_size
        self.seed = seed
        self.mirror = mirror
        self.rank, self.world = rank, world
        self.images_seen = 0
        self._order = order or Shuffled(indices)

    def next(self) -> NDArray[Any]:
        """The next rows, or this process's part of them: (batch_size / world, H, W, C), of pictures uint8."""
        positions = np.arange(self.images_seen + self.rank, self.images_seen + self.batch_size, self.world)
        places = np.stack([self._uniform(positions, stream) for stream in (_DOWN, _ACROSS)], 1)
        pixels = self.pixels.take(self.indices_at(positions), places)
        flipped = self._mirrored(positions)
        pixels[flipped] = pixels[flipped, :, ::-1]
        self.images_seen += self.batch_size
        return pixels

    def served(self) -> tuple[Indices, Flags]:
        """Which pictures of the folder the last batch held, and which of them mirrored."""
        positions = np.arange(self.images_seen - self.batch_size + self.rank, self.images_seen, self.world)
        return self.indices_at(positions), self._mirrored(positions)

    def indices_at(self, positions: Indices) -> Indices:
        """Which pictures of the folder come at these positions of the endless sequence: (n,) -> (n,)."""
        count = len(self.picture_indices)
        result = np.empty_like(positions)
        for epoch in np.unique(positions // count):
            here = positions // count == epoch
            result[here] = self._order.at(self.seed, int(epoch), positions[here] % count)
        return result

    def state_dict(self) -> dict[str, Any]:
        """All that resuming needs, ready for JSON."""
        return {"seed": self.seed, "images_seen": self.images_seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken."""
        self.seed = int(state["seed"])
        self.images_seen = int(state["images_seen"])

    def _mirrored(self, positions: Indices) -> Flags:
        if not self.mirror:
            return np.zeros(len(positions), np.bool_)
        return self._uniform(positions, _MIRROR) < 0.5

    def _uniform(self, positions: Indices, stream: int) -> Offsets:
        """A number in [0, 1) for each position, by hashing it (SplitMix64, Steele et al. 2014)."""
        key = np.random.SeedSequence([self.seed, stream]).generate_state(1, np.uint64)[0]
        with np.errstate(over="ignore"):
            bits = key + positions.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            bits ^= bits >> np.uint64(31)
        numbers: Offsets = np.ldexp((bits >> np.uint64(11)).astype(np.float64), -53)
        return numbers
