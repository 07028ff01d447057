"""The models to choose from, by names for people, and which of them are still in training."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from impasto.studio.catalogue import Entry
from impasto.studio.journal import newest
from impasto.studio.page.desk import Desk
from impasto.studio.problems import NotHere
from impasto.studio.records import ENDED_WELL, EVENTS
from impasto.studio.status import Job

Progress = Literal["done", "training", "unfinished"]
SILENT_SECONDS = 900.0  # a run without a job whose journal is older than this is not running
_PARTS = ("best", "last")


@dataclass(frozen=True)
class Known:
    """A model and how it stands. `title` is what people call it."""

    entry: Entry
    title: str
    progress: Progress


def known(desk: Desk, kind: Literal["generator", "upscaler"]) -> list[Known]:
    """The models of a kind: finished ones first, a person's before the package's, new before old."""
    jobs = {job.model: job for job in desk.studio.jobs.all()}
    found = [
        Known(entry, title_of(entry.name, jobs.get(entry.name)), _progress(entry, jobs.get(entry.name)))
        for entry in desk.studio.catalogue.models()
        if entry.kind == kind
    ]
    return sorted(found, key=lambda one: (one.progress != "done", one.entry.shipped, -one.entry.changed))


def title_of(name: str, job: Job | None) -> str:
    """What people call a model."""
    return job.name if job is not None else name


def title(desk: Desk, name: str) -> str:
    """What people call the model of that name."""
    parent, _, id_ = name.rpartition("/")
    if parent != "runs":  # where jobs are; not all are read, as a slider asks this at every move
        return name
    try:
        return title_of(name, desk.studio.jobs.get(id_))
    except NotHere:
        return name


def choices(desk: Desk, models: list[Known]) -> list[tuple[str, str]]:
    """What people call each, beside its name. Those of one title are told apart by their times."""
    titles = [one.title for one in models]
    told = []
    for one in models:
        words = one.title
        if titles.count(words) > 1 and words != one.entry.name:
            words += time.strftime(" · %Y-%m-%d %H:%M", time.localtime(one.entry.changed))
        if one.progress != "done":
            words = f"{words} ({desk.say(one.progress)})"
        told.append((words, one.entry.name))
    return told


def to_choose(desk: Desk, chosen: str | None = None) -> Any:
    """What a list of generators becomes; a finished one is chosen unless one is named."""
    models = known(desk, "generator")
    names = [one.entry.name for one in models]
    return gr.update(
        choices=choices(desk, models), value=chosen if chosen in names else next(iter(names), None)
    )


def pictures_of(desk: Desk, name: str) -> str | None:
    """The data set that a model was trained on in this studio; None for a model from elsewhere."""
    folder = desk.studio.catalogue.entry(name, "generator").folder
    jobs = (job for job in desk.studio.jobs.all() if folder.is_relative_to(job.folder))
    return next((job.pictures for job in jobs), None)


def stamp(desk: Desk, name: str | None) -> float:
    """When a model's weights were written; 0 where there is none of that name."""
    try:
        return desk.studio.catalogue.entry(name).changed if name else 0.0
    except NotHere:
        return 0.0


def _progress(entry: Entry, job: Job | None) -> Progress:
    if entry.shipped:
        return "done"
    if job is not None:
        if job.runs:
            return "training"
        return "done" if job.state == "finished" else "unfinished"
    run = entry.folder.parent if entry.folder.name in _PARTS else entry.folder
    return _of_journal(run / EVENTS)


def _of_journal(journal: Path) -> Progress:
    """How a run stands that `impasto train` made; a model without a journal was finished elsewhere."""
    last = newest(journal)
    if not last:
        return "done"
    latest = max(last.values(), key=lambda event: float(event.get("unix_time", 0)))
    if latest["event"] == "stopped":
        return "done" if latest.get("condition") in ENDED_WELL else "unfinished"
    return "training" if time.time() - journal.stat().st_mtime < SILENT_SECONDS else "unfinished"
