"""Clients that stand still, and work that takes too long: each lets go of its place."""

import asyncio
import json
import threading

import pytest

from impasto.studio import streams
from impasto.studio.settings import Limits
from impasto.studio.streams import Bounds

LIMITS = Limits(silent_seconds=0.05, request_seconds=0.2, slow_seconds=30)
PATIENT = Limits(silent_seconds=200, slow_seconds=200, request_seconds=200)  # for those who do nothing wrong
SCOPE = {
    "type": "http", "path": "/api/v1/upscale", "method": "POST",
    "headers": [(b"content-type", b"multipart/form-data; boundary=x")],
}  # fmt: skip


async def reads_all(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"read"})


def exchange(parts, app=reads_all, taken=lambda message: None, limits=LIMITS):
    """What is sent to a client that sends `parts`, with None for standing still; and `Bounds` afterwards."""
    sent, left = [], iter(parts)

    async def receive():
        part = next(left, None)
        await asyncio.sleep(200 if part is None else 0.01)
        return {"type": "http.request", "body": part, "more_body": part != b"end"}

    async def send(message):
        if taken(message):
            await asyncio.sleep(200)
        sent.append(message)

    bounds = Bounds(app, limits=limits)
    asyncio.run(asyncio.wait_for(bounds(SCOPE, receive, send), 150))
    assert not bounds._uploads
    return sent


@pytest.mark.parametrize("parts", [[], [b"some"]])
def test_who_stands_still_while_sending_is_told_and_let_go(monkeypatch, parts):
    monkeypatch.setattr(streams, "DRAIN_SECONDS", 0.05)
    start, *bodies = exchange(parts)
    assert start["status"] == 408
    assert json.loads(b"".join(body.get("body", b"") for body in bodies))["status"] == 408


def test_who_sends_a_little_at_a_time_has_no_longer_than_others(monkeypatch):
    monkeypatch.setattr(streams, "DRAIN_SECONDS", 0.05)
    assert exchange([b"x"] * 1_000)[0]["status"] == 408


def test_who_sends_too_little_for_its_time_is_let_go(monkeypatch):
    """A byte now and then is not silence, and holds a place all the same."""
    monkeypatch.setattr(streams, "DRAIN_SECONDS", 0.05)
    monkeypatch.setattr(
        "tests.studio.test_streams.LIMITS", Limits(slow_seconds=0.1, least_rate=1_000_000, silent_seconds=30)
    )
    assert exchange([b"x"] * 10_000)[0]["status"] == 408


def test_one_address_has_some_of_the_places_for_uploads(open_client):
    client = open_client(Limits(uploads_at_once=16, uploads_of_a_peer=0))
    answer = client.post("/api/v1/datasets", files={"files": ("a.png", b"x")})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")


def test_who_sends_all_is_answered():
    told = exchange([b"some", b"end"], limits=PATIENT)
    assert [message.get("status", message.get("body")) for message in told] == [200, b"read"]


def test_who_takes_nothing_is_let_go():
    given = []

    async def gives(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            given.append(1)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    with pytest.raises(OSError, match="takes nothing"):
        exchange([b"end"], gives, taken=lambda message: message["type"] == "http.response.body")
    assert len(given) == 1


def test_a_request_has_a_time_limit(open_client):
    client = open_client(Limits(workers=1, request_seconds=0.3))
    gate = threading.Event()
    client.app.state.studio.queue.enter(lambda check: gate.wait(200))
    try:
        answer = client.post("/api/v1/generate", json={"model": "tiny", "seeds": [1]})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert client.get("/api/v1/health").json()["waiting"] == 0  # its place is free again
    finally:
        gate.set()
