"""Reading what people and tools write about pictures: tags beside a picture, tables as CSV or JSON."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.data.names import split_names
from impasto.errors import DataError

SUFFIXES = ".csv, .tsv, .json or .jsonl"
# Names of columns, ours first. `file_name` and `text` are those of image folders for the library `datasets`.
_FILE_COLUMNS = ("file", "file_name", "filename", "path", "image")
_THEME_COLUMNS = ("theme", "themes", "label", "labels", "class", "category", "tags", "text")
_COLUMNS = "file,theme"
_JSON_HINT = 'write {"a.png": "food", "b.png": ["food", "red"]}'


@dataclass(frozen=True)
class Row:
    """What a table says of one file, as it spells its name, and where in the table: "line 3"."""

    place: str
    file: str
    names: tuple[str, ...]


def read_text(path: Path) -> str:
    """A file as text. Raises `DataError` unless it is UTF-8 and can be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"'{path}' is not UTF-8 text: byte {data[error.start]:#04x} at {error.start}",
            "save it as UTF-8 (a spreadsheet calls that 'CSV UTF-8')",
        ) from None


def read_table(path: Path) -> list[Row]:
    """What a CSV or JSON file says of each picture, in its order.

    CSV has a column for the file and one for themes (several themes in quotes, separated by commas), by one
    of the names in `_FILE_COLUMNS` and `_THEME_COLUMNS`. JSON is `{"a.png": "food"}`, `{"a.png": ["food",
    "red"]}`, a list of `{"file": ..., "theme": ...}`, such objects line by line, or StyleGAN's `{"labels":
    [["a.png", 3]]}`. A label may be a whole number. Raises `DataError`, which says where, for anything else.
    """
    match path.suffix.lower():
        case ".csv" | ".tsv":
            rows = _csv_rows(path, read_text(path))
        case ".json":
            rows = _json_rows(path, _tree(path, read_text(path), ""))
        case ".jsonl" | ".ndjson":
            rows = _jsonl_rows(path, read_text(path))
        case _:
            raise DataError(
                f"'{path}' is no table of themes",
                f"data.themes is folders, tags, none, or the path of a {SUFFIXES} file",
            )
    table = []
    for row in rows:
        file = row.file.strip()
        if not file:
            raise DataError(f"'{path}', {row.place}: there is no file name")
        table.append(Row(row.place, file, row.names))
    if not any(row.names for row in table):
        raise DataError(
            f"'{path}' says nothing of any picture", f"after the line '{_COLUMNS}', a line for each"
        )
    return table


def _csv_rows(path: Path, text: str) -> Iterator[Row]:
    head = text.split("\n", 1)[0]
    mark = max(",;\t", key=head.count)  # spreadsheets of many countries write semicolons
    reader = csv.reader(io.StringIO(text), delimiter=mark, skipinitialspace=True, strict=True)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        file_column, theme_column = _first(_FILE_COLUMNS, columns), _first(_THEME_COLUMNS, columns)
        if file_column is None or theme_column is None:
            raise DataError(
                f"'{path}' has no columns 'file' and 'theme': its first line is '{head.strip()[:80]}'",
                f"begin it with the line {_COLUMNS}",
            )
        at_file, at_theme = columns.index(file_column), columns.index(theme_column)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            place = f"line {reader.line_num}"
            if len(cells) != len(columns):
                raise DataError(
                    f"'{path}', {place}: {len(cells)} cells where the first line has {len(columns)}",
                    'put several themes in quotes: "food, red"',
                )
            yield Row(place, cells[at_file], split_names(cells[at_theme]))
    except csv.Error as error:
        raise DataError(f"'{path}', line {reader.line_num}: {error}", "save it as CSV anew") from None


def _first(wanted: Iterable[str], columns: Iterable[str]) -> str | None:
    """The first of the names that people give to a column which is there."""
    there = set(columns)
    return next((name for name in wanted if name in there), None)


def _tree(path: Path, text: str, where: str) -> Any:
    try:
        # Pairs, not a dictionary: of a name that comes twice that would keep the last without a word.
        return json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise DataError(f"'{path}'{where} is not valid JSON: {error}", _JSON_HINT) from None


def _jsonl_rows(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            entry = _pair(_tree(path, line, f", line {number}"))
            yield _row(path, f"line {number}", entry)


def _json_rows(path: Path, tree: Any) -> Iterator[Row]:
    if _is_object(tree) and "labels" in dict(tree) and not isinstance(dict(tree)["labels"], str):
        tree = dict(tree)["labels"]  # StyleGAN's dataset.json; other fields say other things
        if not isinstance(tree, list):
            raise DataError(f"'{path}' has no labels: 'labels' is {json.dumps(tree)}", _JSON_HINT)
    entries = tree if isinstance(tree, list) else [tree]
    for number, entry in enumerate(entries, start=1):
        yield _row(path, f"entry {number}", _pair(entry))


def _row(path: Path, place: str, entry: Any) -> Row:
    """A pair of a file and its themes as a `Row`. Raises `DataError` for anything else."""
    match entry:
        case (str(file), label) if (names := _names(label)) is not None:
            return Row(place, file, names)
    raise DataError(f"'{path}', {place}: it does not say which file has which theme", _JSON_HINT)


def _names(label: Any) -> tuple[str, ...] | None:
    """The themes that a JSON value names; None where it cannot name any."""
    if label is None:
        return ()
    if isinstance(label, str):
        return split_names(label)
    if _is_number(label):
        return (str(label),)
    if isinstance(label, list) and all(isinstance(name, str) or _is_number(name) for name in label):
        if len(label) > 1 and all(_is_number(name) and name in (0, 1) for name in label):
            return None  # a column of zeros and ones, or the themes 0 and 1: nobody can tell
        # A list says by itself where a name ends.
        return tuple(dict.fromkeys(name for item in label if (name := " ".join(str(item).split()))))
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_object(tree: Any) -> bool:
    return isinstance(tree, list) and bool(tree) and all(isinstance(pair, tuple) for pair in tree)


def _pair(entry: Any) -> Any:
    """File and theme of an object's fields; whatever else is there, as it is."""
    if _is_object(entry):
        fields = dict(entry)
        file, theme = _first(_FILE_COLUMNS, fields), _first(_THEME_COLUMNS, fields)
        return (fields.get(file), fields.get(theme)) if file and theme else None
    if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str):  # StyleGAN's
        return tuple(entry)
    return entry
