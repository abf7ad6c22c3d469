"""A request's head may be neither endless nor never come, and a stuck answer can be cut off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from backend.front import protocol
from backend.front.asgi import HANG_UP
from backend.front.protocol import BoundedHttp

MUCH = b"x" * 2**20
GONE = asyncio.Event()
LEFT = asyncio.Event()


async def alive(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/endless":
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                while True:
                    await send({"type": "http.response.body", "body": MUCH, "more_body": True})
        scope["extensions"][HANG_UP]["now"]()
        while (await receive())["type"] != "http.disconnect":
            pass
        GONE.set()
    elif scope["path"] == "/waiting":
        while (await receive())["type"] != "http.disconnect":
            pass
        LEFT.set()
    else:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server whose clients have 0.3 s for a head."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    config, state = uvicorn.Config(alive, timeout_keep_alive=5), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: BoundedHttp(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


async def is_hung_up(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 2) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_never_comes_to_its_end_is_given_up(port: int, head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    assert await is_hung_up(reader)
    writer.close()


async def test_an_endless_head_is_given_up(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nX: ")
    try:
        for _ in range(20):
            writer.write(b"x" * 65_536)
            await writer.drain()
    except ConnectionError:
        return
    assert await is_hung_up(reader)
    writer.close()


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"0\r\n", b"X-Trailer: " + b"y" * 1_000 + b"\r\n"),
        (b"0\r\nX-Trailer: ", b"y" * 1_000),
        (b"2;extension=", b"y" * 1_000),
    ],
)
async def test_what_stands_around_a_body_may_not_be_endless(
    port: int, begin: bytes, more: bytes
) -> None:
    LEFT.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /waiting HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    writer.write(b"2\r\n{}\r\n" + begin)
    with contextlib.suppress(ConnectionError):
        for _ in range(200):  # 12 MiB
            writer.write(more * 64)
            await writer.drain()
        assert await is_hung_up(reader)
    writer.close()
    await asyncio.wait_for(LEFT.wait(), 5)


async def test_a_body_in_the_smallest_chunks_is_taken(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    writer.write(b"1\r\nx\r\n" * 50_000 + b"0\r\nX-Trailer: y\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert b"ok" in await asyncio.wait_for(reader.read(100), 5)
    writer.close()


async def test_a_kept_connection_has_its_time_for_each_head(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert b"ok" in await asyncio.wait_for(reader.read(100), 2)
        await asyncio.sleep(0.5)  # idle between requests, as kept connections are
    writer.write(b"GET / HTTP/1.1\r\nX: ")
    assert await is_hung_up(reader)
    writer.close()


async def test_a_client_that_takes_nothing_is_cut_off_with_what_waits_for_it(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(GONE.wait(), 5)
    writer.close()


async def test_a_request_that_others_follow_sees_that_its_client_left(port: int) -> None:
    LEFT.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    heads = [b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in (b"/waiting", b"/", b"/")]
    writer.write(b"".join(heads))
    await asyncio.sleep(0.1)
    writer.close()
    await asyncio.wait_for(LEFT.wait(), 2)


@pytest.mark.parametrize(
    "head", ["POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c", "CONNECT / HTTP/1.1"]
)
async def test_the_body_of_an_upgrade_is_no_request(port: int, head: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{head}\r\nHost: a\r\nContent-Length: 100\r\n\r\n".encode())
    assert b"connection: close" in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    rest = b""
    with contextlib.suppress(ConnectionError):
        rest = await asyncio.wait_for(reader.read(), 2)
    assert b"HTTP/1.1" not in rest
    writer.close()
