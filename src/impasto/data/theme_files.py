"""Reading what people write about their pictures: tags beside a picture, tables as CSV or JSON."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from impasto.errors import DataError

_COLUMNS = "file,theme"


def split_names(text: str) -> tuple[str, ...]:
    """`"cat,  red fur"` -> `("cat", "red fur")`: by commas and lines, blanks made one, each name once."""
    parts = (" ".join(part.split()) for part in re.split(r"[,\n]", text))
    return tuple(dict.fromkeys(part for part in parts if part))


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


def read_table(path: Path) -> dict[str, tuple[str, ...]]:
    """What a CSV or JSON file says of each picture: its path, with forward slashes, -> names of themes.

    CSV has columns `file` and `theme` (several themes in quotes, separated by commas); JSON is
    `{"a.png": "food"}`, `{"a.png": ["food", "red"]}` or a list of `{"file": ..., "theme": ...}`.
    Raises `DataError`, which says where, for anything else and for a file that is named twice.
    """
    match path.suffix.lower():
        case ".csv" | ".tsv":
            rows = _csv_rows(path, read_text(path))
        case ".json":
            rows = _json_rows(path, read_text(path))
        case _:
            raise DataError(
                f"'{path}' is no table of themes",
                "data.themes is folders, tags, none, or the path of a .csv or .json file",
            )
    table: dict[str, tuple[str, ...]] = {}
    places: dict[str, str] = {}
    for place, file, names in rows:
        file = file.strip().replace("\\", "/").removeprefix("./")
        if not file:
            raise DataError(f"'{path}', {place}: there is no file name")
        if file in table:
            raise DataError(
                f"'{path}' names '{file}' twice: {places[file]} and {place}",
                'keep one; several themes are written as "food, red"',
            )
        table[file], places[file] = names, place
    if not any(table.values()):
        raise DataError(
            f"'{path}' says nothing of any picture", f"after the line '{_COLUMNS}', a line for each"
        )
    return table


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    head = text.split("\n", 1)[0]
    mark = max(",;\t", key=head.count)  # spreadsheets of many countries write semicolons
    reader = csv.reader(io.StringIO(text), delimiter=mark, skipinitialspace=True, strict=True)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        if not {"file", "theme"} <= set(columns):
            raise DataError(
                f"'{path}' has no columns 'file' and 'theme': its first line is '{head.strip()[:80]}'",
                f"begin it with the line {_COLUMNS}",
            )
        at_file, at_theme = columns.index("file"), columns.index("theme")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            place = f"line {reader.line_num}"
            if len(cells) != len(columns):
                raise DataError(
                    f"'{path}', {place}: {len(cells)} cells where the first line has {len(columns)}",
                    'put several themes in quotes: "food, red"',
                )
            yield place, cells[at_file], split_names(cells[at_theme])
    except csv.Error as error:
        raise DataError(f"'{path}', line {reader.line_num}: {error}", "save it as CSV anew") from None


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    hint = 'write {"a.png": "food", "b.png": ["food", "red"]}'
    try:
        # Pairs, not a dictionary: of a name that comes twice that would keep the last without a word.
        tree = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise DataError(f"'{path}' is not valid JSON: {error}", hint) from None
    for number, entry in enumerate(_entries(tree), start=1):
        place = f"entry {number}"
        match entry:
            case (str(file), str() as names):
                yield place, file, split_names(names)
            case (str(file), [*names]) if all(isinstance(name, str) for name in names):
                yield place, file, split_names(",".join(names))
            case _:
                raise DataError(f"'{path}', {place}: it does not say which file has which theme", hint)


def _entries(tree: Any) -> Iterator[Any]:
    """Pairs of file and theme; whatever else is there, as it is."""
    if not isinstance(tree, list):
        yield tree
        return
    for item in tree:
        if isinstance(item, list) and item and all(isinstance(pair, tuple) for pair in item):
            fields = dict(item)
            yield (fields.get("file"), fields.get("theme"))
        else:
            yield item
