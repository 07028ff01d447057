"""The server process: answers until it is told to end, then finishes what it has begun and saves."""

import asyncio
import logging
import os
import socket
import sys
from types import FrameType
from typing import Any

import uvicorn

from impasto.errors import InputError
from impasto.studio.app import create_app
from impasto.studio.settings import Settings
from impasto.studio.studio import Studio

DRAIN_SECONDS, SAVE_SECONDS = 30, 120
MOST_CONNECTIONS = 1_024


class Server(uvicorn.Server):
    """Uvicorn's, which on the first signal also lets trainings save, and waits for them."""

    def __init__(self, config: uvicorn.Config, studio: Studio) -> None:
        super().__init__(config)
        self.studio = studio

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


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises `InputError` for an address that cannot be had."""
    # OpenMP's threads wait for each other by spinning. Here pictures, enlarging and a training share the
    # cores, where sleeping is three times as fast (docs/research.md). Torch reads it, and so do trainings.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    listener = _listen(settings.host, settings.port)
    app = create_app(settings)
    _log_to_stderr()
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
        proxy_headers=False,
    )
    Server(config, app.state.studio).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    name = host.strip("[]")
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    # The protocol is named, or asyncio does not know the connections for TCP and leaves Nagle's algorithm on:
    # every answer in two parts would wait 40 ms for the client's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((name, port))
    except OSError as error:
        listener.close()
        raise InputError(f"{host}:{port} cannot be had: {error.strerror}", "choose another --port") from None
    listener.set_inheritable(True)
    return listener


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
