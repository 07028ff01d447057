"""A real server under attack: it answers all the while, and is as large afterwards as before."""

import contextlib
import io
import json
import struct
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from PIL import Image

from tests.studio.conftest import wait_for
from tests.studio.connecting import connect
from tests.studio.hostile import ABOUT, BESIDE, DAMAGED, POISON, run

SLOWEST_SECONDS, TIMES_IDLE = 1.0, 20.0  # a busy machine may be slow before anybody attacks
MOST_GROWTH = 1.2
FORM = {"model": "photo-x4-small", "engine": "torch"}


BEAT = """
import http.client, sys, time
while True:
    began = time.monotonic()
    try:
        one = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
        one.request("GET", "/api/v1/health")
        said = str(one.getresponse().status)
        one.close()
    except OSError as error:
        said = repr(error)
    print(time.monotonic() - began, said, flush=True)
    time.sleep(0.05)
"""


class Pulse:
    """Asks for `/health` all the while, on a new connection each time, as somebody new would.

    In a process of its own: what this one does must not hold it up.
    """

    def __init__(self, server) -> None:
        self.command = [sys.executable, "-c", BEAT, str(urlsplit(server.url).port)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        lines = self.process.communicate(timeout=60)[0].splitlines(keepends=True)
        beats = [line.split(maxsplit=1) for line in lines if line.endswith("\n")]
        self.seconds = [float(seconds) for seconds, _ in beats]
        self.wrong = [said for _, said in beats if said.strip() != "200"]


def new(server):
    """A client without connections: one that is kept open is what a server under attack closes first."""
    return httpx2.Client(base_url=server.url, timeout=120, headers={"connection": "close"})


def megabytes(server) -> float:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * 4_096 / 1e6


def png(side=32):
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (9, 90, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg_2000(side):
    buffer = io.BytesIO()
    Image.new("L", (side, side)).save(buffer, "JPEG2000")
    return buffer.getvalue()


def gif(frames, side=16):
    buffer = io.BytesIO()
    Image.new("P", (side, side)).save(buffer, "GIF")
    one = buffer.getvalue()
    at = one.index(b",", 13)
    return one[:at] + (b"\x21\xf9\x04\0\1\0\0\0" + one[at:-1]) * frames + b";"


def zipped(*pictures):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for i, data in enumerate(pictures):
            archive.writestr(f"{i}.png", data)
    return buffer.getvalue()


def sparse_tar():
    import tarfile

    info = tarfile.TarInfo("a.png")
    info.size = 512
    data = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    data[156:157] = b"S"
    data[483:495] = b"%011o\0" % 10**9
    return bytes(data) + b"\0" * 1_024


def bombs():
    qoi = (
        b"qoif"
        + struct.pack(">IIBB", 7_000, 7_000, 3, 0)
        + b"\xfd" * (7_000 * 7_000 // 62 + 1)
        + b"\0" * 7
        + b"\1"
    )
    large = jpeg_2000(5_000)
    return {
        "j2k": large, "qoi": qoi, "pgm": b"P2 7000 7000 255\n" + b"0 " * 500_000,
        "gif": gif(20_000), "zip of j2k": zipped(*[large] * 20), "zip of qoi": zipped(*[qoi] * 4),
        "tar": sparse_tar(), "pbm": b"P4 60000 60000\n" + b"\0" * 1_000,
    }  # fmt: skip


# Every door that takes pictures. An enlarged GIF is its first frame as PNG, and all of them as WebP.
DOORS = (
    ("upscale", "picture", FORM),
    ("upscale", "picture", FORM | {"format": "webp"}),
    ("datasets", "files", {}),
)


def send_bombs(server, made):
    """Four of each at once, to every door that takes pictures; each is refused in words.

    But for a GIF of many frames where only its first one is looked at: that is a small picture like any.
    """
    answers = []

    def send(kind, data):
        with httpx2.Client(base_url=server.url, timeout=120) as http:
            for path, name, form in DOORS:
                answer = http.post(f"/api/v1/{path}", data=form, files={name: ("a.png", data)})
                answers.append((kind, path, form.get("format"), answer))

    for kind, data in made.items():
        threads = [threading.Thread(target=send, args=(kind, data)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == 4 * len(DOORS) * len(made)
    for kind, path, format_, answer in answers:
        if kind == "gif" and format_ is None:
            assert answer.status_code == {"upscale": 200, "datasets": 201}[path]
        else:
            assert answer.status_code in (413, 415, 422, 429), (kind, path, format_)
            assert answer.json()["detail"]


def keep_silent(server):
    """More connections than the server has room for, with nothing on them, or half a head."""
    port = urlsplit(server.url).port
    with contextlib.ExitStack() as stack:
        for i in range(600):
            with contextlib.suppress(OSError):
                connection = stack.enter_context(connect(port))
                if i % 2:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nx-a: ")
        answer = new(server).get("/api/v1/models")
        assert answer.status_code == 200


def trickle(server):
    """Uploads that never come to their end; others have theirs taken all the same."""
    head = (
        b"POST /api/v1/datasets HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 900000\r\n\r\n--x\r\n"
    )
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(urlsplit(server.url).port)) for _ in range(16)]
        for connection in slow:
            connection.sendall(head)

        def taken():
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.sendall(b"a")
            return new(server).post("/api/v1/datasets", files={"files": ("a.png", png())}).status_code == 201

        wait_for(taken, 60)


def ask_for_much(server):
    """Far more than the queue holds, from one client that does not wait for the answers."""
    way = json.dumps({"model": "tiny", "stops": list(range(16)), "frames": 240}).encode()
    head = "POST /api/v1/interpolate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            connection = stack.enter_context(connect(urlsplit(server.url).port))
            connection.sendall(f"{head}Content-Length: {len(way)}\r\n\r\n".encode() + way)
        load = new(server).get("/api/v1/health").json()
        assert load["waiting"] <= load["places"]
    wait_for(lambda: new(server).get("/api/v1/health").json()["running"] == 0, 120)


def poison_runs(server, workspace):
    """Runs that somebody else wrote; those that can be listed are, and none is started as it says."""
    for i, about in enumerate(DAMAGED.values()):
        run(workspace, f"damaged{i}", about)
    for i, files in enumerate(BESIDE.values()):
        run(workspace, f"beside{i}", **files)
    for i, poison in enumerate(POISON.values()):
        run(workspace, f"poison{i}", ABOUT | poison, saved=False)
    for _ in range(20):
        assert new(server).get("/api/v1/jobs").status_code == 200
    for i in range(len(POISON)):
        assert new(server).post(f"/api/v1/jobs/poison{i}/resume").status_code in (404, 409)
    assert list(workspace.rglob("harm")) == list(Path.cwd().glob("harm")) == []


@pytest.mark.slow
@pytest.mark.timeout(900)  # what takes two minutes on a machine of one's own
def test_the_server_outlives_all_of_it(serve, workspace):
    pytest.importorskip("PIL.Jpeg2KImagePlugin")
    made, server = bombs(), serve(workspace)

    def ordinary():
        for path, name in (("upscale", "picture"), ("datasets", "files")):
            form = FORM if path == "upscale" else {}
            answer = new(server).post(f"/api/v1/{path}", data=form, files={name: ("a.png", png(256))})
            assert answer.status_code in (200, 201), answer.text
        asked = {"model": "tiny", "stops": [1, 2], "frames": 8}
        assert new(server).post("/api/v1/interpolate", json=asked).status_code == 200

    for _ in range(3):
        ordinary()
    with Pulse(server) as idle:
        time.sleep(5)  # nothing but to listen
    before = megabytes(server)
    allowed = max(SLOWEST_SECONDS, TIMES_IDLE * max(idle.seconds))
    for attack in (
        lambda: poison_runs(server, workspace), lambda: keep_silent(server), lambda: trickle(server),
        lambda: send_bombs(server, made), lambda: ask_for_much(server),
    ):  # fmt: skip
        with Pulse(server) as pulse:
            attack()
        assert pulse.wrong == []
        assert max(pulse.seconds, default=0) <= allowed
    ordinary()
    assert megabytes(server) <= MOST_GROWTH * before
