"""Pictures that a folder holds twice, byte for byte or to the eye."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from impasto.data.scan import Picture, Scan, averaged, in_threads
from impasto.errors import ImageError
from impasto.image import codec

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


def find_groups(scan: Scan) -> list[str]:
    """For each picture the name of its group: the same for copies, near copies and mirror images of them.

    What is like a member of a group belongs to it, so a chain of frames of a film is one group. The name is
    the least of the members' content hashes: adding other pictures changes few names.
    """
    names = [picture.content_hash for picture in scan.pictures]
    firsts = np.array(list({name: i for i, name in reversed(list(enumerate(names)))}.values()), np.int64)
    firsts.sort()
    candidates = [*_pairs(scan, firsts), *_pairs(scan, firsts, mirrored=True)]
    looks = _looks(scan, {index for pair in candidates for index in pair})
    parent = {name: name for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    for one, other in candidates:
        ends = sorted((root(names[one]), root(names[other])))
        if ends[0] == ends[1] or one not in looks or other not in looks:
            continue
        if _alike(looks[one], looks[other]) or _alike(looks[one], looks[other][:, ::-1]):
            parent[ends[1]] = ends[0]
    return [root(name) for name in names]


def _pairs(scan: Scan, chosen: npt.NDArray[np.int64], *, mirrored: bool = False) -> Iterator[tuple[int, int]]:
    """Pairs of pictures whose thumbs are close, each with its nearest few; or of one's and a mirrored one."""
    thumbs = scan.thumbs()[chosen].astype(np.float32)
    if len(thumbs) < 2:
        return
    reach = _CANDIDATE_RMS * np.sqrt(thumbs[0].size)
    # Two thumbs are no closer than their shadows on any line: sorted along the line on which the pictures
    # differ most, each need only be compared with those within reach.
    mean = thumbs.mean(axis=0)
    rows = (thumbs - mean).reshape(len(thumbs), -1)
    line = np.linalg.eigh(rows.T @ rows)[1][:, -1]
    order = np.argsort(rows @ line, kind="stable")
    rows, chosen = rows[order], chosen[order]
    columns = (thumbs[:, :, ::-1] - mean).reshape(rows.shape)[order] if mirrored else rows
    across = np.argsort(columns @ line, kind="stable") if mirrored else np.arange(len(rows))
    columns = columns[across]
    shadows, along = columns @ line, rows @ line
    squared, squares = (rows**2).sum(axis=1), (columns**2).sum(axis=1)
    for start in range(0, len(rows), _CHUNK):
        stop = min(start + _CHUNK, len(rows))
        begin = int(np.searchsorted(shadows, along[start] - reach))
        end = int(np.searchsorted(shadows, along[stop - 1] + reach, side="right"))
        products = rows[start:stop] @ columns[begin:end].T
        distances = squared[start:stop, None] + squares[None, begin:end] - 2 * products
        near = distances <= reach**2
        near &= across[begin:end][None] > np.arange(start, stop)[:, None]  # each pair once
        for row in np.flatnonzero(near.any(axis=1)):
            found = np.flatnonzero(near[row])
            closest = found[np.argsort(distances[row, found], kind="stable")[:_CANDIDATES_EACH]]
            for column in closest:
                yield int(chosen[start + row]), int(chosen[across[begin + column]])


def _near_groups(scan: Scan, candidates: Iterator[tuple[int, int]]) -> Sequence[list[int]]:
    """Groups of two or more pictures that a closer look finds to be the first one of their group, in order.

    Each is held against the first itself: the last of a chain, each of which is like the one before, may be
    like the first no more.
    """
    pairs = list(candidates)
    looks = _looks(scan, {index for pair in pairs for index in pair})
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


def _looks(scan: Scan, indices: set[int]) -> dict[int, codec.Pixels]:
    """A closer look at some pictures, in order; those that can no longer be read are absent."""
    involved = sorted(indices)
    seen = zip(involved, in_threads(functools.partial(_look, scan), involved), strict=True)
    return {index: look for index, look in seen if look is not None}


def _look(scan: Scan, index: int) -> codec.Pixels | None:
    try:
        return averaged(scan.root / scan.pictures[index].path, _CLOSE_PX)
    except ImageError:  # gone since the scan: whoever needs its pixels will say so
        return None


def _same(a: codec.Pixels, b: codec.Pixels) -> bool:
    """Whether two close looks, (16, 16, 3) uint8, are of one picture: no part of it has changed much.

    The difference is held against the contrast of the pictures themselves, and its greatest counts: what
    compression does is small everywhere, and two smileys differ much in one place.
    """
    difference, contrast = _difference(a, b)
    return difference is not None and float(np.abs(difference).max()) <= _SAME_SHARE * contrast


def _alike(a: codec.Pixels, b: codec.Pixels) -> bool:
    """Whether two close looks are so like that a copy of one would pass for a copy of the other.

    Here the mean counts: a figure with other hair is another picture, and no new one.
    """
    difference, contrast = _difference(a, b)
    return difference is not None and float(np.sqrt((difference**2).mean())) <= _SAME_SHARE * contrast


def _difference(a: codec.Pixels, b: codec.Pixels) -> tuple[Floats | None, float]:
    """What differs between two close looks, their shades aside, and their contrast; None for two shades."""
    one, other = a.astype(np.float32), b.astype(np.float32)
    shade_one, shade_other = one.mean(axis=(0, 1)), other.mean(axis=(0, 1))
    one, other = one - shade_one, other - shade_other
    contrast = max(_LEAST_CONTRAST, float(np.sqrt(one.std() * other.std())))
    # Of a nearly blank picture its colour is all there is, and two shades are two pictures.
    if np.abs(shade_one - shade_other).max() >= min(_SAME_SHADE, _SAME_SHARE * contrast):
        return None, contrast
    return one - other, contrast
