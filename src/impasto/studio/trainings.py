"""The HTTP API: data sets and jobs."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Header, Query, Request, Response, UploadFile
from fastapi.responses import StreamingResponse

from impasto.studio import work
from impasto.studio.api import Here, in_turn, pictures, problems
from impasto.studio.journal import Journal
from impasto.studio.problems import NotHere, Problem, Refused
from impasto.studio.records import EVENTS
from impasto.studio.samples import list_grids, read_grid
from impasto.studio.schemas import SIZE, DatasetMade, DatasetSeen, JobSeen, Limits, Train
from impasto.studio.status import Job
from impasto.studio.studio import Studio
from impasto.studio.uploads import FOLDER

LOOK_SECONDS, BREATH_SECONDS = 0.5, 15.0  # how often a run's events are looked for; a sign of life
routes = APIRouter(prefix="/api/v1", responses={500: {"model": Problem, "description": "Our mistake"}})


@routes.get("/datasets", responses=problems(), tags=["data sets"])
def datasets(studio: Here) -> list[DatasetSeen]:
    """Folders of pictures: those that were uploaded, and those found below the workspace's folders."""
    uploaded = {one.catalogue_name: one for one in studio.uploads.all()}
    found = dict(studio.catalogue.pictures())
    found.pop(FOLDER, None)
    seen = [
        DatasetSeen(name=name, title=one.name, pictures=one.pictures, id=one.id)
        for name, one in uploaded.items()
    ]
    return seen + [
        DatasetSeen(name=name, title=name, pictures=count)
        for name, count in found.items()
        if name not in uploaded
    ]


@routes.post("/datasets", status_code=201, responses=problems(415, 429, 503), tags=["data sets"])
async def upload(
    request: Request,
    response: Response,
    studio: Here,
    files: Annotated[list[UploadFile], File(description="Pictures, or zips of pictures.")],
    name: Annotated[str, Form(max_length=80)] = "",
) -> DatasetMade:
    """A new data set from pictures and zips of them. A zip's subfolders are its themes."""
    given = [(file.filename or "a file", file.file) for file in files]
    title = name or given[0][0].rpartition(".")[0]
    made = await in_turn(request, lambda check: studio.uploads.take(title, given, check))
    response.headers["location"] = f"/api/v1/datasets/{made.catalogue_name}"
    return DatasetMade(
        name=made.catalogue_name, title=made.name, pictures=made.pictures, id=made.id,
        themes=made.themes, rejected=made.rejected, notes=made.notes,
    )  # fmt: skip


@routes.get("/datasets/{name:path}", responses=problems(404, 409, 429, 503), tags=["data sets"])
async def inspect(
    request: Request, studio: Here, name: str, size: Annotated[str, Query(pattern=SIZE)] = "64"
) -> dict[str, Any]:
    """Look at a folder before training: counts, sizes, broken files, copies, themes, palette, advice."""
    return await in_turn(
        request, lambda check: work.inspect(studio.catalogue.folder_to_read(name), size, check)
    )


@routes.delete("/datasets/{dataset_id}", status_code=204, responses=problems(404, 409), tags=["data sets"])
def remove(studio: Here, dataset_id: str) -> None:
    """Remove pictures that were uploaded; folders of yours are never touched."""
    name = studio.uploads.get(dataset_id).catalogue_name
    if any(job.pictures == name and job.runs for job in studio.jobs.all()):
        raise Refused(409, "a training is using these pictures", "stop it first")
    studio.uploads.remove(dataset_id)


@routes.get("/jobs", responses=problems(), tags=["jobs"])
def jobs(studio: Here) -> list[JobSeen]:
    """The trainings, the newest first, those of before the last start of the server among them."""
    return [_describe(studio, job) for job in studio.jobs.all()]


@routes.post("/jobs", status_code=201, responses=problems(404, 409), tags=["jobs"])
def create(response: Response, studio: Here, ask: Train) -> JobSeen:
    """Start a training, in a process of its own."""
    job = studio.jobs.create(ask)
    response.headers["location"] = f"/api/v1/jobs/{job.id}"
    return _describe(studio, job)


@routes.get("/jobs/{job_id}", responses=problems(404), tags=["jobs"])
def one_job(studio: Here, job_id: str) -> JobSeen:
    """How a training stands."""
    return _describe(studio, studio.jobs.get(job_id))


@routes.post("/jobs/{job_id}/stop", status_code=202, responses=problems(404, 409), tags=["jobs"])
def stop(studio: Here, job_id: str) -> JobSeen:
    """Let a training save and end; it is `stopping` until it has."""
    return _describe(studio, studio.jobs.stop(job_id))


@routes.post("/jobs/{job_id}/resume", status_code=202, responses=problems(404, 409), tags=["jobs"])
def resume(studio: Here, job_id: str, ask: Limits | None = None) -> JobSeen:
    """Go on exactly where the last checkpoint is, with new limits if any are given."""
    return _describe(studio, studio.jobs.resume(job_id, ask))


@routes.get(
    "/jobs/{job_id}/samples",
    response_class=Response,
    responses={**problems(404), **pictures("image/png")},
    tags=["jobs"],
)
def samples(studio: Here, job_id: str) -> Response:
    """The newest grid of pictures from fixed noise."""
    grids = list_grids(studio.jobs.get(job_id).folder)
    if not grids:
        raise NotHere("there are no samples yet", "the first come a minute after the start")
    return Response(read_grid(grids[-1]), media_type="image/png")


@routes.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        **problems(404),
        200: {
            "description": "Server-sent events: `event` is started, progress, evaluated ... stopped,"
            " `data` the record. `rewound`: forget what was before, the run went on from a checkpoint."
            " `state` says how the job stands and, with `follow`, ends the stream when it does not run.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
    tags=["jobs"],
)
def events(
    studio: Here,
    job_id: str,
    follow: Annotated[bool, Query(description="Wait for more while the job runs.")] = True,
    last_event_id: Annotated[str, Header(max_length=100)] = "",
) -> StreamingResponse:
    """All that happened in a training, and what happens, as server-sent events."""
    journal = Journal(studio.jobs.get(job_id).folder / EVENTS, last_event_id)
    return StreamingResponse(
        _stream(studio, job_id, journal, follow=follow),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


async def _stream(studio: Studio, job_id: str, journal: Journal, *, follow: bool) -> AsyncIterator[bytes]:
    """The events as text, until the job does not run or the server closes."""
    silent, told = 0.0, ""
    while True:
        job = await asyncio.to_thread(studio.jobs.get, job_id)  # before its events: the last are not missed
        anew, lines = await asyncio.to_thread(journal.new)
        if anew and told:
            yield b"event: rewound\ndata: {}\n\n"
        for line in lines:
            text = json.dumps(line.record)
            yield f"id: {line.id}\nevent: {line.record['event']}\ndata: {text}\n\n".encode()
        if journal.behind:  # a long file is given part by part
            continue
        if job.state != told:
            told = job.state
            yield f"event: state\ndata: {json.dumps(_describe(studio, job).model_dump())}\n\n".encode()
        if not follow or not job.runs or studio.closing.is_set():
            return
        silent = 0.0 if lines else silent + LOOK_SECONDS
        if silent >= BREATH_SECONDS:
            silent = 0.0
            yield b": still here\n\n"
        await asyncio.sleep(LOOK_SECONDS)


def _describe(studio: Studio, job: Job) -> JobSeen:
    return JobSeen(**{**job.to_dict(), "words": studio.without_places(job.words)})
