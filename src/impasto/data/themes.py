"""Which themes each picture has: from subfolders, from tags beside the pictures, or from a table.

One theme a picture or many tags: it is the same (N, T) of zeros and ones. A picture may have none.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from impasto.config.shared import DataConfig
from impasto.data.names import Finder, plain, split_names, unify
from impasto.data.scan import Scan
from impasto.data.theme_files import SUFFIXES, Row, read_table, read_text
from impasto.data.walk import shown
from impasto.errors import DataError
from impasto.terminal import escaped

Floats = npt.NDArray[np.float32]

FOLDERS, TAGS, NONE = "folders", "tags", "none"
MOST_THEMES = 1_000  # more than that are captions
_SHOWN = 3
RARE = 20  # pictures: fewer are learnt by heart before they are learnt
RARE_SHARE = 0.2  # of what each theme would have if all had the same


@dataclass(frozen=True)
class Themes:
    """The themes of N pictures. `matrix` is (N, T) float32: 1 where a picture has a theme, else 0.

    `notes` are sentences on what a person may not expect: folders that became one theme, rows of a table
    that were left out.
    """

    names: tuple[str, ...]
    matrix: Floats
    notes: tuple[str, ...] = ()

    @cached_property
    def counts(self) -> dict[str, int]:
        """Pictures of each theme, in the order of `names`."""
        return dict(zip(self.names, self.matrix.sum(0).astype(int).tolist(), strict=True))

    @property
    def without(self) -> int:
        """How many pictures have no theme."""
        return int((self.matrix.sum(1) == 0).sum())

    @property
    def rare(self) -> dict[str, int]:
        """Themes too rare to be learnt as the others are, and how many pictures they have, fewest first.

        Fewer than `RARE`, or less than `RARE_SHARE` of what each theme has on average.
        """
        least = max(RARE, RARE_SHARE * float(self.matrix.sum()) / max(1, len(self.names)))
        few = {name: count for name, count in self.counts.items() if count < least}
        return dict(sorted(few.items(), key=lambda item: item[1]))

    def of(self, index: int) -> tuple[str, ...]:
        """The themes of one picture."""
        return tuple(name for name, has in zip(self.names, self.matrix[index], strict=True) if has)

    def weights(self, balance: float, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """How often each of these pictures should be shown, (n,), 1 on average.

        With a `balance` of 0 all alike, with 1 so that every theme is shown as often as any other; in between
        the power of it (Mahajan et al. 2018, section 2.2, take 1/2). A picture of several themes counts as of
        the rarest. Pictures without a theme are a theme of their own.
        """
        chosen = self.matrix[indices]
        columns = np.column_stack((chosen, chosen.sum(1) == 0))
        share = columns.mean(0)
        rarest = np.where(columns > 0, share, np.inf).min(1)
        weights = rarest**-balance
        return np.asarray(weights / weights.mean(), np.float64)


def find_themes(scan: Scan, data: DataConfig) -> Themes:
    """The themes of the pictures of a scan, as `data.themes` says.

    Themes of fewer than `data.theme_min_pictures` pictures are left out. Raises `DataError` for a table that
    names files which are not there, says two things of one, or cannot be read, and where nothing has a theme.
    """
    notes: list[str] = []
    match data.themes:
        case "folders":
            names = folder_names(scan)
        case "none":
            names = [()] * len(scan.pictures)
        case "tags":
            names = _tags(scan)
        case path:
            names, note = _from_table(scan, _table_path(scan.root, path))
            notes += [note] if note else []
    names, joined = unify(names)
    notes += [
        f"{len(spellings)} themes are one, '{shown(name)}': their names look alike"
        f" ({', '.join(map(ascii, spellings))})."
        for name, spellings in sorted(joined.items())
    ]
    kept = kept_names(Counter(name for own in names for name in own), data)
    if len(kept) > MOST_THEMES and data.fit != "windows":  # upscalers heed no themes
        raise DataError(
            f"{len(kept):,} themes are more than {MOST_THEMES:,}: sentences make no themes",
            "separate tags by commas, leave rare ones out (data.theme_min_pictures), or set data.themes=none",
        )
    return replace(make_themes(names, kept), notes=tuple(notes))


def kept_names(counts: Mapping[str, int], data: DataConfig) -> list[str]:
    """The themes that enough pictures have, sorted. Raises `DataError` where none has."""
    kept = sorted(name for name, count in counts.items() if count >= data.theme_min_pictures)
    if counts and not kept:
        raise DataError(
            f"none of the {len(counts)} themes has {data.theme_min_pictures} pictures",
            "lower data.theme_min_pictures",
        )
    return kept


def make_themes(names: Sequence[Iterable[str]], known: Sequence[str] | None = None) -> Themes:
    """`Themes` from each picture's names; of `known` ones only, else of all, sorted."""
    kept = sorted({name for own in names for name in own}) if known is None else list(known)
    column = {name: place for place, name in enumerate(kept)}
    matrix = np.zeros((len(names), len(kept)), np.float32)
    for row, own in enumerate(names):
        for name in own:
            if name in column:
                matrix[row, column[name]] = 1
    return Themes(tuple(kept), matrix)


def folder_names(scan: Scan) -> list[tuple[str, ...]]:
    """The first-level subfolder of each picture. A name that is not UTF-8 has escapes for those bytes."""
    return [() if picture.theme is None else (escaped(picture.theme),) for picture in scan.pictures]


def _tags(scan: Scan) -> list[tuple[str, ...]]:
    """What the `.txt` beside each picture says."""
    names: list[tuple[str, ...]] = []
    texts = cache(_texts_in)
    for picture in scan.pictures:
        path = PurePosixPath(picture.path).with_suffix(".txt")
        text = texts(scan.root / path.parent).get(plain(path.name))
        names.append(() if text is None else split_names(read_text(scan.root / path.parent / text)))
    if not any(names):
        first = PurePosixPath(scan.pictures[0].path)
        raise DataError(
            f"no picture in '{scan.root}' has tags",
            f"'{first.with_suffix('.txt')}' would hold those of '{first}', separated by commas",
        )
    return names


def _texts_in(folder: Path) -> dict[str, str]:
    """The names of the text files in a folder, by their one form with a small suffix."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() == ".txt")
    return {plain(name[:-4]) + ".txt": name for name in names}


def _table_path(root: Path, named: str) -> Path:
    """A table is looked for beside the pictures first, then where the path leads from here."""
    found = next((path for path in (root / named, Path(named)) if path.is_file()), None)
    if found is None:
        raise DataError(
            f"there is no file '{named}' with themes, neither in '{root}' nor here",
            f"data.themes is folders, tags, none, or the path of a {SUFFIXES} file",
        )
    return found


def _from_table(scan: Scan, path: Path) -> tuple[list[tuple[str, ...]], str]:
    """The themes of each picture by a table, and what to say of rows that no picture is used for."""
    rejected = {item.path: item.reason for item in scan.rejected}
    usable = {picture.path for picture in scan.pictures}
    left_out = {item.path for item in scan.left_out}
    finder = Finder(scan.root, usable | set(rejected) | left_out, (scan.root, path.parent))
    table: dict[str, tuple[str, ...]] = {}
    rows: dict[str, Row] = {}
    absent: list[str] = []
    for row in read_table(path):
        file = finder.find(row.file)
        if file is None:
            absent.append(row.file)
        elif file in table:
            raise DataError(
                f"'{path}' names '{shown(row.file)}' twice: {rows[file].place} and {row.place}",
                'keep one; several themes are written as "food, red"',
            )
        else:
            table[file], rows[file] = row.names, row
    if absent:
        near = difflib.get_close_matches(absent[0], usable, n=1)
        raise DataError(
            f"'{path}' names {_some(absent)} in '{scan.root}'",
            f"did you mean '{near[0]}'?" if near else "paths are relative to the folder of the pictures",
        )
    named = {name for file in usable.intersection(table) for name in table[file]}
    _complain_of_lost(path, table, named, rejected)
    # Among them are copies that --dedupe leaves out: what the table says of them is true all the same.
    unused = [rows[file].file for file in table if file not in usable]
    note = (
        f"{_rows(len(unused))} of '{path}' of files that are left out or are no pictures: "
        f"{', '.join(map(repr, map(shown, unused[:_SHOWN])))}{', ...' if len(unused) > _SHOWN else ''}."
    )
    return [table.get(picture.path, ()) for picture in scan.pictures], note if unused else ""


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _complain_of_lost(
    path: Path, table: Mapping[str, tuple[str, ...]], named: set[str], rejected: Mapping[str, str]
) -> None:
    for file, names in table.items():
        lost = next((name for name in names if name not in named), None)
        if lost is not None:
            why = f"'{file}' {rejected[file]}" if file in rejected else f"'{file}' is left out"
            raise DataError(
                f"'{path}' has a theme '{lost}' of which no picture can be used: {why}",
                "take its rows out, or mend the pictures: `impasto inspect` lists them",
            )


def _some(absent: Sequence[str]) -> str:
    if len(absent) == 1:
        return f"'{absent[0]}', which is not"
    return f"'{absent[0]}' and {len(absent) - 1:,} more, which are not"
