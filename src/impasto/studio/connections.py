"""Connections that bring nothing: how long they are kept, and how many.

Uvicorn waits for ever for a request's head, and counts all connections together: so a thousand silent ones
would shut everybody out before any token is asked for.
"""

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from impasto.studio.settings import Limits

_TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: text/plain\r\n"
    b"content-length: 29\r\n\r\nthe request's head is missing"
)


class Connections:
    """All connections of a server, the one that has waited longest for its client first.

    Where there are too many, of all or of one address, that one is closed: a client that sends its request
    at once finds room whatever others hold open.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._of_peer: Counter[str] = Counter()
        self._waiting: dict[Connection, None] = {}  # for their clients, the longest first
        self._open: set[Connection] = set()

    def opened(self, one: "Connection") -> None:
        """One more."""
        self._open.add(one)
        self._of_peer[one.peer] += 1
        self.waits(one)
        if self._of_peer[one.peer] > self.limits.connections_of_a_peer:
            self._close_one(one.peer)
        elif len(self._open) > self.limits.connections:
            self._close_one(None)

    def waits(self, one: "Connection") -> None:
        """It waits for its client's next request, or for the rest of it."""
        if one in self._open:
            self._waiting.pop(one, None)
            self._waiting[one] = None

    def works(self, one: "Connection") -> None:
        """Its request is complete: now the client waits for us."""
        self._waiting.pop(one, None)

    def lost(self, one: "Connection") -> None:
        """It is closed."""
        self._waiting.pop(one, None)
        if one in self._open:
            self._open.discard(one)
            self._of_peer[one.peer] -= 1
            if not self._of_peer[one.peer]:
                del self._of_peer[one.peer]

    def _close_one(self, peer: str | None) -> None:
        """The one that has waited longest, of an address or of all; the last comer if all are at work."""
        found = next((one for one in self._waiting if peer in (None, one.peer)), None)
        if found is not None:
            self.lost(found)
            # In the usual way where nothing is left to send: a client that meant to use it again sees that
            # it is closed, and takes another.
            if found.transport.get_write_buffer_size():
                found.transport.abort()
            else:
                found.transport.close()


class Connection(H11Protocol):
    """Uvicorn's, with a time by which a request's head must be there."""

    def __init__(self, connections: Connections, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.all = connections
        self.peer = ""
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The client is there; its request is awaited."""
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        self._await_head()
        self.all.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client, or we, closed it."""
        self._cancel_deadline()
        self.all.lost(self)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """What came in may complete a head, or a body."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel_deadline()
            if not self.cycle.more_body:
                self.all.works(self)

    def on_response_complete(self) -> None:
        """The next request is awaited, or is there already."""
        self._await_head()
        self.all.waits(self)
        super().on_response_complete()

    def _await_head(self) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(self.all.limits.head_seconds, self._is_late)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_late(self) -> None:
        if not self.transport.is_closing():
            if self.cycle is None:  # nothing was ever said on it
                self.transport.write(_TOO_SLOW)
            self.transport.close()
