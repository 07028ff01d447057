"""A run's `events.jsonl`, read while the run writes it."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.studio.untrusted import Unusable, open_regular, read_tail

MOST_EVENTS = 200_000  # read of a file for one drawing
MOST_BYTES = 16 * 2**20  # read at a time; a longer line is no event
_NAME = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True)
class Line:
    """One event and where it stands. `of` names the file: one that goes on after a resume is another."""

    of: int
    number: int  # from 1
    record: dict[str, Any]

    @property
    def id(self) -> str:
        """By which `Journal` goes on behind this line."""
        return f"{self.of}-{self.number}"


class Journal:
    """Reads what is new since the last call. On resuming a run rewrites its file; then all of it is new."""

    def __init__(self, path: Path, after: str = "") -> None:
        self.path = path
        self._after = after
        self._of = self._number = self._offset = 0
        self.behind = False

    def new(self) -> tuple[bool, list[Line]]:
        """Whether it begins anew, and the lines that were not given yet. Half a line waits for its rest.

        Of a long file a part is given at a time: `behind` says whether there is more.
        """
        self.behind = False
        try:
            handle = open_regular(self.path)
        except (FileNotFoundError, Unusable):
            return False, []
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            anew = found.st_ino != self._of
            if anew:
                self._of, self._number, self._offset = found.st_ino, 0, 0
            file.seek(self._offset)
            text = file.read(MOST_BYTES)
        whole, end, _ = text.rpartition(b"\n")
        self.behind = len(text) == MOST_BYTES
        # What is no line in all these bytes is none of a training's.
        self._offset += len(whole) + len(end) if end else len(text) if self.behind else 0
        lines = []
        for record in records(whole.splitlines()):
            self._number += 1
            lines.append(Line(self._of, self._number, record))
        if self._after:  # a client that was here before has a part of it
            number = _number(self._after, self._of)
            if number > self._number and self.behind:
                return False, []
            self._after = ""
            if 0 < number <= self._number:
                return False, [line for line in lines if line.number > number]
        return anew, lines


def records(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    """The events in lines of JSON; what is none, such as the half line of a killed process, is left out."""
    for line in lines:
        try:
            record = json.loads(line, parse_constant=lambda name: None)  # NaN is no JSON: readers choke
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and _NAME.fullmatch(str(record.get("event"))):
            yield record


def read_all(path: Path) -> list[dict[str, Any]]:
    """The events of a file that say how many images were seen, oldest first, up to `MOST_EVENTS`."""
    journal, found = Journal(path), list[dict[str, Any]]()
    while len(found) < MOST_EVENTS:
        new = (line.record for line in journal.new()[1])
        found += [record for record in new if type(record.get("images_seen")) is int]
        if not journal.behind:
            break
    return found[:MOST_EVENTS]


def newest(path: Path, tail_bytes: int = 65_536) -> dict[str, dict[str, Any]]:
    """The newest event of each kind among the last lines of a file, by their names."""
    return {record["event"]: record for record in records(read_tail(path, tail_bytes).splitlines())}


def _number(id_: str, of: int) -> int:
    """The number in a line's id, 0 where it is of another file or no id."""
    file, _, number = id_.partition("-")
    return int(number) if file == str(of) and number.isdecimal() and len(number) < 12 else 0
