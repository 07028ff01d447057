"""Connections that bring nothing: how long they are kept, and how many.

Uvicorn waits for ever for a request's head, and counts all connections together: so a thousand silent ones
would shut everybody out before any token is asked for.
"""

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from impasto.studio.settings import Limits

SETTLED_SECONDS = 1.0  # a connection so young may bring its request yet
_TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: text/plain\r\n"
    b"content-length: 29\r\n\r\nthe request's head is missing"
)


class Connections:
    """All connections of a server.

    Where there are too many, of all or of one address, one that waits for its client is closed: a client that
    sends its request at once finds room whatever others hold open.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._of_peer: Counter[str] = Counter()
        self._waiting: dict[Connection, float] = {}  # for their clients, since when, the longest first
        self._open: set[Connection] = set()

    def add(self, one: "Connection") -> None:
        """One more."""
        self._open.add(one)
        self._of_peer[one.peer] += 1
        self.mark_waiting(one)
        if self._of_peer[one.peer] > self.limits.connections_of_a_peer:
            self._make_room(one, [other for other in self._waiting if other.peer == one.peer])
        elif len(self._open) > self.limits.connections:
            self._make_room(one, list(self._waiting))

    def mark_waiting(self, one: "Connection") -> None:
        """It waits for its client's next request, or for the rest of it."""
        if one in self._open:
            self._waiting.pop(one, None)
            self._waiting[one] = one.loop.time()

    def mark_working(self, one: "Connection") -> None:
        """Its request is complete: now the client waits for us."""
        self._waiting.pop(one, None)

    def remove(self, one: "Connection") -> None:
        """It is closed."""
        self._waiting.pop(one, None)
        if one in self._open:
            self._open.discard(one)
            self._of_peer[one.peer] -= 1
            if not self._of_peer[one.peer]:
                del self._of_peer[one.peer]

    def _make_room(self, newcomer: "Connection", waiting: list["Connection"]) -> None:
        """Close one of those who wait: one that never sent a request, if it had the time to; else the one
        that has waited longest; the newcomer only where all others are at work."""
        late = newcomer.loop.time() - SETTLED_SECONDS
        others = [one for one in waiting if one is not newcomer]
        found = next((one for one in others if one.cycle is None and self._waiting[one] < late), None)
        found = found or next(iter(others), newcomer)
        self.remove(found)
        # In the usual way where nothing is left to send: a client that meant to use it again sees that it is
        # closed, and takes another.
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
        self.all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client, or we, closed it."""
        self._cancel_deadline()
        self.all.remove(self)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """What came in may complete a head, or a body."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel_deadline()
            if not self.cycle.more_body:
                self.all.mark_working(self)

    def on_response_complete(self) -> None:
        """The next request is awaited, or is there already."""
        self._await_head()
        self.all.mark_waiting(self)
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
