"""Connections that bring nothing are let go, and take no room from those that do."""

import asyncio

import pytest
import uvicorn

from impasto.studio.connections import Connection, Connections
from impasto.studio.settings import Limits


async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BEGUN = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"


def with_server(limits, scenario):
    """Run `scenario(open_connection, connections)` beside a server."""

    async def both():
        connections = Connections(limits)
        config = uvicorn.Config(
            app, http=lambda **options: Connection(connections, **options), ws="none", lifespan="off",
            log_config=None, timeout_keep_alive=60, port=0,
        )  # fmt: skip
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            await asyncio.wait_for(
                scenario(lambda: asyncio.open_connection("127.0.0.1", port), connections), 60
            )
        finally:
            server.should_exit = True
            await server.shutdown()

    asyncio.run(both())


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_must_come_in_time(begun):
    async def scenario(connect, connections):
        reader, writer = await connect()
        writer.write(begun)
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()

    with_server(Limits(head_seconds=0.2), scenario)


def test_the_next_head_must_come_in_time_too():
    async def scenario(connect, connections):
        reader, writer = await connect()
        writer.write(REQUEST)
        await reader.readuntil(b"ok")
        writer.write(b"GET / HT")  # which ends uvicorn's own patience for a silent connection
        assert await reader.read() == b""
        writer.close()

    with_server(Limits(head_seconds=0.2), scenario)


@pytest.mark.parametrize(
    "limits", [Limits(connections_of_a_peer=5), Limits(connections=5)], ids=["of a peer", "of all"]
)
@pytest.mark.parametrize("begun", [b"", BEGUN])
def test_silent_ones_make_room_for_others(limits, begun):
    async def scenario(connect, connections):
        silent = [await connect() for _ in range(40)]
        for _, writer in silent:
            writer.write(begun)
        for _ in range(3):
            reader, writer = await connect()
            writer.write(REQUEST)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            writer.close()
        assert len(connections._open) <= 5
        assert sum(connections._of_peer.values()) == len(connections._open)
        for _, writer in silent:
            writer.close()

    with_server(limits, scenario)
