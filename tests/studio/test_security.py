"""Who may come in, and from where."""

import io
import json
import logging
import sys

import pytest
from PIL import Image

from impasto.errors import InputError
from impasto.studio.security import COOKIE, Attempts, session
from impasto.studio.settings import Limits, Settings

TOKEN = "a token of sixteen characters and more"
BEARER = {"authorization": f"Bearer {TOKEN}"}
GENERATE = {"model": "tiny", "seeds": [1]}


@pytest.fixture
def guarded(open_client):
    return open_client(token=TOKEN, host="0.0.0.0")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "studio.example", "", "127.0.0.1.example"])
def test_no_address_beyond_this_computer_without_a_token(tmp_path, host):
    with pytest.raises(InputError, match="no token"):
        Settings((tmp_path,), host=host)
    assert Settings((tmp_path,), host=host, token=TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_this_computer_needs_none(tmp_path, host):
    assert Settings((tmp_path,), host=host).token is None


def test_a_token_cannot_be_short(tmp_path):
    for token in (
        "secret",
        "0123456789abcdef",
        "a" * 40,
        "passwordpassword" * 2,
        "0123456789abcdefghijklm\u00e9",
    ):
        with pytest.raises(InputError, match="24"):
            Settings((tmp_path,), token=token)
    assert Settings((tmp_path,), token="0123456789abcdefghijklmn")


def test_the_command_refuses(capsys, monkeypatch, tmp_path):
    from impasto.cli import main

    monkeypatch.setattr(sys, "argv", ["impasto", "serve", "--host", "0.0.0.0", "--workspace", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "--token" in capsys.readouterr().err


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Basic {TOKEN}"}, {"authorization": TOKEN}, {"authorization": "Bearer "},
        {"authorization": "Bearer \u00e9".encode("latin-1")}, {"cookie": f"{COOKIE}={TOKEN}"},
        {"cookie": f"{COOKIE}="}, {"cookie": f"{COOKIE}=wrong"}, {"cookie": f"other={session(TOKEN)}"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/v1/models", "/api/v1/openapi.json", "/", "/api/v1/nothing"])
def test_without_the_token_there_is_nothing(guarded, headers, path):
    answer = guarded.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_with_the_token_there_is_all(guarded):
    assert guarded.get("/api/v1/models", headers=BEARER).status_code == 200
    assert guarded.post("/api/v1/generate", json=GENERATE, headers=BEARER).status_code == 200
    assert guarded.get("/api/v1/health").status_code == 200  # needs none


def test_signing_in(guarded):
    html = {"accept": "text/html"}
    assert guarded.get("/", headers=html).headers["location"] == "/login"
    assert "Token" in guarded.get("/login").text
    wrong = guarded.post("/login", data={"token": "wrong"})
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    right = guarded.post("/login", data={"token": TOKEN})
    assert (right.status_code, right.headers["location"]) == (303, "/")
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert guarded.get("/api/v1/models").status_code == 200  # the client keeps the cookie
    assert guarded.post("/logout").status_code == 303
    assert guarded.get("/api/v1/models").status_code == 401


ELSEWHERE = [
    {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:9999"},
    {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
    {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "cross-site"},
]  # fmt: skip


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_a_page_of_another_site_changes_nothing(client, guarded, workspace, headers):
    assert guarded.post("/login", data={"token": TOKEN}).status_code == 303
    for one in (client, guarded):
        for path in ("generate", "jobs", "jobs/x/stop", "datasets"):
            answer = one.post(f"/api/v1/{path}", json={"pictures": "shapes"}, headers=headers)
            assert (answer.status_code, "another site" in answer.text) == (403, True)
        assert one.post("/logout", headers=headers).status_code == 403
    assert not (workspace / "runs").exists()


@pytest.mark.parametrize("headers", ELSEWHERE[3:5])
@pytest.mark.parametrize("mode", ["no-cors", "cors", "navigate"])
def test_a_page_of_another_site_reads_nothing(client, monkeypatch, headers, mode):
    """An address in a foreign page is a request, too: it would start a scan."""
    started = []
    monkeypatch.setattr("impasto.studio.work.inspect", lambda *args: started.append(1) or {})
    for path in ("datasets/shapes", "models", "jobs", "datasets"):
        answer = client.get(f"/api/v1/{path}", headers={**headers, "sec-fetch-mode": mode})
        assert (answer.status_code, "another site" in answer.text) == (403, True)
    assert started == []
    # A link leads to the page, as it does to any other.
    assert client.get("/", headers={**headers, "sec-fetch-mode": "navigate"}).status_code == 200
    assert client.get("/api/v1/health", headers=headers).status_code == 200


def test_wrong_tokens_must_wait(guarded, monkeypatch):
    clock = [100.0]
    attempts = Attempts(lambda: clock[0])
    for _ in range(attempts.FREE - 1):
        attempts.record_failure("a")
    assert attempts.seconds_left("a") == 0
    for wait in (1, 2, 4):
        attempts.record_failure("a")
        assert attempts.seconds_left("a") == wait
        clock[0] += wait
    for _ in range(50):
        attempts.record_failure("a")
    assert attempts.seconds_left("a") == attempts.LONGEST_SECONDS
    assert attempts.seconds_left("b") == 0
    attempts.record_success("a")
    assert attempts.seconds_left("a") == 0
    for i in range(2 * attempts.MOST_PEERS):
        attempts.record_failure(str(i))
    assert len(attempts._wrong) == attempts.MOST_PEERS


def test_guessing_at_the_door_is_slow(guarded):
    answers = [guarded.post("/login", data={"token": f"wrong{i}"}).status_code for i in range(12)]
    assert answers[: Attempts.FREE] == [401] * Attempts.FREE
    assert answers.count(429) >= 3
    refused = guarded.post("/login", data={"token": TOKEN})
    assert (refused.status_code, int(refused.headers["retry-after"]) >= 1) == (429, True)
    wrong = guarded.get("/api/v1/models", headers={"authorization": "Bearer wrong"})
    assert (wrong.status_code, int(wrong.headers["retry-after"]) >= 1) == (429, True)
    assert guarded.get("/api/v1/models", headers=BEARER).status_code == 200  # who has it is not shut out


@pytest.mark.parametrize(
    ("headers", "secure"),
    [({}, False), ({"x-forwarded-proto": "https"}, True), ({"x-forwarded-proto": "http"}, False)],
)
def test_behind_tls_the_cookie_goes_nowhere_else(guarded, headers, secure):
    cookie = guarded.post("/login", data={"token": TOKEN}, headers=headers).headers["set-cookie"]
    assert ("Secure" in cookie) is secure


def test_too_many_files_are_refused_with_a_hint(client):
    answer = client.post("/api/v1/datasets", files=[("files", (f"{i}", b"x")) for i in range(1_001)])
    assert (answer.status_code, "zip" in answer.json()["hint"]) == (400, True)


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "http://127.0.0.1:7860"}, {"sec-fetch-site": "same-origin"}]
)
def test_its_own_page_does(client, headers):
    assert client.post("/api/v1/generate", json=GENERATE, headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "", "["])
def test_another_name_for_this_computer_is_refused(client, host):
    assert client.get("/api/v1/models", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:7860", "127.0.0.1", "[::1]:7860"])
def test_its_own_names_are_not(client, host):
    assert client.get("/api/v1/models", headers={"host": host}).status_code == 200


def test_headers_for_browsers(client):
    for answer in (client.get("/api/v1/models"), client.get("/api/v1/nothing"), client.get("/login")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in client.get("/").headers["content-security-policy"]


def test_no_other_origin_unless_asked(open_client):
    origin = {"origin": "https://mine.example"}
    assert "access-control-allow-origin" not in open_client().get("/api/v1/models", headers=origin).headers
    asked = open_client(origins=("https://mine.example",))
    answer = asked.post("/api/v1/generate", json=GENERATE, headers=origin)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin["origin"])
    other = asked.post("/api/v1/generate", json=GENERATE, headers={"origin": "https://other.example"})
    assert other.status_code == 403


def test_the_log_says_who_and_what_and_nothing_of_contents(guarded, caplog):
    caplog.set_level(logging.INFO, "impasto.studio.access")
    guarded.get("/api/v1/models?secret=query", headers=BEARER)
    guarded.post("/api/v1/generate", json={**GENERATE, "model": "private"}, headers=BEARER)
    lines = [json.loads(record.message) for record in caplog.records if record.name.endswith("access")]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/api/v1/models", 200),
        ("POST", "/api/v1/generate", 404),
    ]
    assert all(line["bytes"] > 0 for line in lines)
    for word in ("secret", "private", TOKEN):
        assert word not in caplog.text


def test_bodies_are_bounded(open_client):
    client = open_client(Limits(json_bytes=1_000, picture_bytes=2_000, upload_bytes=5_000))

    def parts():
        for _ in range(50):
            yield b"x" * 1_000

    kinds = {
        "generate": ("application/json", 2_000),
        "upscale": ("multipart/form-data; boundary=x", 4_000),
        "datasets": ("multipart/form-data; boundary=x", 9_000),
    }
    for path, (kind, size) in kinds.items():
        headers = {"content-type": kind}
        for content in (b"x" * size, parts()):  # with its length said, and without
            answer = client.post(f"/api/v1/{path}", content=content, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


def test_a_full_queue_is_a_429(open_client, monkeypatch):
    import threading

    client = open_client(Limits(workers=1, waiting=0))
    gate = threading.Event()
    place = client.app.state.studio.queue.enter(lambda check: gate.wait(200))
    try:
        answer = client.post("/api/v1/generate", json=GENERATE)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/api/v1/health").json()["running"] == 1  # light requests do not queue
    finally:
        gate.set()
    place.future.result(30)
    assert client.post("/api/v1/generate", json=GENERATE).status_code == 200


def test_too_large_an_answer_is_refused(open_client):
    client = open_client(Limits(enlarged_pixels=1_000))
    buffer = io.BytesIO()
    Image.new("L", (20, 20)).save(buffer, "PNG")
    form = {"model": "larger", "engine": "torch"}
    answer = client.post("/api/v1/upscale", data=form, files={"picture": ("p.png", buffer.getvalue())})
    assert (answer.status_code, "80 x 80 pixels" in answer.json()["detail"]) == (413, True)


def test_only_an_upload_may_be_large(open_client):
    """Wherever it goes: what is no upload is read into memory, on the page's paths as on the API's."""
    client = open_client(Limits(json_bytes=1_000, upload_bytes=5_000))
    assert (
        client.post("/login", content=b" " * 2_000, headers={"content-type": "text/plain"}).status_code == 413
    )
    assert client.post("/login", files={"token": ("x", b" " * 2_000)}).status_code != 413
