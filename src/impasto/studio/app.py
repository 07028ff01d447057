"""The studio's web application: API, sign-in and page behind one guard."""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.middleware.cors import CORSMiddleware

from impasto import __version__
from impasto.studio import api, problems, trainings
from impasto.studio.security import Attempts, Guard, SecurityHeaders, login_routes
from impasto.studio.settings import Settings
from impasto.studio.streams import AccessLog, Bounds
from impasto.studio.studio import Studio, open_studio

_ABOUT = """Train, steer, explore and upscale. Errors are problem details (RFC 9457) with a `hint`.
Where the server was started with a token, each request needs `Authorization: Bearer TOKEN`."""


def create_app(settings: Settings, studio: Studio | None = None) -> FastAPI:
    """The application; `app.state.studio` holds what it works with, opened here unless it is given.

    Raises `InputError` as `open_studio` does.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.studio.close()

    # The usual pages of documentation fetch their scripts from elsewhere; the description itself is ours.
    app = FastAPI(
        title="Impasto",
        version=__version__,
        description=_ABOUT,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.studio = studio or open_studio(settings)
    problems.install(app, app.state.studio.catalogue.roots)
    app.include_router(api.routes)
    app.include_router(trainings.routes)
    attempts = Attempts()
    app.include_router(login_routes(settings, attempts))
    _mount_page(app, wanted=settings.page)
    app.add_middleware(Bounds, limits=settings.limits)
    app.add_middleware(Guard, settings=settings, attempts=attempts)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type", "last-event-id"],
        )
    app.add_middleware(SecurityHeaders, open_to_others=bool(settings.origins))
    app.add_middleware(AccessLog)
    return app


def _mount_page(app: FastAPI, *, wanted: bool) -> None:
    """Put the page at `/`; without Gradio the API is all there is."""
    if not wanted:
        app.add_api_route("/", _front, include_in_schema=False)
        return
    try:
        page = importlib.import_module("impasto.studio.page")
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        app.add_api_route("/", _front, include_in_schema=False)
    else:
        page.mount(app)


def _front() -> JSONResponse:
    """Where there is no page, what there is."""
    return JSONResponse({"api": "/api/v1/openapi.json"})
