"""What of Gradio can be reached.

As a guest of another application it looks less closely than on its own: it copies any file of this computer,
and fetches any address, that a request names as its upload.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.studio.page.words import LANGUAGES
from impasto.studio.problems import problem

_JOIN = "gradio_api/queue/join"
_OPEN = {
    "GET": (
        "", "config", "app_id", "theme.css", "gradio_api/queue/data", "gradio_api/upload_progress",
        "gradio_api/app_id", "gradio_api/startup-events",
    ),
    "POST": (_JOIN, "gradio_api/upload", "gradio_api/cancel", "gradio_api/reset"),
}  # fmt: skip
_OPEN_BELOW = ("assets/", "static/", "svelte/", "gradio_api/file=", "gradio_api/heartbeat/")


class Gate:
    """Lets through what the page itself asks for, with no files but those that Gradio took in or made."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

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
            if not _is_ours(b"".join(message.get("body", b"") for message in messages)):
                await problem(
                    403, "the request names a file that was not uploaded, or a number that is none"
                )(scope, receive, send)
                return
            receive = _again(messages, receive)
        await self.app(scope, receive, send)


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


def _is_ours(body: bytes) -> bool:
    """Whether all files that a request names lie where Gradio keeps uploads and what it shows."""
    try:
        named = list(_paths(json.loads(body, parse_constant=_refuse, parse_float=_finite)))
    except (ValueError, RecursionError):
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
