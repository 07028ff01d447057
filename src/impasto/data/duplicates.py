"""Pictures that a folder holds twice, byte for byte or to the eye."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from impasto import images
from impasto.data.scan import Picture, Scan, averaged, in_threads
from impasto.errors import ImageError

Floats = npt.NDArray[np.float32]

_CANDIDATE_RMS = 6.0  # of 255, between thumbs: misses few copies, and what it takes in is looked at again
_CANDIDATES_EACH = 16  # a film of 100,000 like frames must not make 10,000,000,000 pairs
_CLOSE_PX = 16
_SAME_SHARE = (
    0.25  # of a picture's own contrast: most copies stay below .2, another smile or hair is above .3
)
_SAME_SHADE = 12.0  # of 255, between mean colours: a copy may be a little brighter
_LEAST_CONTRAST = 4.0  # of 255: below it there is nothing but noise to compare
_CHUNK = 1024


@dataclass(frozen=True)
class Duplicates:
    """Groups of two or more pictures each, the first one first. `near` are alike to the eye, not in bytes."""

    exact: tuple[tuple[Picture, ...], ...]
    near: tuple[tuple[Picture, ...], ...]

    @property
    def surplus(self) -> frozenset[str]:
        """Paths of all but the first picture of each group."""
        return frozenset(p.path for group in (*self.exact, *self.near) for p in group[1:])


def find_duplicates(scan: Scan) -> Duplicates:
    """Groups of copies: exact ones by content, near ones (resized, recompressed, brightened) by looks.

    Of exact copies only the first takes part in the search for near ones. Thumbs find candidates, and a
    closer look decides. 2,400 pictures take a second; time grows with the square, in matrix products.
    """
    groups: dict[str, list[int]] = {}
    for index, picture in enumerate(scan.pictures):
        groups.setdefault(picture.content_hash, []).append(index)
    firsts = np.array([group[0] for group in groups.values()], np.int64)
    exact = tuple(tuple(scan.pictures[i] for i in group) for group in groups.values() if len(group) > 1)
    near = tuple(
        tuple(scan.pictures[i] for i in sorted(group)) for group in _near_groups(scan, _pairs(scan, firsts))
    )
    return Duplicates(exact, near)


def drop_duplicates(scan: Scan) -> Scan:
    """The same scan with the first picture of each group of copies alone."""
    surplus = find_duplicates(scan).surplus
    return dataclasses.replace(scan, pictures=tuple(p for p in scan.pictures if p.path not in surplus))


def _pairs(scan: Scan, chosen: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Pairs of pictures whose thumbs are close, each with its nearest few."""
    flat: Floats = scan.thumbs()[chosen].reshape(len(chosen), -1).astype(np.float32)
    if len(flat) < 2:
        return
    reach = _CANDIDATE_RMS * np.sqrt(flat.shape[1])
    # Two thumbs are no closer than their shadows on any line: sorted along the line on which the pictures
    # differ most, each need only be compared with those within reach.
    centred = flat - flat.mean(axis=0)
    shadow = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1]
    order = np.argsort(shadow, kind="stable")
    shadow, centred = shadow[order], centred[order]
    squared = (centred**2).sum(axis=1)
    for start in range(0, len(centred), _CHUNK):
        stop = min(start + _CHUNK, len(centred))
        end = int(np.searchsorted(shadow, shadow[stop - 1] + reach, side="right"))
        products = centred[start:stop] @ centred[start:end].T
        distances = squared[start:stop, None] + squared[None, start:end] - 2 * products
        near = distances <= reach**2
        near &= np.arange(end - start)[None] > np.arange(stop - start)[:, None]  # each pair once
        for row in np.flatnonzero(near.any(axis=1)):
            columns = np.flatnonzero(near[row])
            closest = columns[np.argsort(distances[row, columns], kind="stable")[:_CANDIDATES_EACH]]
            for column in closest:
                yield int(chosen[order[start + row]]), int(chosen[order[start + column]])


def _near_groups(scan: Scan, candidates: Iterator[tuple[int, int]]) -> Sequence[list[int]]:
    """Groups of two or more pictures that a closer look finds to be the first one of their group, in order.

    Each is held against the first itself: the last of a chain, each of which is like the one before, may be
    like the first no more.
    """
    pairs = list(candidates)
    involved = sorted({index for pair in pairs for index in pair})
    seen = zip(involved, in_threads(functools.partial(_look, scan), involved), strict=True)
    looks = {index: look for index, look in seen if look is not None}
    neighbours: dict[int, list[int]] = {index: [] for index in looks}
    for one, other in pairs:
        if one in looks and other in looks and _same(looks[one], looks[other]):
            neighbours[one].append(other)
            neighbours[other].append(one)
    groups: list[list[int]] = []
    taken: set[int] = set()
    for first in neighbours:
        if first in taken:
            continue
        taken.add(first)
        group = [first]
        for member in group:  # which grows meanwhile
            for other in neighbours[member]:
                if other not in taken and _same(looks[first], looks[other]):
                    taken.add(other)
                    group.append(other)
        if len(group) > 1:
            groups.append(group)
    return groups


def _look(scan: Scan, index: int) -> images.Pixels | None:
    try:
        return averaged(scan.root / scan.pictures[index].path, _CLOSE_PX)
    except ImageError:  # gone since the scan: whoever needs its pixels will say so
        return None


def _same(a: images.Pixels, b: images.Pixels) -> bool:
    """Whether two close looks, (16, 16, 3) uint8, are of one picture: no part of it has changed much.

    The difference is held against the contrast of the pictures themselves, and its greatest counts: what
    compression does is small everywhere, and two smileys differ much in one place.
    """
    one, other = a.astype(np.float32), b.astype(np.float32)
    shade_one, shade_other = one.mean(axis=(0, 1)), other.mean(axis=(0, 1))
    one, other = one - shade_one, other - shade_other
    contrast = max(_LEAST_CONTRAST, float(np.sqrt(one.std() * other.std())))
    # Of a nearly blank picture its colour is all there is, and two shades are two pictures.
    if np.abs(shade_one - shade_other).max() >= min(_SAME_SHADE, _SAME_SHARE * contrast):
        return False
    return float(np.abs(one - other).max()) <= _SAME_SHARE * contrast
