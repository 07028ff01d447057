"""Requests as they come over the wire: how long and how large they may be, and the access log."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.studio.problems import problem
from impasto.studio.security import is_api, peer_of
from impasto.studio.settings import Limits

CHUNK = 64 * 1024
DRAIN_SECONDS = 5.0
log = logging.getLogger("impasto.studio.access")


class Bounds:
    """Refuses bodies that are too large while they come in, and lets go of clients that stand still."""

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self.app = app
        self.limits = limits
        self._uploads: dict[_Exchange, str] = {}  # that are coming in, and from where

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(receive, send, self.limits, self._most_bytes(scope), self._forget)
        length = Headers(scope=scope).get("content-length", "0")
        if len(length) > 18 or not length.isdecimal() or int(length) > exchange.most_bytes:
            exchange.refused = 413
            await exchange.refuse(scope)
            return
        if _is_upload(scope):  # what comes in lies on disk until it is whole
            peer = peer_of(scope)
            of_peer = sum(other == peer for other in self._uploads.values())
            if len(self._uploads) >= self.limits.uploads_at_once or of_peer >= self.limits.uploads_of_a_peer:
                exchange.refused = 429
                await exchange.refuse(scope)
                return
            self._uploads[exchange] = peer
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception:
            if exchange.refused is None:
                raise
        finally:
            self._forget(exchange)
        if exchange.refused is not None and not exchange.began:
            await exchange.refuse(scope)

    def _forget(self, exchange: "_Exchange") -> None:
        self._uploads.pop(exchange, None)

    def _most_bytes(self, scope: Scope) -> int:
        if not _is_upload(scope):  # it is read into memory, whatever path it is for
            return self.limits.json_bytes
        if is_api(scope["path"]) and not scope["path"].startswith("/api/v1/datasets"):
            return self.limits.picture_bytes + self.limits.json_bytes
        return self.limits.upload_bytes


def _is_upload(scope: Scope) -> bool:
    return Headers(scope=scope).get("content-type", "").startswith("multipart/")


class _Exchange:
    """One request and its answer, under watch. `when_whole` is told when nothing more comes in."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        limits: Limits,
        most_bytes: int,
        when_whole: Callable[["_Exchange"], None],
    ) -> None:
        self._receive, self._send, self.limits, self.most_bytes = receive, send, limits, most_bytes
        self._when_whole = when_whole
        self.refused: int | None = None  # the status to refuse with
        self.began = False  # to answer
        self._gone = self._whole = False
        self._bytes = 0
        self._began = time.monotonic()
        self._sent, self._waited = 0, 0.0  # bytes of the answer, and seconds for the client to take them

    async def receive(self) -> Message:
        """The next part of the body. Raises `ValueError` where the request is to be refused."""
        if self._whole:  # nothing is missing: what comes next is that the client goes away
            return await self._receive()
        gone = time.monotonic() - self._began
        left = min(self.limits.request_seconds, self._seconds_for(self._bytes)) - gone
        seconds = max(0.0, min(self.limits.silent_seconds, left))
        try:
            message = await asyncio.wait_for(self._receive(), seconds)
        except TimeoutError:
            self.refused = 408
            raise ValueError("the request comes too slowly") from None
        self._bytes += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._bytes > self.most_bytes:
            self.refused = 413
            raise ValueError("the request is too large")
        if self._whole:
            self._when_whole(self)
        return message

    async def send(self, message: Message) -> None:
        """A part of the answer, unless the request is refused or the client takes nothing any more."""
        if self.refused is not None and not self.began:
            return
        if self._gone:
            raise OSError("the client takes nothing any more")
        self.began = True
        left = self._seconds_for(self._sent) + self.limits.silent_seconds - self._waited
        started = time.monotonic()
        try:
            await asyncio.wait_for(self._send(message), max(0.0, min(self.limits.silent_seconds, left)))
        except TimeoutError:
            self._gone = True
            raise OSError("the client takes nothing any more") from None
        self._waited += time.monotonic() - started
        self._sent += len(message.get("body", b""))

    def _seconds_for(self, count: int) -> float:
        """How long so many bytes may take: who sends one now and then must not hold a place."""
        return self.limits.slow_seconds + count / self.limits.least_rate

    async def refuse(self, scope: Scope) -> None:
        """Answer with what is wrong."""
        close = {"connection": "close"}
        match self.refused:
            case 413:
                megabytes = self.most_bytes / 2**20
                answer = problem(413, f"the request is larger than {megabytes:.4g} MB", "", close)
            case 429:
                words = "many uploads are coming in already", "come again in 5 s"  # from there, or in all
                answer = problem(429, *words, {**close, "retry-after": "5"})
            case _:
                answer = problem(408, "the request came too slowly", "", close)
        self.began = True
        await self._drain()
        await answer(scope, self._receive, self._send)

    async def _drain(self) -> None:
        """Take what still comes for a while: a client that is cut off in the middle never reads why."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._whole:
                    message = await self._receive()
                    self._whole = not message.get("more_body", False)


class AccessLog:
    """One line of JSON a request: who, what and how long, and nothing of what was in it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, sent = time.monotonic(), 0, 0

        async def count(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, count)
        finally:
            client = scope.get("client")
            record = {
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "client": client[0] if client else None,
                "method": scope["method"],
                "path": scope["path"][:200],  # not the query: it is contents
                "status": status,
                "bytes": sent,
                "ms": round(1000 * (time.monotonic() - started)),
            }
            log.info(json.dumps(record))


def in_chunks(data: bytes) -> Iterator[bytes]:
    """Large answers in parts: between two of them a client that takes nothing is noticed."""
    view = memoryview(data)
    for start in range(0, len(view), CHUNK):
        yield bytes(view[start : start + CHUNK])
