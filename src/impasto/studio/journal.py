"""A run's `events.jsonl`, read while the run writes it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_BYTES = 256 * 2**20


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

    def new(self) -> tuple[bool, list[Line]]:
        """Whether it begins anew, and the lines that were not given yet. Half a line waits for its rest."""
        try:
            with self.path.open("rb") as file:
                of = self.path.stat().st_ino
                anew = of != self._of
                if anew:
                    self._of, self._number, self._offset = of, 0, 0
                file.seek(self._offset)
                text = file.read(MOST_BYTES)
        except FileNotFoundError:
            return False, []
        whole, end, _ = text.rpartition(b"\n")
        self._offset += len(whole) + len(end)
        lines = []
        for record in records(whole.splitlines()):
            self._number += 1
            lines.append(Line(of, self._number, record))
        if anew and self._after:  # a client that was here before has a part of it
            number = _number(self._after, of)
            self._after = ""
            if 0 < number <= self._number:
                return False, lines[number:]
        return anew, lines


def records(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    """The events in lines of JSON; what is none, such as the half line of a killed process, is left out."""
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "event" in record:
            yield record


def newest(path: Path, tail_bytes: int = 65_536) -> dict[str, dict[str, Any]]:
    """The newest event of each kind among the last lines of a file, by their names."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - tail_bytes))
            return {record["event"]: record for record in records(file.read().splitlines())}
    except FileNotFoundError:
        return {}


def _number(id_: str, of: int) -> int:
    """The number in a line's id, 0 where it is of another file or no id."""
    file, _, number = id_.partition("-")
    return int(number) if file == str(of) and number.isdecimal() and len(number) < 12 else 0
