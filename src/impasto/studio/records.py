"""The files of a job as the studio reads and writes them: every field has a type and a bound.

`job.json` says what was asked, `process.json` which process it is, `events.jsonl` what happened. Anybody may
have written them. No command line is kept: it is made anew from these fields (`commands.py`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, ValidationError

from impasto.files import write_bytes_atomically
from impasto.studio.problems import Refused
from impasto.studio.schemas import Train
from impasto.studio.untrusted import Unusable, links_below, load

JOB, PROCESS, LOG, EVENTS = "job.json", "process.json", "job.log", "events.jsonl"
STATE_FILE = "state.safetensors"  # as training/state.py has it, which needs torch
ENDED_WELL = ("minutes", "images", "epochs", "converged")

_Time = Annotated[float, Field(allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, le=10**18)]
_Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Record(BaseModel):
    """`job.json`. Without a plan it was written by a version that kept a command line there."""

    name: Annotated[str, Field(max_length=2_000)]
    pictures: Annotated[str, Field(min_length=1, max_length=2_000)]
    preset: Annotated[str, Field(max_length=100)] = ""
    size: Annotated[int, Field(ge=1, le=10**6)] | None = None
    width: Annotated[int, Field(ge=1, le=10**6)] | None = None
    created: _Time
    plan: Train | None = None


class Launch(BaseModel):
    """`process.json`. Which end and which progress were in the events before: no clock is asked, as one that
    is set back would make every end one of before."""

    pid: Annotated[int, Field(ge=0, lt=2**31)] = 0
    began: Annotated[str, Field(max_length=200)] = ""
    log_from: _Count = 0
    asked_to_stop: bool = False
    ended_before: _Time | None = None
    progress_before: _Time | None = None


class RunConfig(BaseModel):
    """Of a run's `config.json`, the preset that it chose by itself."""

    preset: Annotated[str, Field(max_length=100)]


class Event(BaseModel):
    """What any event of a training has."""

    images_seen: _Count = 0
    unix_time: _Time = 0.0

    @classmethod
    def of(cls, record: Mapping[str, Any] | None) -> Self | None:
        """An event, or None where there is none that can be used."""
        try:
            return None if record is None else cls.model_validate(record)
        except (ValidationError, RecursionError):
            return None


class Progress(Event):
    """How a training stands."""

    images_per_second: _Rate | None = None
    eta_seconds: _Rate | None = None


class Ended(Event):
    """That it ended, and why."""

    seconds: _Rate = 0.0
    condition: Annotated[str, Field(max_length=100)]
    words: Annotated[str, Field(max_length=10_000)] = ""


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record, whole or not at all; makes the folder. Raises `OSError`."""
    write_bytes_atomically(path, record.model_dump_json(indent=2).encode())


def plan_to_resume(folder: Path) -> tuple[Record, Train]:
    """What a job was asked to do, as it is on record, and its plan.

    Raises `Refused` (409) where its files are not to be relied on.
    """
    link = next(links_below(folder), None)
    if link is not None:
        raise Refused(409, f"the run holds a link, '{link.relative_to(folder)}'", "remove it")
    try:
        record = load(folder / JOB, Record)
    except (OSError, Unusable) as error:
        raise Refused(409, f"its {JOB} {error}", "`impasto train --resume` goes on with a run") from None
    if record.plan is not None:
        return record, record.plan
    if not (folder / STATE_FILE).is_file():  # an older version's: a saved run knows its settings itself
        raise Refused(409, "an older version began it, and it was never saved", "start it anew")
    return record, Train(pictures=record.pictures)
