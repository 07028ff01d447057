"""Who may come in, and from where: token, session cookie, requests of other sites; headers for browsers.

Without a token only this computer can reach the studio, but any page in its browser can try: so the `Host`
must be this computer's (a name that an attacker owns may lead to 127.0.0.1), and another site's page may only
lead here.
"""

import hashlib
import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.pages import render
from impasto.studio.problems import problem
from impasto.studio.settings import Settings

COOKIE = "impasto-studio"
_SAFE = ("GET", "HEAD", "OPTIONS")
_OPEN = ("/login", "/api/v1/health")  # without a token; the page that asks for it, and whether we live
_STRICT = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
# Gradio's page carries scripts and styles of its own inside the page; nothing may come from elsewhere.
_PAGE = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


class SecurityHeaders:
    """Adds to every answer what keeps browsers from being used against us."""

    def __init__(self, app: ASGIApp, *, open_to_others: bool) -> None:
        self.app = app
        self.resource_policy = "cross-origin" if open_to_others else "same-origin"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        strict = is_api(scope["path"]) or scope["path"] == "/login"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cross-origin-resource-policy", self.resource_policy)
                form = "; form-action 'self'" if scope["path"] == "/login" else ""
                headers.setdefault("content-security-policy", _STRICT + form if strict else _PAGE)
                if strict:
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, with_headers)


class Guard:
    """Lets in who may come in. `settings.token` None: everybody on this computer."""

    def __init__(self, app: ASGIApp, *, settings: Settings, attempts: "Attempts") -> None:
        self.app = app
        self.settings = settings
        self.attempts = attempts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        token, path = self.settings.token, scope["path"]
        if token is None and not self._is_own_name(headers.get("host", "")):
            return problem(
                403, "the studio was asked for under a name that is not this computer's",
                f"open http://127.0.0.1:{self.settings.port}/; other names need --token",
            )  # fmt: skip
        by_header = token is not None and has_bearer(headers, token)
        peer = peer_of(scope)
        if not by_header and self._is_from_elsewhere(scope, headers):
            return problem(403, "the request comes from a page of another site")
        if token is None or by_header or path in _OPEN or has_session(headers, token):
            return None
        if "authorization" in headers:  # a wrong one
            if seconds := self.attempts.seconds_left(peer):
                return too_many_attempts(seconds)
            self.attempts.record_failure(peer)
        if "text/html" in headers.get("accept", "") and not is_api(path):
            return RedirectResponse("/login", 303)
        return problem(
            401, "a token is needed", "send 'Authorization: Bearer TOKEN', or sign in at /login",
            {"www-authenticate": "Bearer"},
        )  # fmt: skip

    def _is_own_name(self, host: str) -> bool:
        return _name(f"//{host}") in {"localhost", "127.0.0.1", "::1", self.settings.host.strip("[]").lower()}

    def _is_from_elsewhere(self, scope: Scope, headers: Headers) -> bool:
        """Whether a browser says that another site's page asks.

        Of reading, too: a picture's address in a foreign page is enough to start a scan of a large folder.
        Only a link to the page itself may be followed from elsewhere. What says nothing is no browser, or
        one too old to be asked, whose cookie SameSite keeps at home.
        """
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is not None and origin in self.settings.origins:
            return False
        if scope["type"] == "http" and scope.get("method") in _SAFE:
            path = scope["path"]
            opened = headers.get("sec-fetch-mode") == "navigate" and "api" not in path
            if opened or path in _OPEN:
                return False
        if site is not None:
            return site not in ("same-origin", "none")
        return origin is not None and urlsplit(origin).netloc != headers.get("host")


class Attempts:
    """Wrong tokens by the address they came from: past `FREE` of them it must wait, longer each time."""

    FREE, LONGEST_SECONDS, MOST_PEERS = 5, 300.0, 4_096

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and when the next may be

    def seconds_left(self, peer: str) -> float:
        """How long an address must wait before its next attempt; 0 if it need not."""
        return max(0.0, self._wrong.get(peer, (0, 0.0))[1] - self._clock())

    def record_failure(self, peer: str) -> None:
        """A wrong token came from there."""
        count, until = self._wrong.pop(peer, (0, 0.0))
        if self._clock() > until + self.LONGEST_SECONDS:  # that was long ago
            count = 0
        count += 1
        wait = min(self.LONGEST_SECONDS, 2.0 ** (count - self.FREE)) if count >= self.FREE else 0.0
        self._wrong[peer] = (count, self._clock() + wait)
        while len(self._wrong) > self.MOST_PEERS:
            self._wrong.popitem(last=False)

    def record_success(self, peer: str) -> None:
        """The right one came from there."""
        self._wrong.pop(peer, None)


def peer_of(scope: Scope) -> str:
    """The address that a request came from."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def too_many_attempts(seconds: float) -> Response:
    """The answer to a token that came too soon after wrong ones."""
    wait = str(math.ceil(seconds))
    return problem(
        429, "too many wrong tokens came from there", f"come again in {wait} s", {"retry-after": wait}
    )


def is_api(path: str) -> bool:
    """Whether a path is the API's, for programs, and not the page's."""
    return path == "/api" or path.startswith("/api/")


def has_bearer(headers: Headers, token: str) -> bool:
    """Whether a request's `Authorization` holds the token."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    return kind.lower() == "bearer" and _same(given.strip(), token)


def has_session(headers: Headers, token: str) -> bool:
    """Whether a request's cookie is that of somebody who signed in."""
    cookies = headers.get("cookie", "").split(";")
    return any(
        name.strip() == COOKIE and _same(value.strip(), session(token))
        for name, _, value in (cookie.partition("=") for cookie in cookies)
    )


def session(token: str) -> str:
    """What the cookie holds: made from the token, which cannot be found from it."""
    return hmac.new(token.encode(), b"impasto studio session", hashlib.sha256).hexdigest()


def login_routes(settings: Settings, attempts: Attempts) -> APIRouter:
    """The page that asks for the token, and signing out again."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/login")
    async def ask() -> HTMLResponse:
        return HTMLResponse(render("login.html", words=""))

    @routes.post("/login")
    async def sign_in(request: Request, token: str = Form("", max_length=1_000)) -> Response:
        peer = peer_of(request.scope)
        if seconds := attempts.seconds_left(peer):
            wait = math.ceil(seconds)
            words = f"Too many wrong tokens. Try again in {wait} s."
            return HTMLResponse(render("login.html", words=words), 429, {"retry-after": str(wait)})
        if settings.token is not None and not _same(token.strip(), settings.token):
            attempts.record_failure(peer)
            return HTMLResponse(render("login.html", words="That is not the token."), 401)
        attempts.record_success(peer)
        answer = RedirectResponse("/", 303)
        if settings.token is not None:
            answer.set_cookie(
                COOKIE, session(settings.token), max_age=30 * 86_400, httponly=True, samesite="strict",
                secure=_is_encrypted(request),
            )  # fmt: skip
        return answer

    @routes.post("/logout")
    async def sign_out() -> Response:
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return routes


def _is_encrypted(request: Request) -> bool:
    """Whether the browser's side of the connection is HTTPS, which a proxy or the browser itself says.

    Who lies about it does so to their own cookie.
    """
    said = request.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    origin = request.headers.get("origin", "")
    return "https" in (request.url.scheme, said, urlsplit(origin).scheme)


def _same(one: str, other: str) -> bool:
    """In a time that does not tell how much of it is right."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
