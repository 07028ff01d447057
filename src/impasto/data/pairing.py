"""Which files of two folders belong together: by name, and never by a guess."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from impasto.data.names import plain
from impasto.data.scan import Picture, Rejected
from impasto.data.walk import shown

# What people put behind the names of two files of a pair, after a sign between.
_ENDINGS = re.compile(
    r"(?<=.)[-_. ]+(a|b|x|y|in|out|input|output|source|src|target|real|fake|truth|gt|labels?|label[-_]?map|"
    r"map|mask|seg|segmentation|layouts?|plan|sketch|edges|img|images?|pictures?|photos?|facade)$",
    re.IGNORECASE,
)
MOST_NAMED = 20


@dataclass(frozen=True)
class Paired:
    """The pairs of two folders, in order of the first one's, and what is left over of either."""

    pairs: tuple[tuple[Picture, Picture], ...]
    left_here: tuple[Rejected, ...]
    left_there: tuple[Rejected, ...]


def pair_up(here: Sequence[Picture], there: Sequence[Picture], folders: tuple[Path, Path]) -> Paired:
    """Match files of one folder with those of another.

    Two belong together that have the same path below their folder, whatever the suffix; else those that have
    the same one once a common ending (`_A`, `-layout`) is taken off, where only one file of either folder
    does. Files of a pair have the same size.

    Args:
        here: Files of the first folder.
        there: Files of the second folder.
        folders: Both folders, for messages.

    Returns:
        The pairs. All other files are in `left_here` and `left_there`, with the reason.
    """
    pairs: dict[str, tuple[Picture, Picture]] = {}
    left: tuple[dict[str, Rejected], dict[str, Rejected]] = ({}, {})
    for key_of in (stem_of, bare_stem_of):
        sides = _grouped(here, key_of, pairs, 0), _grouped(there, key_of, pairs, 1)
        for key, mine in sides[0].items():
            _join(mine, sides[1].get(key, ()), folders, pairs, left)
    for side, files in enumerate((here, there)):
        used = {pair[side].path for pair in pairs.values()}
        for file in files:
            if file.path not in used and file.path not in left[side]:
                reason = f"has no pair of its name in '{folders[1 - side]}'"
                left[side][file.path] = Rejected(file.path, reason)
    ordered = tuple(pairs[file.path] for file in here if file.path in pairs)
    kept = tuple(pair for pair in ordered if pair[0].path not in left[0])
    return Paired(kept, *(tuple(side.values()) for side in left))


def stem_of(path: str) -> str:
    """A file's path without its suffix, in the form in which names are compared."""
    return plain(str(PurePosixPath(path).with_suffix("")))


def bare_stem_of(path: str) -> str:
    """The same without the ending that says which of a pair it is."""
    return _ENDINGS.sub("", stem_of(path))


def name_all(what: str, files: Iterable[Rejected]) -> str:
    """One sentence with each of these files and its reason; of very many the first `MOST_NAMED`."""
    listed = list(files)
    if not listed:
        return ""
    named = "; ".join(f"{shown(file.path)} {file.reason}" for file in listed[:MOST_NAMED])
    more = f"; and {len(listed) - MOST_NAMED:,} more" if len(listed) > MOST_NAMED else ""
    return f"Left out {what}, {len(listed):,}: {named}{more}."


def _grouped(
    files: Sequence[Picture],
    key_of: Callable[[str], str],
    pairs: Mapping[str, tuple[Picture, Picture]],
    side: int,
) -> dict[str, list[Picture]]:
    """The files that are in no pair yet, by their key."""
    used = {pair[side].path for pair in pairs.values()}
    groups: dict[str, list[Picture]] = {}
    for file in files:
        if file.path not in used:
            groups.setdefault(key_of(file.path), []).append(file)
    return groups


def _join(
    mine: Sequence[Picture],
    theirs: Sequence[Picture],
    folders: tuple[Path, Path],
    pairs: dict[str, tuple[Picture, Picture]],
    left: tuple[dict[str, Rejected], dict[str, Rejected]],
) -> None:
    """Make a pair of the files of one key, or say of each why there is none.

    Args:
        mine: Files of the first folder, at least one.
        theirs: Files of the second folder; empty where none has the key.
        folders: Both folders, for messages.
        pairs: Gets the pair, by the path of its first file.
        left: Gets the files of each folder that are doubled or of different sizes, by path.
    """
    if not theirs:
        return
    if len(mine) > 1 or len(theirs) > 1:
        for side, (ours, others) in enumerate(((mine, theirs), (theirs, mine))):
            names = ", ".join(f"'{shown(file.path)}'" for file in others[:3])
            for file in ours:
                twins = [f"'{shown(twin.path)}'" for twin in ours if twin is not file][:3]
                also = f", and so may {', '.join(twins)}" if twins else ""
                reason = f"may belong to {names} in '{folders[1 - side]}'{also}"
                left[side].setdefault(file.path, Rejected(file.path, reason))
        return
    one, other = mine[0], theirs[0]
    if (one.width, one.height) == (other.width, other.height):
        for side, file in enumerate((one, other)):
            left[side].pop(file.path, None)
        pairs[one.path] = one, other
        return
    for side, (file, its) in enumerate(((one, other), (other, one))):
        pair = f"its pair '{shown(its.path)}' {its.width} x {its.height}"
        left[side][file.path] = Rejected(file.path, f"has {file.width} x {file.height} px and {pair}")
