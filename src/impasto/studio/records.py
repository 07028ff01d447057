"""What is on disk about a training, as the studio reads it: every field has a type and a bound.

`job.json` says what was asked, `process.json` which process it is, `events.jsonl` what happened. Anybody may
have written them. No command line is kept: it is made anew from these fields.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError

from impasto.studio.schemas import Train
from impasto.studio.untrusted import load_if_usable, read_tail

JOB, PROCESS, LOG, EVENTS = "job.json", "process.json", "job.log", "events.jsonl"
ENDED_WELL = ("minutes", "images", "epochs", "converged")

State = Literal["running", "stopping", "stopped", "finished", "failed", "lost"]
"""Of a job. Stopped: saved, as asked. Finished: a limit was reached. Failed: it said why. Lost: it was killed
or the machine went down; what came after the last checkpoint is gone. What does not run can be resumed."""


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
    size: int | None
    images_seen: int
    images_per_second: float | None
    eta_seconds: float | None
    folder: Path

    def to_dict(self) -> dict[str, Any]:
        """What others may know: all but where it is."""
        return {key: value for key, value in asdict(self).items() if key != "folder"}


_Time = Annotated[float, Field(allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, le=10**18)]
_Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Record(BaseModel):
    """`job.json`. Without a plan it was written by a version that kept a command line there."""

    name: Annotated[str, Field(max_length=2_000)]
    pictures: Annotated[str, Field(min_length=1, max_length=2_000)]
    preset: Annotated[str, Field(max_length=100)] = ""
    size: Annotated[int, Field(ge=1, le=10**6)] | None = None
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


class Said(BaseModel):
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


class Progress(Said):
    """How a training stands."""

    images_per_second: _Rate | None = None
    eta_seconds: _Rate | None = None


class Ended(Said):
    """That it ended, and why."""

    seconds: _Rate = 0.0
    condition: Annotated[str, Field(max_length=100)]
    words: Annotated[str, Field(max_length=10_000)] = ""


def state_of(
    folder: Path, launch: Launch, last: Mapping[str, dict[str, Any]], *, runs: bool, asked: bool
) -> tuple[State, str]:
    """How a job stands, and why it ended: by its newest events, its log, and whether its process runs.

    Args:
        folder: Folder of the run.
        launch: Which process it was, and which end and progress were before it.
        last: The newest event of each kind, by kind.
        runs: Whether the process runs now.
        asked: Whether it was asked to stop.

    Returns:
        The state, and why it ended in words; these are empty while it runs.
    """
    if runs:
        return ("stopping" if asked else "running"), ""
    ended = Ended.of(last.get("stopped"))
    if ended and ended.unix_time != launch.ended_before:
        if ended.condition == "interrupted":
            return "stopped", ended.words
        return ("finished" if ended.condition in ENDED_WELL else "failed"), ended.words
    said = complaint(folder / LOG, launch.log_from)
    if asked and said in ("", "interrupted", "KeyboardInterrupt"):
        return "stopped", "stopped before it had begun"
    return ("failed", said) if said else ("lost", "it ended without a word: killed, or a power cut")


def arguments_of(plan: Train) -> list[str]:
    """What `impasto train` is told on its command line, names apart."""
    arguments: list[str] = []
    if plan.preset is not None:
        arguments += ["--preset", plan.preset]
    if plan.size is not None:
        arguments += ["--size", str(plan.size)]
    for key, value in plan.settings.items():
        arguments += ["--set", f"{key}={json.dumps(value)}"]
    for name, limit in (("--minutes", plan.minutes), ("--images", plan.images)):
        arguments += [] if limit is None else [name, str(limit)]
    return [
        *arguments,
        *(["--until-converged"] if plan.until_converged else []),
        *(["--dedupe"] if plan.dedupe else []),
    ]


class _Configured(BaseModel):
    preset: Annotated[str, Field(max_length=100)]


def preset_of(folder: Path) -> str:
    """The preset that a run chose by itself."""
    found = load_if_usable(folder / "config.json", _Configured)
    return "" if found is None else found.preset


def complaint(log: Path, start: int) -> str:
    """What the command line said last of why it ended, without the hint, which speaks of the command line."""
    lines = read_tail(log, 8_192, start).decode("utf-8", "replace").splitlines()
    said = [line.removeprefix("impasto: ") for line in lines if line.startswith("impasto: ")]
    errors = [line for line in lines if re.match(r"(\w+\.)*(\w+Error|KeyboardInterrupt)\b", line)]
    return (said or errors or [""])[-1][:500]
