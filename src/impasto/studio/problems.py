"""Problem details (RFC 9457): what was wrong with a request, and what to do about it."""

import logging
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from impasto.errors import ImpastoError, InputError

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("impasto.studio")


class Problem(BaseModel):
    """What every error looks like."""

    type: str = "about:blank"
    title: Annotated[str, Field(examples=["Not Found"])]
    status: Annotated[int, Field(examples=[404])]
    detail: Annotated[str, Field(examples=["there is no model 'flowers'"])]
    hint: Annotated[str, Field(examples=["GET /api/v1/models lists what there is"])] = ""


class Refused(InputError):
    """A request that is refused with a certain status, and perhaps headers."""

    def __init__(self, status: int, message: str, hint: str = "", **headers: str) -> None:
        super().__init__(message, hint)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class NotHere(Refused):
    """What a request names is not there, or out of reach: nobody is told which."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(404, message, hint)


def problem(status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """The response for one error."""
    content = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, hint=hint).model_dump()
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def describe(error: Exception) -> JSONResponse:
    """The response for what went wrong: the caller's input is a 4xx, anything else a 5xx."""
    match error:
        case Refused():
            return problem(error.status, error.message, error.hint, error.headers)
        case InputError():
            return problem(422, error.message, error.hint)
        case ImpastoError():
            return problem(500, error.message, error.hint)
        case RecursionError():
            return problem(422, "the request is nested too deep")
        case OSError(errno=28):
            return problem(507, "the disk is full", "remove something, or choose another --workspace")
    log.error("unexpected", exc_info=error)
    return problem(500, "something went wrong inside", "the server's log says what")


def install(app: FastAPI) -> None:
    """Let an app answer every error with problem details."""

    async def known(request: Request, error: Exception) -> JSONResponse:
        return describe(error)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return problem(422, _in_words(error.errors()), "the description is at /api/v1/openapi.json")

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    for kind in (ImpastoError, RecursionError, OSError, Exception):
        app.add_exception_handler(kind, known)


def _in_words(errors: Any) -> str:
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"][1:] if isinstance(part, str | int))
    rest = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{place + ': ' if place else ''}{first['msg']}{rest}"[:500]
