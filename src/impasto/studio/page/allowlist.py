"""What of Gradio can be reached.

As a guest of another application it looks less closely than on its own: it copies any file of this computer,
and fetches any address, that a request names as its upload.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gradio import Blocks
from gradio.utils import get_upload_folder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.studio.page.words import LANGUAGES
from impasto.studio.problems import problem
from impasto.studio.security import peer_of

_JOIN = "gradio_api/queue/join"
_OPEN = {
    "GET": (
        "", "config", "app_id", "theme.css", "gradio_api/queue/data", "gradio_api/upload_progress",
        "gradio_api/app_id", "gradio_api/startup-events",
    ),
    "POST": (_JOIN, "gradio_api/upload", "gradio_api/cancel", "gradio_api/reset"),
}  # fmt: skip
# Of one kind of work that run or wait. The page itself has one of a kind under way and one behind it.
MOST, MOST_OF_PEER, MOST_OF_SESSION = 32, 8, 4
_FULL = problem(429, "too much of this is waiting already; try again in a moment", "", {"retry-after": "5"})
_OPEN_BELOW = ("assets/", "static/", "svelte/", "gradio_api/file=", "gradio_api/heartbeat/")


class GradioAllowlist:
    """Lets through what the page itself asks for, with no files but those that Gradio took in or made.

    `pages` are those by their languages. Gradio keeps any number of requests waiting, in a queue of its own
    before the studio's; here they are counted.
    """

    def __init__(self, app: ASGIApp, *, pages: Mapping[str, Blocks]) -> None:
        self.app = app
        self.pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        language, _, rest = scope.get("path", "").removeprefix("/").partition("/")
        if language not in LANGUAGES:
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        below = method == "GET" and rest.startswith(_OPEN_BELOW) and "://" not in rest
        if not below and rest not in _OPEN.get(method, ()):
            await problem(404, "there is nothing here")(scope, receive, send)
            return
        if rest == _JOIN:
            messages = await _whole(receive)
            try:
                body = b"".join(message.get("body", b"") for message in messages)
                ask = json.loads(body, parse_constant=_refuse, parse_float=_finite)
            except (ValueError, RecursionError):
                ask = None
            if ask is None or not _is_ours(ask):
                words = "the request names a file that was not uploaded, or a number that is none"
                await problem(403, words)(scope, receive, send)
                return
            if not self._has_room(ask, peer_of(scope)):
                await _FULL(scope, receive, send)
                return
            receive = _again(messages, receive)
        await self.app(scope, receive, send)

    def _has_room(self, ask: Any, peer: str) -> bool:
        """Whether a session, and an address, may ask for one more piece of this kind of work."""
        if not isinstance(ask, dict):
            return True  # Gradio refuses it
        number, session = ask.get("fn_index"), ask.get("session_hash")
        in_all = of_peer = of_session = 0
        for page in self.pages.values():
            queue = page._queue
            waiting = [one for kind in queue.event_queue_per_concurrency_id.values() for one in kind.queue]
            for event in [*waiting, *(one for job in queue.active_jobs for one in job or ())]:
                if event.fn._id == number:
                    in_all += 1
                    of_peer += peer_of(event.request.scope) == peer
                    of_session += event.session_hash == session
        return in_all < MOST and of_peer < MOST_OF_PEER and of_session < MOST_OF_SESSION


async def _whole(receive: Receive) -> list[Message]:
    """All of a body; `Bounds` sees to it that it is small."""
    messages = [await receive()]
    while messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


def _again(messages: list[Message], receive: Receive) -> Receive:
    """The same body once more, and after it what comes next."""
    left = iter(messages)

    async def replay() -> Message:
        return next(left, None) or await receive()

    return replay


def _is_ours(ask: Any) -> bool:
    """Whether all files that a request names lie where Gradio keeps uploads and what it shows."""
    try:
        named = list(_paths(ask))
    except RecursionError:
        return False
    folder = Path(get_upload_folder()).resolve()
    return all("\0" not in path and Path(path).resolve().is_relative_to(folder) for path in named)


def _refuse(word: str) -> Any:
    """No browser sends NaN or Infinity, and nothing on the page expects them."""
    raise ValueError(f"{word} is no number")


def _finite(text: str) -> float:
    return number if math.isfinite(number := float(text)) else _refuse(text)


def _paths(tree: Any) -> Iterator[str]:
    """Every `path` in a tree of JSON: Gradio's files are `{"path": ..., "meta": ...}`, wherever they are."""
    if isinstance(tree, list):
        for part in tree:
            yield from _paths(part)
    elif isinstance(tree, dict):
        if "path" in tree:
            yield str(tree["path"])
        for part in tree.values():
            yield from _paths(part)
