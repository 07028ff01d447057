"""The server as a process, with clients that behave badly."""

import asyncio
import json
import select
import signal
import socket
from urllib.parse import urlsplit

from impasto.studio.server import listen
from tests.studio.conftest import wait_for
from tests.studio.connecting import connect


def send(server, path, body, length=None):
    """A socket on which a request was begun."""
    connection = connect(urlsplit(server.url).port)
    head = (
        f"POST /api/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def test_bad_clients_cost_the_good_ones_nothing(serve, workspace):
    server = serve(workspace)

    def load():
        return server.http.get("/api/v1/health").json()

    # Who goes away frees its place: this would take minutes.
    way = {"model": "tiny", "stops": list(range(16)), "frames": 240}
    gone = [send(server, "interpolate", json.dumps(way).encode()) for _ in range(6)]
    wait_for(lambda: load()["running"] == 2 and load()["waiting"] == 4)
    for connection in gone:
        connection.close()
    wait_for(lambda: load()["running"] == load()["waiting"] == 0)  # where torch is not loaded yet: later
    # Who sends nothing of what it promised holds a connection and no place.
    silent = [send(server, "generate", b"", length=100) for _ in range(50)]
    assert server.http.post("/api/v1/generate", json={"model": "tiny", "seeds": [1]}).status_code == 200
    assert load()["waiting"] == 0
    for connection in silent:
        connection.close()
    # Who sends too much hears why.
    answer = server.http.post("/api/v1/generate", content=b" " * 8_000_000, headers=JSON)
    assert answer.status_code == 413
    assert server.http.post("/api/v1/generate", content=b"{", headers=JSON).status_code == 422
    # A request that is under way is finished before the end.
    last = send(server, "interpolate", json.dumps({**way, "frames": 16, "stops": [1, 2]}).encode())
    wait_for(lambda: load()["running"] or select.select([last], [], [], 0)[0])  # or it is answered already
    code, log = server.end(signal.SIGINT)
    assert (code, "Traceback" in log) == (0, False), log
    assert last.recv(1_000).startswith(b"HTTP/1.1 200")
    last.close()


JSON = {"content-type": "application/json"}


def test_no_answer_waits_for_an_acknowledgement():
    async def delays():
        told = asyncio.get_running_loop().create_future()

        def serve(reader, writer):
            connection = writer.get_extra_info("socket")
            told.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(serve, sock=listen("127.0.0.1", 0)) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            found = await asyncio.wait_for(told, 200)
            writer.close()
            await writer.wait_closed()
            return found

    assert asyncio.run(delays())
