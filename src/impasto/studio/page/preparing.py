"""How far a training is that has not taken its first step, and how long that will still take."""

import time

from impasto.studio.journal import newest, records
from impasto.studio.page.context import PageContext
from impasto.studio.page.notes import bar
from impasto.studio.records import EVENTS, LOG, PROCESS
from impasto.studio.status import Job

USUAL_SECONDS = 40.0  # until there is another training on this machine to go by
LEAST_SECONDS, HEAD_BYTES = 5.0, 65_536  # of the journal's beginning
READING, STEPPING = 0.3, 0.7  # of the bar: pictures are read, the networks are there


def is_preparing(job: Job) -> bool:
    """Whether it runs and has said nothing of its steps yet."""
    return job.state == "running" and job.images_per_second is None


def show(context: PageContext, job: Job) -> str:
    """A bar with an estimate, as HTML."""
    passed = max(0.0, time.time() - _launch_time(job))
    usual = _usual(context, job)
    left = round(max(0.0, usual - passed) / 5) * 5
    words = (
        context.say("preparing", name=job.name, seconds=left)
        if left
        else context.say("preparing_long", name=job.name)
    )
    return bar(words, min(0.95, max(passed / usual * 0.95, _stage(job))))


def _launch_time(job: Job) -> float:
    """When its process was started."""
    try:
        return (job.folder / PROCESS).stat().st_mtime
    except OSError:
        return job.created


def _stage(job: Job) -> float:
    """How far it is by what it has written since it was created."""
    started = newest(job.folder / EVENTS).get("started")
    if started is not None and float(started.get("unix_time", 0)) >= _launch_time(job) - 1:
        return STEPPING
    log = job.folder / LOG
    return READING if log.is_file() and log.stat().st_size else 0.0


def _usual(context: PageContext, job: Job) -> float:
    """How long the last other training took from its creation to its first steps."""
    for other in context.studio.jobs.all():
        took = _first_step(other) - other.created if other.id != job.id else 0.0
        if took > 0:
            return max(LEAST_SECONDS, took)
    return USUAL_SECONDS


def _first_step(job: Job) -> float:
    """When a training first told of its steps; 0 where it never did."""
    try:
        with (job.folder / EVENTS).open("rb") as file:
            lines = file.read(HEAD_BYTES).splitlines()
    except OSError:
        return 0.0
    return next((float(e["unix_time"]) for e in records(lines) if e["event"] == "progress"), 0.0)
