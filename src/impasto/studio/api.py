"""The HTTP API: models, pictures, enlarging. `trainings.py` has data sets and jobs."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import Response, StreamingResponse

from impasto.studio import schemas, work
from impasto.studio.problems import MEDIA_TYPE, Problem, Refused
from impasto.studio.queue import Check
from impasto.studio.schemas import Generate, Health, Interpolate, ModelSeen, PicturesMade
from impasto.studio.security import peer_of
from impasto.studio.streams import in_chunks
from impasto.studio.studio import Studio
from impasto.studio.uploads import check_picture, read_bounded

T = TypeVar("T")
Engine = Literal["auto", "torch", "onnxruntime", "openvino", "ncnn"]


def the_studio(request: Request) -> Studio:
    """The studio of the app that a request came to."""
    studio: Studio = request.app.state.studio
    return studio


Here = Annotated[Studio, Depends(the_studio)]


async def in_turn(request: Request, work: Callable[[Check], T]) -> T:
    """Do work in the queue and wait for it; a client that goes away frees its place.

    Raises `Refused`: 429 where no place is free, 503 where it takes too long.
    """
    studio = the_studio(request)
    place = studio.queue.enter(work, peer_of(request.scope))
    made: asyncio.Future[Any] = asyncio.wrap_future(place.future)
    gone: asyncio.Future[Any] = asyncio.ensure_future(_wait_until_gone(request))
    try:
        seconds = studio.settings.limits.request_seconds
        await asyncio.wait((made, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if made.done():
            result: T = made.result()
            return result
        if gone.done():
            raise Refused(408, "the client went away")
        raise Refused(503, f"this takes longer than {seconds:g} s", "ask for less", Retry_After="60")
    finally:
        gone.cancel()
        if not made.done():
            place.leave()
            made.cancel()


async def _wait_until_gone(request: Request) -> None:
    """Returns when the client went away; its request must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the description says of errors: these, and those that any request may meet."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    words = {
        400: "The request is not what its headers say", 401: "A token is needed", 403: "Not from here",
        404: "Nothing of that name", 405: "Not that method", 408: "Too slow", 409: "Not as things stand",
        413: "Too large", 415: "Not a picture that can be used", 422: "Something in it is wrong",
        429: "The queue is full: `Retry-After` says when to come again", 503: "It took too long",
    }  # fmt: skip
    every = {400, 401, 403, 405, 408, 413, 422, *statuses}
    return {status: {"description": words[status], "content": content} for status in sorted(every)}


def pictures(*kinds: str, json: type | None = None) -> dict[int | str, dict[str, Any]]:
    """What the description says of an answer that is a picture, or JSON."""
    content: dict[str, Any] = {
        kind: {"schema": {"type": "string", "contentMediaType": kind}} for kind in kinds
    }
    if json is not None:
        content["application/json"] = {"schema": {"$ref": f"#/components/schemas/{json.__name__}"}}
    return {200: {"description": "Pictures", "content": content}}


routes = APIRouter(prefix="/api/v1", responses={500: {"model": Problem, "description": "Our mistake"}})


@routes.get("/health", responses=problems(), tags=["server"])
async def health(studio: Here) -> Health:
    """Whether the server is up, and how much its queue has to do. Needs no token."""
    # No thread is needed for it, as all of them may be waiting for a disk.
    return Health(status="closing" if studio.closing.is_set() else "ok", **studio.queue.load)


@routes.get("/models", responses=problems(), tags=["pictures"])
def models(studio: Here) -> list[ModelSeen]:
    """The models that can be used: those of the package, and those below the workspace's folders."""
    return [ModelSeen(**entry.to_dict()) for entry in studio.catalogue.models()]


@routes.post(
    "/generate",
    response_class=Response,
    responses={**problems(404, 415, 429, 503), **pictures("image/png", "image/webp", json=PicturesMade)},
    tags=["pictures"],
)
async def generate(request: Request, studio: Here, ask: Generate) -> Response:
    """New pictures by seeds, or those of recipes again: one alone, several on a sheet, or all as JSON."""
    limits = studio.settings.limits
    return answer(
        await in_turn(request, lambda _: work.generate(studio.catalogue.generator(ask.model), ask, limits))
    )


@routes.post(
    "/interpolate",
    response_class=Response,
    responses={**problems(404, 429, 503), **pictures("image/webp", json=PicturesMade)},
    tags=["pictures"],
)
async def interpolate(request: Request, studio: Here, ask: Interpolate) -> Response:
    """A way from picture to picture at an even pace, as an animation or frame by frame."""
    return answer(
        await in_turn(request, lambda _: work.interpolate(studio.catalogue.generator(ask.model), ask))
    )


@routes.post("/project", responses=problems(404, 415, 429, 503), tags=["pictures"])
async def project(
    request: Request,
    studio: Here,
    photo: Annotated[UploadFile, File(description="Any picture.")],
    model: Annotated[schemas.ModelName, Form()],
    steps: Annotated[int, Form(ge=0, le=schemas.MOST_STEPS)] = 300,
    candidates: Annotated[int, Form(ge=16, le=schemas.MOST_CANDIDATES)] = 1_024,
    seed: Annotated[int, Form(ge=0, lt=2**63)] = 0,
) -> schemas.Found:
    """The picture of a model that is most like a photo; its recipe is where to go on from."""
    data = await _bytes(photo, studio)

    def find(check: Check) -> dict[str, Any]:
        check_picture(data, "the photo", studio.settings.limits)
        return work.project(studio.catalogue.generator(model), data, steps, candidates, seed, check)

    return schemas.Found(**await in_turn(request, find))


@routes.post(
    "/upscale",
    response_class=Response,
    responses={**problems(404, 415, 429, 503), **pictures("image/png", "image/webp", "image/jpeg")},
    tags=["pictures"],
)
async def upscale(
    request: Request,
    studio: Here,
    picture: Annotated[UploadFile, File(description="Any picture.")],
    model: Annotated[
        schemas.ModelName, Form(description="An upscaler, or auto: photo-x4 or drawing-x4, as suits.")
    ] = "auto",
    scale: Annotated[float | None, Form(ge=1, le=16, allow_inf_nan=False)] = None,
    engine: Annotated[Engine, Form()] = "auto",
    format: Annotated[Literal["png", "webp", "jpg"], Form()] = "png",
) -> Response:
    """A picture larger and sharp; 16 bits, grey, alpha, profile and EXIF are kept."""
    data, limits = await _bytes(picture, studio), studio.settings.limits

    def enlarge(check: Check) -> work.Answer:
        check_picture(data, "the picture", limits)
        upscaler = studio.catalogue.upscaler(model, engine, data)
        return work.upscale(upscaler, data, scale, format, limits, check)

    return answer(await in_turn(request, enlarge))


async def _bytes(file: UploadFile, studio: Studio) -> bytes:
    """What one uploaded file holds. Raises `Refused`."""
    most = studio.settings.limits.picture_bytes
    return await asyncio.to_thread(read_bounded, file.file, most, "the picture")


def answer(made: work.Answer) -> StreamingResponse:
    """A body in parts, between which a client that takes nothing is noticed."""
    data, media_type = made
    return StreamingResponse(in_chunks(data), 200, {"content-length": str(len(data))}, media_type)
