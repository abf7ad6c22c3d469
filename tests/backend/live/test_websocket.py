"""A WebSocket keeps to the subprotocol, whatever the other side does."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from accounts.models import ApiToken, User
from accounts.tokens import create_token
from accounts.viewer import ACT_AS, Viewer
from backend.door.execute import Door
from backend.door.rates import Rates
from backend.live import handshake, survey, websocket
from backend.live.hub import Hub
from backend.live.seats import Seats
from schema.limits import OPERATIONS
from tasks import runs
from tasks.models import Run
from tasks.notifier import Change
from tests.backend.live.conftest import Knocks
from tests.backend.live.wire import Wire
from tests.schema.asking import gid, start, work

Connect = Callable[..., Wire]
InThread = Callable[..., Awaitable[Any]]

WATCH = "subscription($id: ID!) { run(id: $id) { status revision } }"
CHANGED = "subscription { runChanged { id revision } }"
VIEWER = "{ viewer { displayName } }"


@pytest.fixture
def run(viewer: Viewer) -> Run:
    return start(viewer)


async def tell(knocks: Knocks, run: Run) -> None:
    await knocks.say(Change(run.pk, run.owner_id, run.revision))


# The handshake


async def test_the_subprotocol_is_agreed_on(connect: Connect) -> None:
    wire = connect(subprotocols=("graphql-ws", "graphql-transport-ws"))
    assert await wire.accepted() == "graphql-transport-ws"


@pytest.mark.parametrize("offered", [(), ("graphql-ws",)])
async def test_another_subprotocol_is_4406(connect: Connect, offered: tuple[str, ...]) -> None:
    wire = connect(subprotocols=offered)
    assert await wire.accepted() is None
    assert (await wire.closed())[0] == 4406


async def test_pages_of_listed_origins_and_our_own_may_connect(
    connect: Connect, settings: Settings
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    for headers in ({}, {"origin": "http://testserver"}, {"origin": "https://app.example"}):
        assert await connect(**headers).accepted() is not None
    settings.PUBLIC_URL = "https://downbeat.example/"
    assert await connect(origin="https://downbeat.example").accepted() is not None
    assert (await connect(origin="http://testserver").event())["status"] == 403


REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "another origin": ({"origin": "https://evil.example"}, 403),
    "a sandboxed page": ({"origin": "null"}, 403),
    "our host on another port": ({"origin": "http://testserver:81"}, 403),
    "our host by TLS": ({"origin": "https://testserver"}, 403),
    "a host that is not ours": ({"host": b"evil.example", "origin": "http://evil.example"}, 400),
    "no host": ({"host": b""}, 400),
    "another address": ({"path": "/"}, 404),
    "headers without end": ({"x": "a" * 20_000}, 431),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_who_may_not_connect_is_refused_before_the_upgrade(
    connect: Connect, case: str
) -> None:
    options, status = REFUSED[case]
    wire = connect(**options)
    event = await wire.event()
    assert (event["type"], event["status"]) == ("websocket.http.response.start", status)
    assert json.loads((await wire.event())["body"])["errors"][0]["message"]


async def test_an_address_has_so_many_sockets_of_strangers(connect: Connect, seats: Seats) -> None:
    seats._of_strangers = 2
    first, second = connect(), connect()
    assert await first.accepted()
    assert await second.accepted()
    refused = connect()
    event = await refused.event()
    assert (event["status"], dict(event["headers"])[b"retry-after"]) == (429, b"5")
    assert b"RATE_LIMITED" in (await refused.event())["body"]
    assert await connect(address="192.0.2.2").accepted()
    await first.leave()
    assert await connect().accepted()


async def test_strangers_of_one_network_share_their_seats(connect: Connect, seats: Seats) -> None:
    seats._of_strangers = 1
    assert await connect(address="2001:db8::1").accepted()
    assert (await connect(address="2001:db8::2:3").event())["status"] == 429
    assert await connect(address="2001:db8:0:1::1").accepted()


async def test_who_signs_in_takes_no_strangers_seat_any_more(
    connect: Connect, seats: Seats, token: str
) -> None:
    seats._of_strangers, seats._per_user = 1, 2
    wires = [connect()]
    await wires[0].greet(token)
    wires.append(connect())
    await wires[1].greet(token)
    one_more = connect()
    await one_more.accepted()
    one_more.say("connection_init", payload={"authorization": f"Bearer {token}"})
    assert (await one_more.closed())[0] == 1013
    for wire in (*wires, one_more):
        await wire.leave()
    assert not seats._taken


# Signing in


async def test_a_token_acts_for_a_subject(
    connect: Connect, in_thread: InThread, viewer: Viewer
) -> None:
    made = await in_thread(create_token, viewer.user_id, [ACT_AS])
    payload = {"authorization": f"Bearer {made.text}", "Act-As": "grace"}
    for headers, sent in (({}, payload), ({"act-as": "grace"}, {**payload, "Act-As": None})):
        wire = connect(**headers)
        await wire.accepted()
        wire.say("connection_init", payload=sent)
        assert await wire.hear() == {"type": "connection_ack"}
        wire.ask("1", VIEWER)
        assert (await wire.hear())["payload"] == {"data": {"viewer": {"displayName": "grace"}}}


@pytest.mark.parametrize(("payload", "code"), [({"Act-As": 1}, 4400), ({"Act-As": "grace"}, 4403)])
async def test_act_as_goes_with_a_token(connect: Connect, payload: Any, code: int) -> None:
    wire = connect()
    await wire.accepted()
    wire.say("connection_init", payload=payload)
    assert (await wire.closed())[0] == code


@pytest.mark.parametrize("headers", [{}, {"act-as": "grace"}])
async def test_an_empty_subject_is_not_the_service_itself(
    connect: Connect, viewer: Viewer, in_thread: InThread, headers: dict[str, str]
) -> None:
    made = await in_thread(create_token, viewer.user_id, [ACT_AS])
    wire = connect(**headers)
    await wire.accepted()
    wire.say("connection_init", payload={"authorization": f"Bearer {made.text}", "Act-As": ""})
    assert (await wire.closed())[0] == 4403


async def test_an_empty_authorization_is_not_the_handshakes(connect: Connect, token: str) -> None:
    wire = connect(authorization=f"Bearer {token}")
    await wire.accepted()
    wire.say("connection_init", payload={"authorization": ""})
    assert (await wire.closed())[0] == 4403


async def test_who_tries_false_tokens_has_to_wait(
    connect: Connect, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "rates", Rates(requests=0, cost=0, anonymous=1))
    for code in (4403, 1013):
        wire = connect()
        await wire.accepted()
        wire.say("connection_init", payload={"authorization": "Bearer dbt_x"})
        assert (await wire.closed())[0] == code


@pytest.mark.parametrize("is_signed_in", [True, False])
async def test_a_greeting_counts_as_a_request(
    connect: Connect,
    door: Door,
    token: str,
    is_signed_in: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "rates", Rates(requests=1, cost=0, anonymous=1))
    payload = {"authorization": f"Bearer {token}"} if is_signed_in else {}
    first, second = connect(), connect()
    for wire in (first, second):
        await wire.accepted()
        wire.say("connection_init", payload=payload)
        if wire is first:
            assert await wire.hear() == {"type": "connection_ack"}
    code, reason = await second.closed()
    assert (code, "try again in 60 s" in reason) == (1013, True)


async def test_what_is_asked_too_often_ends_with_an_error(
    connect: Connect, door: Door, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "rates", Rates(requests=2, cost=0, anonymous=0))
    wire = connect()
    await wire.greet(token)
    wire.ask("1", VIEWER)
    assert (await wire.hear())["type"] == "next"
    assert (await wire.hear())["type"] == "complete"
    wire.ask("2", VIEWER)
    answer = await wire.hear()
    assert (answer["id"], answer["type"]) == ("2", "error")
    assert answer["payload"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 30}


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
async def test_a_token_in_connection_init_signs_in(connect: Connect, token: str, name: str) -> None:
    wire = connect()
    await wire.accepted()
    wire.say("connection_init", payload={name: f"Bearer {token}", "other": [1]})
    assert await wire.hear() == {"type": "connection_ack"}
    wire.ask("1", VIEWER)
    assert (await wire.hear())["payload"] == {"data": {"viewer": {"displayName": "ada"}}}


async def test_a_token_in_the_handshake_signs_in(connect: Connect, token: str) -> None:
    wire = connect(authorization=f"Bearer {token}")
    await wire.greet()
    wire.ask("1", VIEWER)
    assert (await wire.hear())["payload"] == {"data": {"viewer": {"displayName": "ada"}}}


@pytest.mark.parametrize("before", ["a=b", 'prefs={"a": 1}', "a b=c"])
async def test_a_session_signs_in(
    connect: Connect, viewer: Viewer, in_thread: InThread, before: str
) -> None:
    client = Client()
    await in_thread(client.force_login, await in_thread(User.objects.get))
    key = client.cookies[settings.SESSION_COOKIE_NAME].value
    wire = connect(cookie=f"{before}; {settings.SESSION_COOKIE_NAME}={key}")
    await wire.greet()
    wire.ask("1", VIEWER)
    assert (await wire.hear())["payload"] == {"data": {"viewer": {"displayName": "ada"}}}


@pytest.mark.parametrize("cookie", ["", "sessionid=", "sessionid=x", "sessionid=\x01;;", "="])
async def test_nobody_is_nobody(connect: Connect, cookie: str) -> None:
    wire = connect(cookie=cookie)
    await wire.greet()
    wire.ask("1", VIEWER)
    assert (await wire.hear())["payload"] == {"data": {"viewer": None}}
    assert (await wire.hear())["type"] == "complete"
    wire.ask("2", CHANGED)
    answer = await wire.hear()
    assert (answer["type"], answer["id"]) == ("error", "2")
    assert answer["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("value", ["Bearer wrong", "Basic eDp5", "Bearer", "\ud800"])
async def test_a_false_credential_is_4403(connect: Connect, value: str) -> None:
    wire = connect()
    await wire.accepted()
    wire.say("connection_init", payload={"authorization": value})
    assert (await wire.closed())[0] in (4403, 4400)


async def test_a_database_that_is_down_means_to_try_later(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OperationalError("10.0.0.1")

    monkeypatch.setattr(handshake, "sign_in", fail)
    wire = connect()
    await wire.accepted()
    wire.say("connection_init")
    code, reason = await wire.closed()
    assert code == 1013
    assert "10.0.0.1" not in reason


async def test_who_does_not_greet_is_4408(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "INIT_SECONDS", 0.1)
    wire = connect()
    await wire.accepted()
    wire.say("ping")
    assert await wire.hear() == {"type": "pong"}
    assert (await wire.closed())[0] == 4408


async def test_who_has_greeted_may_be_silent(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "INIT_SECONDS", 0.1)
    wire = connect()
    await wire.greet()
    await wire.silence(0.3)


async def test_a_second_greeting_is_4429(connect: Connect) -> None:
    wire = connect()
    await wire.greet()
    wire.say("connection_init")
    assert (await wire.closed())[0] == 4429


async def test_a_second_greeting_before_the_acknowledgement_is_4429(connect: Connect) -> None:
    wire = connect()
    await wire.accepted()
    wire.say("connection_init")
    wire.say("connection_init")
    event = await wire.event()
    if event["type"] == "websocket.send":  # the acknowledgement was faster
        event = await wire.event()
    assert event["code"] == 4429


async def test_an_operation_before_the_acknowledgement_is_4401(connect: Connect) -> None:
    wire = connect()
    await wire.accepted()
    wire.ask("1", VIEWER)
    assert (await wire.closed())[0] == 4401


# Messages

UNREADABLE = {
    "no JSON": "{",
    "an empty text": "",
    "a list": "[]",
    "a text": '"ping"',
    "null": "null",
    "no type": "{}",
    "a type that is no text": '{"type": 1}',
    "a type that is a list": '{"type": []}',
    "an unknown type": '{"type": "start"}',
    "a type of ours": '{"type": "next", "id": "1"}',
    "no id": '{"type": "subscribe", "payload": {"query": "{ viewer { id } }"}}',
    "an empty id": '{"type": "subscribe", "id": "", "payload": {"query": "{ viewer { id } }"}}',
    "a number for an id": '{"type": "subscribe", "id": 1, "payload": {"query": "{ a }"}}',
    "an id without end": json.dumps({"type": "complete", "id": "a" * 101}),
    "no payload": '{"type": "subscribe", "id": "1"}',
    "no query": '{"type": "subscribe", "id": "1", "payload": {}}',
    "a batch": '{"type": "subscribe", "id": "1", "payload": [{"query": "{ viewer { id } }"}]}',
    "variables that are a list": '{"type": "subscribe", "id": "1", "payload": {"query": "{a}", '
    '"variables": []}}',
    "nesting without end": '{"type": "ping", "payload": ' + "[" * 40 + "]" * 40 + "}",
    "a number that is none": '{"type": "ping", "payload": NaN}',
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_a_message_that_cannot_be_read_is_4400(connect: Connect, case: str) -> None:
    wire = connect()
    await wire.greet()
    wire.say_text(UNREADABLE[case])
    code, reason = await wire.closed()
    assert code == 4400
    assert reason
    assert len(reason.encode()) <= 123


async def test_bytes_are_4400(connect: Connect) -> None:
    wire = connect()
    await wire.greet()
    wire.say_bytes(b'{"type": "ping"}')
    assert (await wire.closed())[0] == 4400


@pytest.mark.parametrize("payload", [[], "x", 1, {"authorization": 1}])
async def test_a_greeting_that_cannot_be_read_is_4400(connect: Connect, payload: Any) -> None:
    wire = connect()
    await wire.accepted()
    wire.say("connection_init", payload=payload)
    assert (await wire.closed())[0] == 4400


async def test_pings_are_answered_with_what_they_brought(connect: Connect) -> None:
    wire = connect()
    await wire.greet()
    wire.say("ping")
    wire.say("pong")
    wire.say("ping", payload={"a": 1})
    assert await wire.hear() == {"type": "pong"}
    assert await wire.hear() == {"type": "pong", "payload": {"a": 1}}


# Operations


async def test_queries_and_mutations_are_served_too(connect: Connect, token: str) -> None:
    wire = connect()
    await wire.greet(token)
    wire.ask("q", VIEWER)
    assert (await wire.hear())["type"] == "next"
    assert await wire.hear() == {"id": "q", "type": "complete"}
    wire.ask("m", 'mutation { countWords(input: {text: "a"}) { run { status } } }')
    data = {"countWords": {"run": {"status": "QUEUED"}}}
    assert await wire.hear() == {"id": "m", "type": "next", "payload": {"data": data}}
    assert await wire.hear() == {"id": "m", "type": "complete"}


async def test_a_run_is_watched_to_its_end(
    connect: Connect, token: str, run: Run, knocks: Knocks, in_thread: InThread
) -> None:
    wire = connect()
    await wire.greet(token)
    wire.ask("w", WATCH, id=gid(run))
    first = await wire.hear()
    assert first["payload"]["data"]["run"] == {"status": "QUEUED", "revision": 1}
    await in_thread(work, run)
    await tell(knocks, await in_thread(Run.objects.get))
    last = await wire.hear()
    assert last["payload"]["data"]["run"] == {"status": "SUCCEEDED", "revision": 3}
    assert await wire.hear() == {"id": "w", "type": "complete"}


async def test_a_completed_operation_is_silent_and_its_id_free(
    connect: Connect, token: str, run: Run, knocks: Knocks, in_thread: InThread
) -> None:
    wire = connect()
    await wire.greet(token)
    wire.ask("w", WATCH, id=gid(run))
    await wire.hear()
    wire.say("complete", id="w")
    wire.say("complete", id="unknown")
    await in_thread(runs.claim, run.pk, runs.Claimant("count_words", "host:1"))
    await tell(knocks, await in_thread(Run.objects.get))
    await wire.silence()
    wire.ask("w", WATCH, id=gid(run))
    assert (await wire.hear())["payload"]["data"]["run"]["status"] == "RUNNING"


async def test_an_id_in_use_is_4409(connect: Connect, token: str, run: Run) -> None:
    wire = connect()
    await wire.greet(token)
    wire.ask("w", WATCH, id=gid(run))
    await wire.hear()
    wire.ask("w", VIEWER)
    assert (await wire.closed())[0] == 4409


async def test_an_operation_that_cannot_be_executed_is_an_error(
    connect: Connect, token: str
) -> None:
    wire = connect()
    await wire.greet(token)
    for query, code in {
        "{ nothing }": "GRAPHQL_VALIDATION_FAILED",
        "{": "GRAPHQL_PARSE_FAILED",
        "subscription { nothing }": "GRAPHQL_VALIDATION_FAILED",
        "query($i: ID!) { run(id: $i) { id } }": "BAD_USER_INPUT",
        "{ " + " ".join(f"a{n}: viewer {{ id }}" for n in range(31)) + " }": "QUERY_TOO_COMPLEX",
    }.items():
        wire.ask("1", query)
        answer = await wire.hear()
        assert (answer["type"], answer["id"]) == ("error", "1")
        assert answer["payload"][0]["extensions"]["code"] == code
    await wire.silence()


async def test_a_socket_has_a_bounded_number_of_operations(
    connect: Connect, token: str, run: Run
) -> None:
    wire = connect()
    await wire.greet(token)
    for number in range(OPERATIONS + 1):
        wire.ask(str(number), CHANGED)
    answer = await wire.hear()
    assert (answer["type"], answer["id"]) == ("error", str(OPERATIONS))
    assert answer["payload"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 5}
    wire.say("complete", id="0")
    wire.ask("again", CHANGED)
    await wire.silence()


async def test_a_user_has_a_bounded_number_of_watches(
    connect: Connect, token: str, run: Run, hub: Hub
) -> None:
    hub._register._per_user = 2
    one, two = connect(), connect()
    await one.greet(token)
    await two.greet(token)
    one.ask("1", WATCH, id=gid(run))
    two.ask("1", WATCH, id=gid(run))
    await one.hear()
    await two.hear()
    two.ask("2", WATCH, id=gid(run))
    answer = await two.hear()
    assert (answer["type"], answer["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
    await one.leave()
    two.ask("2", WATCH, id=gid(run))
    assert (await two.hear())["type"] == "next"


async def test_a_start_may_wait_for_its_end(
    connect: Connect, token: str, knocks: Knocks, in_thread: InThread
) -> None:
    wire = connect()
    await wire.greet(token)
    text = """mutation { countWords(input: {text: "one two"}, waitSeconds: 10)
      { run { status } result { words } } }"""
    wire.ask("m", text)
    await wire.silence()
    run = await in_thread(Run.objects.get)
    await in_thread(work, run)
    await tell(knocks, await in_thread(Run.objects.get))
    answer = await wire.hear()
    expected = {"run": {"status": "SUCCEEDED"}, "result": {"words": 2}}
    assert answer["payload"]["data"]["countWords"] == expected
    assert (await wire.hear())["type"] == "complete"


async def test_changes_since_the_operation_came_are_told(
    connect: Connect, token: str, run: Run, knocks: Knocks, in_thread: InThread
) -> None:
    """A client may read its list right after it has asked to be told of changes."""
    wire = connect()
    await wire.greet(token)
    await tell(knocks, run)  # before it asks
    await asyncio.sleep(0.01)
    other = await in_thread(start, Viewer(run.owner_id, frozenset({"tasks:start"})))
    wire.ask("c", CHANGED)
    for _ in range(3):
        await asyncio.sleep(0)  # the operation is on its way through the pool
    await tell(knocks, other)
    answer = await wire.hear()
    assert answer["payload"]["data"]["runChanged"] == {"id": gid(other), "revision": 1}
    await wire.silence()


# Ends


async def test_a_revoked_token_closes_the_socket(
    connect: Connect, token: str, run: Run, in_thread: InThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "SURVEY_SECONDS", 0.1)
    idle, watching = connect(), connect()
    await idle.greet(token)
    await watching.greet(token)
    watching.ask("w", WATCH, id=gid(run))
    await watching.hear()
    await in_thread(ApiToken.objects.update, revoked_at=run.created_at)
    answer = await watching.hear()
    assert (answer["type"], answer["id"]) == ("error", "w")
    assert answer["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    for wire in (idle, watching):
        code, reason = await wire.closed()
        assert code == 4403
        assert "revoked" in reason


async def test_a_scope_that_is_taken_away_ends_what_it_showed(
    connect: Connect,
    token: str,
    run: Run,
    knocks: Knocks,
    in_thread: InThread,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(survey, "SURVEY_SECONDS", 0.1)
    wire = connect()
    await wire.greet(token)
    wire.ask("w", WATCH, id=gid(run))
    await wire.hear()
    await in_thread(ApiToken.objects.update, scopes=["tasks:start"])
    await asyncio.sleep(0.5)
    await in_thread(work, run)
    await tell(knocks, await in_thread(Run.objects.get))
    assert (await wire.hear())["payload"] == {"data": {"run": None}}
    assert (await wire.hear())["type"] == "complete"


async def test_a_session_that_ends_closes_the_socket(
    connect: Connect, viewer: Viewer, in_thread: InThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "SURVEY_SECONDS", 0.1)
    client = Client()
    await in_thread(client.force_login, await in_thread(User.objects.get))
    key = client.cookies[settings.SESSION_COOKIE_NAME].value
    wire = connect(cookie=f"{settings.SESSION_COOKIE_NAME}={key}")
    await wire.greet()
    await in_thread(client.logout)
    assert (await wire.closed())[0] == 4403


async def test_a_server_that_stops_closes_its_sockets(
    connect: Connect, token: str, run: Run, hub: Hub
) -> None:
    wire = connect()
    await wire.greet(token)
    wire.ask("w", WATCH, id=gid(run))
    await wire.hear()
    hub.leave()
    assert (await wire.closed())[0] == 1012


async def test_a_reader_that_takes_nothing_is_cut_off(
    connect: Connect,
    token: str,
    run: Run,
    knocks: Knocks,
    in_thread: InThread,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "WRITE_SECONDS", 0.2)
    wire = connect()
    await wire.greet(token)
    wire.ask("w", WATCH, id=gid(run))
    await wire.hear()
    wire.reads.clear()
    await in_thread(work, run)
    await tell(knocks, await in_thread(Run.objects.get))
    async with asyncio.timeout(5):
        await wire.served
    assert wire.is_hung_up


async def test_a_server_that_stops_does_not_wait_for_a_reader_that_takes_nothing(
    connect: Connect, token: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "END_SECONDS", 0.2)
    wire = connect()
    await wire.greet(token)
    wire.reads.clear()
    hub.leave()
    async with asyncio.timeout(5):
        await wire.served
    assert wire.is_hung_up


async def test_nothing_is_left_of_sockets_that_are_gone(
    connect: Connect, token: str, run: Run, hub: Hub, in_thread: InThread
) -> None:
    for _ in range(20):
        wire = connect()
        await wire.greet(token)
        wire.ask("w", WATCH, id=gid(run))
        wire.ask("c", CHANGED)
        await wire.hear()
        await wire.leave()
    register = hub._register
    left = (register.run_ids, register.owner_ids, register._standing, register._watching)
    assert register.is_empty
    assert not any(left), left
    assert {task.get_name() for task in asyncio.all_tasks() if "Socket" in repr(task)} == set()


@pytest.mark.parametrize("is_traced", [False, True])
async def test_a_bug_is_masked_and_costs_one_operation(
    connect: Connect,
    token: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    log_lines: list[dict[str, Any]],
    is_traced: bool,
) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    wire = connect(traceparent=f"00-{trace}-00f067aa0ba902b7-01" if is_traced else "")
    await wire.greet(token)

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("tasks.watch.RunFeed.answer", fail)
    wire.ask("w", WATCH, id=gid(run))
    answer = await wire.hear()
    (error,) = answer["payload"]["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert "secret" not in json.dumps(answer)
    assert (await wire.hear())["type"] == "complete"
    monkeypatch.setattr("backend.door.execute.Door.execute", fail)
    wire.ask("w", VIEWER)
    answer = await wire.hear()
    assert (answer["type"], answer["payload"][0]["extensions"]["code"]) == ("error", "INTERNAL")
    references = [each["extensions"]["reference"] for each in (error, answer["payload"][0])]
    assert [line["trace_id"] for line in log_lines] == references
    assert {line["transport"] for line in log_lines} == {"websocket"}
    assert len(set(references)) == (1 if is_traced else 2)  # else each operation has its own
    assert (trace in references) == is_traced


async def test_a_token_of_another_user_sees_nothing(
    connect: Connect, run: Run, knocks: Knocks, in_thread: InThread
) -> None:
    eve = await in_thread(User.objects.create, username="eve")
    wire = connect()
    await wire.greet((await in_thread(create_token, eve.pk)).text)
    wire.ask("w", WATCH, id=gid(run))
    assert (await wire.hear())["payload"] == {"data": {"run": None}}
    assert (await wire.hear())["type"] == "complete"
    wire.ask("c", CHANGED)
    await wire.silence()
    await in_thread(work, run)
    changed = await in_thread(Run.objects.get)
    await tell(knocks, changed)
    await knocks.say(Change(run.pk, eve.pk, 9))  # a knock with a wrong owner
    await wire.silence()
