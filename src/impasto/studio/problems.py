"""Problem details (RFC 9457): what was wrong with a request, and what to do about it."""

import errno
import logging
import re
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
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
    """The response for one error.

    Args:
        status: HTTP status; its phrase is the title.
        detail: What was wrong, in words.
        hint: What to do about it, in words. Empty: nothing is known.
        headers: Further headers. None: no further ones.
    """
    content = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, hint=hint).model_dump()
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def without_places(text: str, roots: Sequence[Path] = ()) -> str:
    """Words of the library without paths of this computer: relative to a root, or the last part alone."""
    for root in sorted(map(str, roots), key=len, reverse=True):
        text = text.replace(root + "/", "").replace(root, Path(root).name)
    return _QUOTED.sub(r"'\1'", _PLACE.sub(r"\1", text))


_QUOTED = re.compile(r"'/[^'\n]*?([^/'\n]*)/?'")
_PLACE = re.compile(r"(?<![\w:/.'<`])/(?:[^\s/'\"]+/)+([^\s/'\"]*)")


def describe(error: Exception, roots: Sequence[Path] = ()) -> JSONResponse:
    """The response for what went wrong: the caller's input is a 4xx, anything else a 5xx."""
    match error:
        case Refused():  # these words are the studio's own
            return problem(error.status, error.message, error.hint, error.headers)
        case ImpastoError():
            status = 422 if isinstance(error, InputError) else 500
            return problem(status, without_places(error.message, roots), without_places(error.hint, roots))
        case RecursionError():
            return problem(422, "the request is nested too deep")
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return problem(507, "the disk is full", "remove something, or choose another --workspace")
    log.error("unexpected", exc_info=error)
    return problem(500, "something went wrong inside", "the server's log says what")


def install(app: FastAPI, roots: Sequence[Path]) -> None:
    """Let an app answer every error with problem details; `roots` are the workspace's folders."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        return describe(error, roots)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return problem(422, _in_words(error.errors()), "the description is at /api/v1/openapi.json")

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        hint = next((hint for words, hint in _HINTS.items() if words in str(error.detail)), "")
        return problem(error.status_code, str(error.detail), hint, headers=dict(error.headers or {}))

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    for kind in (ImpastoError, RecursionError, OSError, Exception):
        app.add_exception_handler(kind, answer)


_HINTS = {  # by what Starlette says
    "Too many files": "send more pictures than that in a zip",
    "Too many fields": "send files, not fields",
}


def _in_words(errors: Any) -> str:
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"][1:] if isinstance(part, str | int))
    rest = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{place + ': ' if place else ''}{first['msg']}{rest}"[:500]
