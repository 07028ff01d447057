"""The models to choose from, by names for people, and which of them are still in training."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from impasto.studio.catalogue import PARTS, Entry
from impasto.studio.page.context import PageContext
from impasto.studio.parts import journals_of, newest_of_parts
from impasto.studio.problems import NotHere
from impasto.studio.records import ENDED_WELL
from impasto.studio.status import Job

Progress = Literal["done", "training", "unfinished"]
SILENT_SECONDS = 900.0  # a run without a job whose journal is older than this is not running


@dataclass(frozen=True)
class ListedModel:
    """A model and how it stands. `title` is what people call it."""

    entry: Entry
    title: str
    progress: Progress


def list_models(context: PageContext, kind: Literal["generator", "upscaler"]) -> list[ListedModel]:
    """The models of a kind: finished ones first, a person's before the package's, new before old."""
    jobs = {job.model: job for job in context.studio.jobs.all()}
    found = []
    for entry in context.studio.catalogue.models():
        if entry.kind == kind:
            job = jobs.get(entry.name)
            title = job.name if job is not None else entry.name
            found.append(ListedModel(entry, title, _progress(entry, job)))
    return sorted(found, key=lambda one: (one.progress != "done", one.entry.shipped, -one.entry.changed))


def title(context: PageContext, name: str) -> str:
    """What people call the model of that name."""
    parent, _, id_ = name.rpartition("/")
    if parent != "runs":  # where jobs are; not all are read, as a slider asks this at every move
        return name
    try:
        return context.studio.jobs.get(id_).name
    except NotHere:
        return name


def choices(context: PageContext, models: list[ListedModel]) -> list[tuple[str, str]]:
    """What people call each, beside its name. Those of one title are told apart by their times."""
    titles = [one.title for one in models]
    told = []
    for one in models:
        words = one.title
        if titles.count(words) > 1 and words != one.entry.name:
            words += time.strftime(" · %Y-%m-%d %H:%M", time.localtime(one.entry.changed))
        if one.progress != "done":
            words = f"{words} ({context.say(one.progress)})"
        told.append((words, one.entry.name))
    return told


def update_choices(context: PageContext, chosen: str | None = None) -> Any:
    """What a list of generators becomes; a finished one is chosen unless one is named."""
    models = list_models(context, "generator")
    names = [one.entry.name for one in models]
    return gr.update(
        choices=choices(context, models), value=chosen if chosen in names else next(iter(names), None)
    )


def pictures_of(context: PageContext, name: str) -> str | None:
    """The data set that a model was trained on in this studio; None for a model from elsewhere."""
    folder = context.studio.catalogue.entry(name, "generator").folder
    jobs = (job for job in context.studio.jobs.all() if folder.is_relative_to(job.folder))
    return next((job.pictures for job in jobs), None)


def stamp(context: PageContext, name: str | None) -> float:
    """When a model's weights were written; 0 where there is none of that name."""
    try:
        return context.studio.catalogue.entry(name).changed if name else 0.0
    except NotHere:
        return 0.0


def _progress(entry: Entry, job: Job | None) -> Progress:
    if entry.shipped:
        return "done"
    if job is not None:
        if job.runs:
            return "training"
        return "done" if job.state == "finished" else "unfinished"
    return _of_run(entry.folder.parent if entry.folder.name in PARTS else entry.folder)


def _of_run(run: Path) -> Progress:
    """How a run stands that `impasto train` made; a model without a journal was finished elsewhere."""
    last = newest_of_parts(run)
    if not last:
        return "done"
    latest = max(last.values(), key=lambda event: float(event.get("unix_time", 0)))
    if latest["event"] == "stopped":
        return "done" if latest.get("condition") in ENDED_WELL else "unfinished"
    written = max(journal.stat().st_mtime for journal in journals_of(run) if journal.is_file())
    return "training" if time.time() - written < SILENT_SECONDS else "unfinished"
