"""A training of large pictures has two parts: the generator's run and, in its folder, the enlarger's."""

from pathlib import Path
from typing import Any

from impasto.studio.journal import newest
from impasto.studio.records import ENDED_WELL, EVENTS, Ended, Event
from impasto.studio.untrusted import is_real_folder

ENLARGER = "enlarger"  # as tasks/large.py has it, which needs torch


def journals_of(folder: Path) -> list[Path]:
    """The journals of the run in a folder: its own, and where it has a second part that one's."""
    second = folder / ENLARGER
    return [folder / EVENTS, *([second / EVENTS] if is_real_folder(second) else [])]


def newest_of_parts(folder: Path) -> dict[str, dict[str, Any]]:
    """The newest event of each kind of a run, by their names. That the first of two parts ended well is no
    end."""
    first, *second = map(newest, journals_of(folder))
    if not second:
        return first
    ended = Ended.of(first.get("stopped"))
    if ended is not None and ended.condition in ENDED_WELL:
        del first["stopped"]
    later = {name: event for name, event in second[0].items() if _time(event) >= _time(first.get(name))}
    return first | later


def part_of(folder: Path) -> int | None:
    """Which of both parts is at work, or was the last to be; None where there is only one."""
    started = [_time(newest(journal).get("started")) for journal in journals_of(folder)]
    return None if len(started) == 1 else 2 if started[1] > started[0] else 1


def seconds_of(folder: Path) -> float:
    """How long a run took that has ended, all its parts."""
    ended = [Ended.of(newest(journal).get("stopped")) for journal in journals_of(folder)]
    return sum(end.seconds for end in ended if end is not None)


def _time(record: dict[str, Any] | None) -> float:
    event = Event.of(record)
    return event.unix_time if event else 0.0
