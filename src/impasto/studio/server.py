"""The server process: answers until it is told to end, then finishes what it has begun and saves."""

import asyncio
import functools
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from impasto.errors import InputError
from impasto.studio import memory
from impasto.studio.app import create_app
from impasto.studio.connections import Connection, Connections
from impasto.studio.settings import Limits, Settings
from impasto.studio.studio import Studio, open_studio

DRAIN_SECONDS, SAVE_SECONDS = 30, 120
OPEN_FILES = 4_096  # wanted: connections, and what is read and written for them


class Server(uvicorn.Server):
    """Uvicorn's, which on the first signal also lets trainings save, and waits for them."""

    def __init__(self, config: uvicorn.Config, studio: Studio, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.studio = studio
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        if self.started:
            self.ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """On Ctrl-C or SIGTERM: streams of events end, or they would hold the server up."""
        self.studio.closing.set()
        self.force_exit = self.should_exit  # the second time: at once
        self.should_exit = True  # and not uvicorn's way, which ends by the signal after all is well

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, finish what is begun, let trainings save."""
        self.studio.queue.close()
        await super().shutdown(sockets)
        left = await asyncio.to_thread(self.studio.jobs.stop_all, SAVE_SECONDS, lambda: self.force_exit)
        for id_ in left:
            logging.getLogger("impasto.studio").warning("training %s is still saving", id_)


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` hears the studio's address once it answers there.

    Raises `InputError` for an address that cannot be had, and for a workspace that another studio holds or
    that cannot be written to.
    """
    # OpenMP's threads wait for each other by spinning. Here pictures, enlarging and a training share the
    # cores, where sleeping is three times as fast (docs/research.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    memory.use_few_arenas()
    limits = _fit_to_system(settings.limits)
    listener = listen(settings.host, settings.port)
    try:
        studio = open_studio(settings)
        # Whatever a library writes to a temporary file: others must not read it, nor put a link in its place.
        tempfile.tempdir = str(_make_folder(studio.private / "temporary"))
        os.environ["GRADIO_TEMP_DIR"] = str(_make_folder(studio.private / "gradio"))
        app = create_app(settings, studio)
    except BaseException:
        listener.close()
        raise
    _log_to_stderr()
    connections = Connections(limits)
    config = uvicorn.Config(
        app,
        http=functools.partial(Connection, connections),  # type: ignore[arg-type]
        ws="none",  # nothing here speaks it
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
        proxy_headers=False,
    )
    host = f"[{settings.host.strip('[]')}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{listener.getsockname()[1]}/"
    try:
        Server(config, studio, lambda: announce(address)).run(sockets=[listener])
    finally:
        studio.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections at an address. Raises `InputError` where it cannot be had."""
    name = host.strip("[]")
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    # The protocol is named, or asyncio does not know the connections for TCP and leaves Nagle's algorithm on:
    # every answer in two parts would wait 40 ms for the client's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((name, port))
        listener.listen(2_048)  # now: of two who are bound to one port, the second fails only here
    except OSError as error:
        listener.close()
        raise InputError(f"{host}:{port} cannot be had: {error.strerror}", "choose another --port") from None
    listener.set_inheritable(True)
    return listener


def _fit_to_system(limits: Limits) -> Limits:
    """No more connections than half the files that this process may open, which is raised first."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return limits
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft == resource.RLIM_INFINITY:
        return limits
    return replace(limits, connections=min(limits.connections, max(8, soft // 2)))


def _make_folder(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _log_to_stderr() -> None:
    for name, pattern in (
        ("impasto.studio.access", "%(message)s"),
        ("impasto.studio", "%(levelname)s %(message)s"),
        ("uvicorn.error", "%(levelname)s %(message)s"),
    ):
        handler: logging.StreamHandler[Any] = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(pattern))
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "impasto.studio.access" else logging.WARNING)
