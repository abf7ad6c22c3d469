"""HTTP answers that come later, or as a stream: their bytes, heartbeats and ends."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from accounts.models import ApiToken, User
from accounts.viewer import Credential, Kind, Viewer
from backend.door import negotiation
from backend.door.execute import Door
from backend.door.reply import LaterResponse, respond
from backend.door.requests import GraphQLRequest
from backend.front.answer import Answer
from backend.front.asgi import HANG_UP
from backend.live import streams, survey
from backend.live.hub import Hub
from backend.live.streams import Streams
from schema.context import RequestContext
from tasks.models import Run
from tasks.notifier import Change
from tests.backend.live.conftest import PER_USER, Knocks
from tests.schema.asking import gid, start, work

InThread = Callable[..., Awaitable[Any]]
SECONDS = 10.0
SSE, MULTIPART, JSON = negotiation.SSE, negotiation.MULTIPART, negotiation.JSON
WATCH = "subscription($id: ID!) { run(id: $id) { status } }"
CHANGED = "subscription { runChanged { status } }"
START = 'mutation { countWords(input: {text: "a"}, waitSeconds: 10) { run { status } } }'


class Exchange:
    """One request's connection: what has been written to it."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.is_complete = False
        self.is_hung_up = False
        self.reads = asyncio.Event()
        self.reads.set()
        self.reads_until: bytes | None = None
        self._left = asyncio.Event()
        self._news = asyncio.Event()
        scope = {"extensions": {HANG_UP: {"now": self._hang_up}}}
        self.served = asyncio.ensure_future(work(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message["body"]
            self.is_complete = not message.get("more_body", False)
        if self.reads_until is not None and self.reads_until in self.body:
            self.reads.clear()
        self._news.set()

    def _hang_up(self) -> None:
        self.is_hung_up = True
        self._left.set()

    def leave(self) -> None:
        self._left.set()

    async def until(self, text: bytes) -> None:
        """These bytes have come."""
        async with asyncio.timeout(SECONDS):
            while text not in self.body:
                self._news.clear()
                await self._news.wait()

    async def over(self) -> bytes:
        """The whole body, at the end."""
        async with asyncio.timeout(SECONDS):
            await self.served
        return self.body


@pytest.fixture
async def send(
    door: Door, hub: Hub, viewer: Viewer, in_thread: InThread
) -> AsyncIterator[Callable[..., Awaitable[Exchange]]]:
    """`await send(accept, query, ...)`: the exchange in which it is answered."""
    exchanges: list[Exchange] = []
    token = await in_thread(
        ApiToken.objects.create, user=await in_thread(User.objects.get), digest="0"
    )
    credential = Credential(Kind.TOKEN, str(token.pk))
    signed_in = Viewer(viewer.user_id, viewer.scopes, credential)
    await in_thread(ApiToken.objects.update, scopes=list(viewer.scopes))

    def ask(accept: str, query: str, variables: Any) -> Any:
        request = GraphQLRequest(query, variables, None)
        content = door.execute(request, RequestContext(signed_in, "http://testserver"))
        return respond(content, negotiation.choose(accept))

    async def send(accept: str, query: str, **variables: Any) -> Exchange:
        response = await in_thread(ask, accept, query, variables)
        assert isinstance(response, LaterResponse)
        headers = [(k.lower().encode(), v.encode()) for k, v in response.headers.items()]
        answer = Answer(response.status_code, headers, b"", later=response.later)

        async def work(*connection: Any) -> None:
            await Streams(hub).send(response.later, answer, *connection)

        exchanges.append(Exchange(work))
        return exchanges[-1]

    yield send
    for exchange in exchanges:
        exchange.leave()
    await asyncio.gather(*(exchange.served for exchange in exchanges), return_exceptions=True)


Send = Callable[..., Awaitable[Exchange]]


@pytest.fixture
async def run(viewer: Viewer, in_thread: InThread) -> Run:
    run: Run = await in_thread(start, viewer)
    return run


@pytest.fixture
def finish(in_thread: InThread, knocks: Knocks) -> Callable[[Run], Awaitable[None]]:
    """Let the run come to its end, and be knocked for."""

    async def finish(run: Run) -> None:
        await in_thread(work, run)
        await knocks.say(Change(run.pk, run.owner_id, 3))

    return finish


Finish = Callable[[Run], Awaitable[None]]


def part(payload: Any) -> bytes:
    body = json.dumps(payload, separators=(",", ":")).encode()
    return b"\r\nContent-Type: application/json\r\n\r\n" + body + b"\r\n--graphql"


async def test_events_are_sent_until_the_run_is_final(send: Send, run: Run, finish: Finish) -> None:
    exchange = await send(SSE, WATCH, id=gid(run))
    first = b':\n\nevent: next\ndata: {"data":{"run":{"status":"QUEUED"}}}\n\n'
    await exchange.until(first)
    assert exchange.status == 200
    assert exchange.headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert exchange.headers[b"cache-control"] == b"no-store"
    assert exchange.headers[b"x-accel-buffering"] == b"no"
    await finish(run)
    last = b'event: next\ndata: {"data":{"run":{"status":"SUCCEEDED"}}}\n\n'
    assert await exchange.over() == first + last + b"event: complete\ndata:\n\n"
    assert exchange.is_complete


async def test_parts_are_sent_until_the_run_is_final(send: Send, run: Run, finish: Finish) -> None:
    exchange = await send(f"{MULTIPART};subscriptionSpec=1.0, {JSON}", WATCH, id=gid(run))
    first = b"--graphql" + part({"payload": {"data": {"run": {"status": "QUEUED"}}}})
    await exchange.until(first)  # with the boundary after it, which ends the part for a reader
    media_type = b'multipart/mixed; boundary="graphql"; subscriptionSpec="1.0"'
    assert exchange.headers[b"content-type"] == media_type
    await finish(run)
    last = part({"payload": {"data": {"run": {"status": "SUCCEEDED"}}}})
    assert await exchange.over() == first + last + b"--\r\n"


@pytest.mark.parametrize(("accept", "beat"), [(SSE, b":\n\n"), (MULTIPART, part({}))])
async def test_a_silent_stream_has_a_heartbeat(
    send: Send, run: Run, monkeypatch: pytest.MonkeyPatch, accept: str, beat: bytes
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.05)
    exchange = await send(accept, CHANGED)
    await exchange.until(beat * 3)


async def test_a_stream_is_open_before_there_is_anything_to_say(send: Send, run: Run) -> None:
    exchange = await send(SSE, CHANGED)
    await exchange.until(b":\n\n")
    assert exchange.status == 200


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
async def test_a_single_response_is_a_short_stream(send: Send, accept: str) -> None:
    data = {"data": {"viewer": {"displayName": "ada"}}}
    exchange = await send(accept, "{ viewer { displayName } }")
    if accept == SSE:
        text = json.dumps(data, separators=(",", ":")).encode()
        expected = b":\n\nevent: next\ndata: " + text + b"\n\nevent: complete\ndata:\n\n"
    else:
        expected = b"--graphql" + part(data) + b"--\r\n"  # no payload: that is a subscription's
    assert await exchange.over() == expected


async def test_a_refused_subscription_says_so_in_the_stream(send: Send) -> None:
    exchange = await send(SSE, "subscription { nothing }")
    body = await exchange.over()
    assert b"GRAPHQL_VALIDATION_FAILED" in body
    assert body.endswith(b"event: complete\ndata:\n\n")


@pytest.mark.parametrize("accept", [JSON, negotiation.GRAPHQL, SSE, MULTIPART])
async def test_a_wait_is_answered_with_the_end(
    send: Send, accept: str, finish: Finish, in_thread: InThread
) -> None:
    exchange = await send(accept, START)
    await finish(await in_thread(Run.objects.get))
    body = await exchange.over()
    assert b'"SUCCEEDED"' in body
    if accept in (JSON, negotiation.GRAPHQL):
        assert json.loads(body) == {"data": {"countWords": {"run": {"status": "SUCCEEDED"}}}}
        assert exchange.headers[b"content-length"] == b"%d" % len(body)
        assert exchange.headers[b"content-type"].startswith(accept.encode())


async def test_a_client_that_leaves_leaves_nothing_behind(send: Send, run: Run, hub: Hub) -> None:
    exchange = await send(SSE, WATCH, id=gid(run))
    await exchange.until(b"QUEUED")
    exchange.leave()
    await exchange.over()
    left = (hub._register.run_ids, hub._register.owner_ids, hub._register._watching)
    assert hub._register.is_empty
    assert not any(left), left


async def test_a_revoked_token_is_told_and_ends_the_stream(
    send: Send, run: Run, in_thread: InThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "SURVEY_SECONDS", 0.1)
    exchange = await send(SSE, WATCH, id=gid(run))
    await exchange.until(b"QUEUED")
    await in_thread(ApiToken.objects.update, revoked_at=run.created_at)
    body = await exchange.over()
    assert b'"code":"UNAUTHENTICATED"' in body
    assert body.endswith(b"event: complete\ndata:\n\n")
    assert exchange.is_complete


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
async def test_a_server_that_stops_cuts_its_streams(
    send: Send, run: Run, hub: Hub, accept: str
) -> None:
    """A clean end would tell the client that there is nothing more to come."""
    exchange = await send(accept, WATCH, id=gid(run))
    await exchange.until(b"QUEUED")
    hub.leave()
    await exchange.over()
    assert exchange.is_hung_up
    assert not exchange.is_complete


async def test_a_reader_that_takes_nothing_is_cut_off(
    send: Send, run: Run, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WRITE_SECONDS", 0.1)
    exchange = await send(SSE, WATCH, id=gid(run))
    await exchange.until(b"QUEUED")
    exchange.reads.clear()
    await finish(run)
    await exchange.over()
    assert exchange.is_hung_up


async def test_a_reader_that_does_not_take_the_end_is_cut_off(
    send: Send, run: Run, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WRITE_SECONDS", 0.1)
    exchange = await send(SSE, WATCH, id=gid(run))
    await exchange.until(b"QUEUED")
    exchange.reads_until = b"SUCCEEDED"
    await finish(run)
    await exchange.over()
    assert exchange.is_hung_up


async def test_a_reader_that_takes_no_heartbeat_is_cut_off(
    send: Send, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.1)
    exchange = await send(SSE, WATCH, id=gid(run))
    await exchange.until(b"QUEUED")
    exchange.reads.clear()
    await exchange.over()
    assert exchange.is_hung_up


async def test_too_many_streams_are_429(send: Send, run: Run, hub: Hub) -> None:
    for _ in range(PER_USER):
        await (await send(SSE, WATCH, id=gid(run))).until(b"QUEUED")
    exchange = await send(SSE, WATCH, id=gid(run))
    body = await exchange.over()
    assert exchange.status == 429
    assert exchange.headers[b"content-type"] == b"application/json"
    assert exchange.headers[b"retry-after"] == b"5"
    assert json.loads(body)["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


@pytest.mark.parametrize("accept", ["*/*", JSON, "", "text/*", f"{SSE};q=0, {JSON}"])
async def test_a_client_that_names_no_stream_is_told_to(
    door: Door, viewer: Viewer, in_thread: InThread, accept: str
) -> None:
    request = GraphQLRequest(CHANGED, None, None)
    context = RequestContext(viewer, "http://testserver")
    content = await in_thread(door.execute, request, context)
    response = respond(content, negotiation.choose(accept))
    assert response.status_code == 400
    assert "text/event-stream" in response.content.decode()


async def test_a_long_poll_beyond_what_a_user_may_watch_is_429(
    send: Send, run: Run, hub: Hub
) -> None:
    """Answered at once it would be sent again at once."""
    hub._register._per_user = 0
    query = "query($id: ID!) { run(id: $id, waitSeconds: 5) { status } }"
    for accept in (JSON, SSE):
        exchange = await send(accept, query, id=gid(run))
        body = await exchange.over()
        assert b"RATE_LIMITED" in body
        assert exchange.status == (429 if accept == JSON else 200)
    exchange = await send(JSON, START)  # but what is written is told
    assert b"QUEUED" in await exchange.over()


async def test_a_revoked_reader_that_takes_nothing_is_cut_off_soon(
    send: Send, run: Run, in_thread: InThread, monkeypatch: pytest.MonkeyPatch, finish: Finish
) -> None:
    """A token that was revoked ends the stream within five seconds, whoever reads."""
    monkeypatch.setattr(survey, "SURVEY_SECONDS", 0.1)
    exchange = await send(SSE, WATCH, id=gid(run))
    await exchange.until(b"QUEUED")
    exchange.reads.clear()
    await finish(run)
    await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()
    await in_thread(ApiToken.objects.update, revoked_at=run.created_at)
    await exchange.over()
    assert exchange.is_hung_up
    assert asyncio.get_running_loop().time() - began < 5
