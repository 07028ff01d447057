"""How a job stands, by what is on disk and whether its process runs."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from impasto.studio.launches import JobProcess
from impasto.studio.parts import newest_of_parts, part_of
from impasto.studio.records import (
    ENDED_WELL,
    JOB,
    LOG,
    Ended,
    Event,
    Progress,
    Record,
    RunConfig,
)
from impasto.studio.untrusted import Unusable, as_text, load, load_if_usable, read_tail

State = Literal["running", "stopping", "stopped", "finished", "failed", "lost"]
"""Of a job. Stopped: saved, as asked. Finished: a limit was reached. Failed: its words say why. Lost: it was
killed or the machine went down; what came after the last checkpoint is gone. What does not run can be
resumed."""


@dataclass(frozen=True)
class Job:
    """A training as it stands. Times are Unix times; `eta_seconds` is None where nobody can know."""

    id: str
    name: str
    pictures: str
    model: str  # by which the catalogue has its model, once there is one
    state: State
    words: str  # why it ended, or what went wrong
    resumable: bool
    created: float
    preset: str
    size: int | None  # height in px
    width: int | None  # None: as the height
    part: int | None  # 1 or 2 where large pictures are trained for
    images_seen: int  # by the part at work
    images_per_second: float | None
    eta_seconds: float | None
    folder: Path

    @property
    def runs(self) -> bool:
        """Whether its process does."""
        return self.state in ("running", "stopping")

    def to_dict(self) -> dict[str, Any]:
        """What others may know: all but where it is."""
        return {key: value for key, value in asdict(self).items() if key != "folder"}


def read_job(folder: Path, process: JobProcess, model: str) -> Job | None:
    """The job in a folder; None where there is none. Damaged files make it `failed`, and concern no other.

    Args:
        folder: Folder of the run.
        process: The job's process. It is to be found before this is called: a process that ends meanwhile
            has written its last event.
        model: By which name the catalogue has the run's model.
    """
    last = newest_of_parts(folder)
    try:
        record, damage = load(folder / JOB, Record), ""
    except FileNotFoundError:
        return None
    except (OSError, Unusable) as error:
        record, damage = Record(name=folder.name, pictures="?", created=0), f"its {JOB} {error}"
    ended = process.running is None
    state, words = _state(folder, process, last)
    progress = Progress.of(last.get("progress")) if state == "running" else None
    if progress and progress.unix_time == process.launch.progress_before:
        progress = None  # of before it was resumed
    events = [event for event in map(Event.of, last.values()) if event is not None]
    config = load_if_usable(folder / "config.json", RunConfig)
    return Job(
        id=folder.name,
        name=as_text(record.name, 200),
        pictures=as_text(record.pictures, 2_000),
        model=model,
        state="failed" if damage and ended else state,
        words=as_text(damage or words),
        resumable=ended and not damage,
        created=record.created,
        preset=as_text((config.preset if config else "") or record.preset, 100),
        size=record.size,
        width=record.width,
        part=part_of(folder),
        images_seen=progress.images_seen if progress else max((e.images_seen for e in events), default=0),
        images_per_second=progress.images_per_second if progress else None,
        eta_seconds=progress.eta_seconds if progress else None,
        folder=folder,
    )


def _state(folder: Path, process: JobProcess, last: Mapping[str, dict[str, Any]]) -> tuple[State, str]:
    """How a job stands, and why it ended in words, which are empty while it runs.

    `last` is the newest event of each kind, by kind.
    """
    if process.running is not None:
        return ("stopping" if process.asked_to_stop else "running"), ""
    ended = Ended.of(last.get("stopped"))
    if ended and ended.unix_time != process.launch.ended_before:
        if ended.condition == "interrupted":
            return "stopped", ended.words
        return ("finished" if ended.condition in ENDED_WELL else "failed"), ended.words
    complaint = _complaint(folder / LOG, process.launch.log_from)
    if process.asked_to_stop and complaint in ("", "interrupted", "KeyboardInterrupt"):
        return "stopped", "stopped before it had begun"
    return ("failed", complaint) if complaint else ("lost", "it ended without a word: killed, or a power cut")


def _complaint(log: Path, start: int) -> str:
    """Why the command line says that it ended, without the hint, which speaks of the command line."""
    lines = read_tail(log, 8_192, start).decode("utf-8", "replace").splitlines()
    own = [line.removeprefix("impasto: ") for line in lines if line.startswith("impasto: ")]
    errors = [line for line in lines if re.match(r"(\w+\.)*(\w+Error|KeyboardInterrupt)\b", line)]
    return (own or errors or [""])[-1][:500]
