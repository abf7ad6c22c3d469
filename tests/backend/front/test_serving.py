"""A stored file is sent in pieces, never a thread of the pool held, and never less than it says."""

import asyncio
import io
import json
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from backend.front import serving
from backend.front.asgi import HANG_UP
from backend.front.guards import GUARDS
from tasks.downloads import StoredPart, Truncated
from tests.backend.front.conftest import MakeFront
from tests.backend.front.exchange import Exchange

CONTENT = bytes(range(256)) * 4_096  # 1 MiB


class Response(list[bytes]):
    """What the view answers: headers, and the part that the front is to send."""

    part: StoredPart


def view(part: StoredPart) -> Callable[..., Iterable[bytes]]:
    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [("Content-Length", str(part.length)), ("ETag", '"1"')])
        response = Response()
        response.part = part
        return response

    return application


class Stream(io.BytesIO):
    """Remembers whether it was closed; `breaks` instead of ending."""

    breaks = False

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(size)
        if self.breaks and not chunk:
            raise OSError("the storage went away")
        return chunk


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """The storage's stream, whatever part is asked for."""
    stream = Stream(CONTENT)

    def open_part(part: StoredPart) -> Stream:
        stream.seek(part.start)
        return stream

    monkeypatch.setattr(serving, "open_part", open_part)
    return stream


def part(start: int = 0, length: int = len(CONTENT)) -> StoredPart:
    return StoredPart("a", len(CONTENT), start, length)


def get(method: str = "GET", **given: Any) -> Exchange:
    return Exchange(method, "/files/1", **given)


def is_complete(exchange: Exchange) -> bool:
    return exchange.sent[-1].get("more_body", False) is False and len(exchange.sent) > 1


async def test_the_whole_file_is_sent(make_front: MakeFront, stream: Stream) -> None:
    exchange = await get().run(make_front(view(part())))
    assert (exchange.status, exchange.body) == (200, CONTENT)
    own = {"content-length": str(len(CONTENT)), "etag": '"1"'}
    guards = {name.decode(): value.decode() for name, value in GUARDS}
    assert exchange.headers == guards | own
    assert is_complete(exchange)
    assert stream.closed


async def test_a_part_is_sent(make_front: MakeFront, stream: Stream) -> None:
    exchange = await get().run(make_front(view(part(300_000, 300_001))))
    assert exchange.body == CONTENT[300_000:600_001]
    assert is_complete(exchange)


async def test_an_empty_file_is_a_complete_answer(make_front: MakeFront, stream: Stream) -> None:
    exchange = await get().run(make_front(view(part(0, 0))))
    assert (exchange.body, is_complete(exchange)) == (b"", True)


async def test_a_head_has_headers_alone(make_front: MakeFront, stream: Stream) -> None:
    exchange = await get("HEAD").run(make_front(view(part())))
    assert (exchange.status, exchange.body) == (200, b"")
    assert exchange.headers["content-length"] == str(len(CONTENT))
    assert is_complete(exchange)
    assert stream.closed


async def test_a_large_file_needs_little_memory(
    make_front: MakeFront, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(64 * 2**20)
    monkeypatch.setattr(serving, "open_part", lambda part: large.open("rb"))
    sent = 0

    async def count(message: Any) -> None:
        nonlocal sent
        sent += len(message.get("body", b""))

    exchange = get()
    exchange._send = count  # type: ignore[method-assign]
    front = make_front(view(StoredPart("a", 64 * 2**20, 0, 64 * 2**20)))
    tracemalloc.start()
    await exchange.run(front)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent == 64 * 2**20
    assert peak < 4 * 2**20


async def test_a_download_on_its_way_holds_no_pool_thread(
    make_front: MakeFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "open_part", lambda part: Stream(CONTENT))
    front = make_front(view(part()), threads=1, queue=0)
    exchange, gate = get(), asyncio.Event()

    async def send(message: Any) -> None:
        exchange.sent.append(message)
        await gate.wait()

    exchange._send = send  # type: ignore[method-assign]
    download = asyncio.create_task(exchange.run(front))
    while not exchange.sent:
        await asyncio.sleep(0.01)
    head = await get("HEAD").run(front)
    assert head.status == 200
    gate.set()
    await download


@pytest.mark.parametrize("breaks", [False, True])
async def test_a_storage_that_breaks_off_never_looks_like_the_whole_file(
    make_front: MakeFront, stream: Stream, caplog: pytest.LogCaptureFixture, breaks: bool
) -> None:
    stream.breaks = breaks
    hung_up: list[bool] = []
    exchange = get()
    exchange.scope["extensions"] = {HANG_UP: {"now": lambda: hung_up.append(True)}}
    longer = StoredPart("a", len(CONTENT) + 1, 0, len(CONTENT) + 1)
    await exchange.run(make_front(view(longer)))
    assert exchange.body == CONTENT
    assert not is_complete(exchange)
    assert hung_up == [True]
    assert stream.closed
    assert caplog.text


async def test_a_client_that_goes_away_ends_the_reading(
    make_front: MakeFront, stream: Stream
) -> None:
    exchange = get(chunks=[b""])
    receive = exchange._receive
    gone = asyncio.Event()

    async def disconnect() -> dict[str, Any]:
        if exchange._chunks:
            return await receive()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        exchange.sent.append(message)
        if len(exchange.sent) == 3:
            gone.set()
        await asyncio.sleep(0.01)

    exchange._receive, exchange._send = disconnect, send  # type: ignore[method-assign]
    await exchange.run(make_front(view(part())))
    assert len(exchange.body) <= serving.CHUNK
    assert stream.closed


async def test_a_client_that_takes_nothing_is_hung_up_on(
    make_front: MakeFront, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "IDLE_SECONDS", 0.05)
    exchange, hung_up = get(), asyncio.Event()
    exchange.scope["extensions"] = {HANG_UP: {"now": hung_up.set}}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    exchange._send = send  # type: ignore[method-assign]
    await asyncio.wait_for(exchange.run(make_front(view(part()))), 5)
    assert hung_up.is_set()
    assert stream.closed


async def test_a_server_that_shuts_down_closes_the_file(
    make_front: MakeFront, stream: Stream
) -> None:
    exchange, started = get(), asyncio.Event()

    async def send(message: Any) -> None:
        started.set()
        await asyncio.Event().wait()

    exchange._send = send  # type: ignore[method-assign]
    download = asyncio.create_task(exchange.run(make_front(view(part()))))
    await started.wait()
    download.cancel()
    with pytest.raises(asyncio.CancelledError):
        await download
    assert stream.closed


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (FileNotFoundError("/secret"), 500, "INTERNAL"),
        (Truncated("/secret"), 500, "INTERNAL"),
        (PermissionError("/secret"), 503, "UNAVAILABLE"),
    ],
)
async def test_bytes_that_cannot_be_read_are_said_before_any_header(
    make_front: MakeFront,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
    code: str,
) -> None:
    def fail(part: StoredPart) -> None:
        raise error

    monkeypatch.setattr(serving, "open_part", fail)
    exchange = get(headers={"Origin": "https://app.example"})
    await exchange.run(make_front(view(part())))
    assert exchange.status == status
    assert json.loads(exchange.body)["errors"][0]["code"] == code
    assert b"secret" not in exchange.body
    assert "secret" in caplog.text
    assert exchange.headers["access-control-allow-origin"] == "https://app.example"
