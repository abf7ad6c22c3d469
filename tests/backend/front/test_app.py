"""The front reads bodies with limits, hops once into the application, and answers in any case."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from structlog.contextvars import get_contextvars

from backend.front import body
from backend.front.app import Front
from backend.front.guards import GUARDS
from backend.front.pool import Pool
from tests.backend.front.conftest import REQUEST_SIZE, MakeFront
from tests.backend.front.exchange import DISCONNECT, SILENCE, Exchange
from tests.backend.front.still import Still

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def echo(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode(), b" ", environ["wsgi.input"].read()]


def never(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
    raise AssertionError("the application must not see this request")


def error_code(exchange: Exchange) -> str:
    code: str = json.loads(exchange.body)["errors"][0]["extensions"]["code"]
    return code


async def test_a_body_in_pieces_arrives_whole(make_front: MakeFront) -> None:
    exchange = await Exchange(chunks=[b"one ", b"", b"two"]).run(make_front(echo))
    assert (exchange.status, exchange.body) == (200, b"POST one two")
    assert exchange.headers["content-length"] == "12"


async def test_a_body_of_exactly_the_limit_is_read(make_front: MakeFront) -> None:
    exchange = await Exchange(chunks=[b"x" * REQUEST_SIZE]).run(make_front(echo))
    assert exchange.status == 200


async def test_a_body_declared_too_large_is_refused_before_a_byte_is_read(
    make_front: MakeFront,
) -> None:
    exchange = Exchange(headers={"Content-Length": str(REQUEST_SIZE + 1)}, chunks=[b"x", b"y"])
    await exchange.run(make_front(never))
    assert (exchange.status, error_code(exchange)) == (413, "BAD_REQUEST")
    assert exchange.log[:2] == ["send", "send"]


@pytest.mark.parametrize("chunks", [[b"x" * 1_001], [b"x" * 600, b"x" * 600, b"x" * 600]])
async def test_a_body_that_grows_too_large_is_refused(
    make_front: MakeFront, chunks: list[bytes]
) -> None:
    exchange = await Exchange(chunks=chunks).run(make_front(never))
    assert (exchange.status, error_code(exchange)) == (413, "BAD_REQUEST")


async def test_the_rest_of_a_refused_body_is_thrown_away_before_the_connection_closes(
    make_front: MakeFront,
) -> None:
    exchange = await Exchange(chunks=[b"x" * 1_001, b"x", b"x"]).run(make_front(never))
    assert exchange.headers["connection"] == "close"
    assert exchange.log == ["receive", "send", "send", "receive", "receive", "send"]


async def test_a_refused_client_that_sends_no_more_does_not_hold_the_connection(
    make_front: MakeFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "LINGER_SECONDS", 0.01)
    exchange = await Exchange(chunks=[b"x" * 1_001, SILENCE]).run(make_front(never))
    assert exchange.sent[-1] == {"type": "http.response.body", "body": b""}


async def test_a_refusal_is_readable_for_pages_of_an_allowed_origin_alone(
    make_front: MakeFront,
) -> None:
    front = make_front(never)
    for origin, allowed in [("https://app.example", True), ("https://evil.example", False)]:
        exchange = Exchange(headers={"Origin": origin}, chunks=[b"x" * 1_001])
        await exchange.run(front)
        assert (exchange.headers.get("access-control-allow-origin") == origin) is allowed
        with_cookies = exchange.headers.get("access-control-allow-credentials") == "true"
        assert with_cookies is allowed
        shown = exchange.headers.get("access-control-expose-headers")
        assert (shown == "Retry-After") is allowed


async def test_a_body_that_stops_coming_is_answered_with_408(
    make_front: MakeFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.01)
    monkeypatch.setattr(body, "LINGER_SECONDS", 0.01)
    exchange = await Exchange(chunks=[b"x", SILENCE]).run(make_front(never))
    assert (exchange.status, error_code(exchange)) == (408, "BAD_REQUEST")


async def test_large_bodies_on_their_way_have_a_limit_together_and_small_ones_pass(
    make_front: MakeFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "LARGE_BYTES", 1_300)
    monkeypatch.setattr(body, "SMALL", 500)
    front = make_front(echo)
    large: list[Any] = [b"x" * 501, SILENCE]
    held = [asyncio.create_task(Exchange(chunks=large).run(front)) for _ in range(2)]
    await asyncio.sleep(0)
    refused = await Exchange(chunks=[b"x" * 501, b"y"]).run(front)
    assert (refused.status, error_code(refused)) == (503, "UNAVAILABLE")
    assert refused.headers["retry-after"] == "1"
    for chunks in ([b"x" * 500, b""], [b"x" * 900]):  # small, or here already
        assert (await Exchange(chunks=chunks).run(front)).status == 200
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    assert (await Exchange(chunks=[b"x" * 501, b"y"]).run(front)).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "x"])
async def test_a_packed_body_is_refused_unread(make_front: MakeFront, encoding: str) -> None:
    for path in ("/graphql", "/uploads/x"):
        exchange = Exchange("PUT", path, headers={"Content-Encoding": encoding}, chunks=[b"x", b""])
        await exchange.run(make_front(never))
        assert exchange.status == 415
        assert b"without Content-Encoding" in exchange.body
        assert exchange.log[0] == "send"
    plain = Exchange(headers={"Content-Encoding": "Identity"}, chunks=[b"x"])
    assert (await plain.run(make_front(echo))).status == 200


async def test_a_client_gone_before_its_body_ends_gets_no_answer(make_front: MakeFront) -> None:
    exchange = await Exchange(chunks=[b"x", DISCONNECT]).run(make_front(never))
    assert exchange.sent == []


async def test_a_client_gone_while_it_is_refused_breaks_nothing(make_front: MakeFront) -> None:
    exchange = await Exchange(chunks=[b"x" * 1_001, DISCONNECT]).run(make_front(never))
    assert exchange.status == 413


async def test_head_is_answered_with_headers_alone(make_front: MakeFront) -> None:
    exchange = await Exchange("HEAD").run(make_front(echo))
    assert exchange.headers["content-length"] == "5"
    assert exchange.body == b""


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_an_answer_without_a_body_says_nothing_of_one(
    make_front: MakeFront, status: str
) -> None:
    def empty(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        start(status, [("Content-Type", "text/html"), ("Content-Length", "0"), ("ETag", '"1"')])
        return []

    exchange = await Exchange().run(make_front(empty))
    guards = {name.decode() for name, _ in GUARDS}
    assert exchange.headers.keys() - guards == {"etag"}


async def test_the_response_is_closed_in_the_thread_that_made_it(make_front: MakeFront) -> None:
    threads: list[int] = []

    class Response(list[bytes]):
        def close(self) -> None:
            threads.append(threading.get_ident())

    def application(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        threads.append(threading.get_ident())
        start("200 OK", [])
        return Response([b"ok"])

    await Exchange().run(make_front(application))
    assert len(threads) == 2
    assert len(set(threads) | {threading.get_ident()}) == 2


async def test_beyond_the_queue_the_answer_is_503_and_comes_at_once(make_front: MakeFront) -> None:
    gate = threading.Event()

    def wait(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        gate.wait(5)
        return echo(environ, start)

    front = make_front(wait, threads=1, queue=1)
    held = [asyncio.create_task(Exchange().run(front)) for _ in range(2)]
    await asyncio.sleep(0)
    exchange = await Exchange().run(front)
    assert (exchange.status, error_code(exchange)) == (503, "UNAVAILABLE")
    assert exchange.headers["retry-after"] == "1"
    alive = await Exchange("GET", "/healthz").run(front)
    assert (alive.status, json.loads(alive.body)) == (200, {"status": "ok"})
    gate.set()
    assert [(await task).status for task in held] == [200, 200]


async def test_what_breaks_in_the_hop_is_masked_with_a_reference(
    make_front: MakeFront, log_lines: list[dict[str, Any]]
) -> None:
    def broken(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        raise LookupError("secret")

    exchange = await Exchange().run(make_front(broken))
    assert (exchange.status, error_code(exchange)) == (500, "INTERNAL")
    assert b"secret" not in exchange.body
    reference = json.loads(exchange.body)["errors"][0]["message"].split()[-1].rstrip(".")
    (line,) = log_lines
    assert (line["trace_id"], line["transport"]) == (reference, "http")
    assert line["exceptions"][0]["type"] == "LookupError"
    assert "secret" not in str(line)


@pytest.mark.parametrize(
    ("traceparent", "is_taken"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n", False),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("4bf92f3577b34da6a3ce929d0e0e4736", False),
        ("", False),
    ],
)
async def test_a_client_may_name_the_trace(
    make_front: MakeFront, traceparent: str, is_taken: bool
) -> None:
    seen = []

    def look(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        seen.append(get_contextvars())
        start("200 OK", [])
        return [b""]

    front = make_front(look)
    for _ in range(2):
        await asyncio.create_task(Exchange(headers={"traceparent": traceparent}).run(front))
    ids = {bound["trace_id"] for bound in seen}
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
    if is_taken:
        assert ids == {"4bf92f3577b34da6a3ce929d0e0e4736"}
    else:
        assert len(ids) == 2
        assert "4bf92f3577b34da6a3ce929d0e0e4736" not in ids


def make_pool(ended: list[int]) -> Pool:
    from backend.front.pool import Pool

    return Pool(2, 1, at_exit=lambda: ended.append(threading.get_ident()))


async def lifespan(front: Front) -> list[Any]:
    messages = asyncio.Queue[Any]()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        messages.put_nowait({"type": "lifespan.shutdown"})

    messages.put_nowait({"type": "lifespan.startup"})
    await front({"type": "lifespan"}, messages.get, send)
    return [message["type"] for message in sent]


async def test_it_starts_and_stops_with_the_server(staging: Any) -> None:
    ended: list[int] = []
    pool = make_pool(ended)
    folder = staging / "deep" / "folder"
    front = Front(
        echo, pool, Still(), request_size=1, staging=folder, origins=frozenset(), proxies=0
    )
    assert await lifespan(front) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert folder.is_dir()
    assert len(ended) == 2


async def test_a_staging_folder_that_cannot_be_made_stops_the_start(staging: Any) -> None:
    blocked = staging / "file"
    blocked.touch()
    pool = make_pool([])
    front = Front(
        echo, pool, Still(), request_size=1, staging=blocked / "x", origins=frozenset(), proxies=0
    )
    assert await lifespan(front) == ["lifespan.startup.failed"]


async def test_another_protocol_is_refused(make_front: MakeFront) -> None:
    exchange = await Exchange(headers={"Upgrade": "h2c"}).run(make_front(never))
    assert (exchange.status, error_code(exchange)) == (400, "BAD_REQUEST")
