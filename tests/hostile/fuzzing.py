"""What is made at random: operations that fit the schema, and documents, bytes and messages that
nearly do."""

import json
import re
from collections.abc import Callable
from typing import Any, cast

import schemathesis
from graphql import introspection_from_schema
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.graphql import nodes

from tests.hostile.conversations import CASES as CONVERSATIONS
from tests.hostile.requests import CASES as REQUESTS
from tests.hostile.requests import START, http
from tests.hostile.scene import SCHEMA, VISITS
from tests.hostile.table import Conversation, Request
from tests.hostile.values import NODE, RUN, RUNS

LARGE = 20_000  # bytes of a request that is not worth mutating
TOKEN = re.compile(r'"[^"\n]*"|\.\.\.|[A-Za-z_]\w*|-?\d[\d.]*|\S')
MEMBERS = (*("",) * 12, "query", "variables", "operationName", "extensions", "documentId", "a")
KINDS = ("connection_init", "ping", "pong", "subscribe", "complete", "next", "connection_ack", "a")

SCALARS = st.sampled_from(
    (
        *("", " ", "\0", "a\u202eb", "\ufeff", "🥁", "' OR 1=1 --", "../../etc/passwd", "${1}"),
        *("-1", "1e999", "NaN", "null", "true", "Run:", "UnVuOg==", "<my run>", "<other run>"),
        *("<my file>", "<promised>", "<other token>", "<event cursor>", "2026-01-01T00:00:00Z"),
        *("0000-00-00T00:00:00Z", "9999-12-31T23:59:59-23:59", "QUEUED", "count_words"),
        *(0, 1, -1, 2**31, -(2**31) - 1, 2**53, 2**63, 10**30, 0.1, -0.0, 1e300, True, False, None),
    )
)
VALUES = st.recursive(
    SCALARS
    | st.text(max_size=20)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
for _name in ("DateTime", "Date", "Time", "Decimal", "UUID", "URL", "JSON"):
    schemathesis.graphql.scalar(_name, (SCALARS | st.text()).map(str).map(nodes.String))


def operations() -> st.SearchStrategy[dict[str, Any]]:
    """Bodies with operations that fit the schema, as Schemathesis makes them."""
    introspection = cast(dict[str, Any], introspection_from_schema(SCHEMA))
    loaded = schemathesis.graphql.from_dict(introspection)
    found = [each.ok() for each in loaded.get_all_operations() if isinstance(each, Ok)]
    cases = st.one_of([each.as_strategy() for each in found])
    return cases.map(lambda case: {"query": case.body})


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Bodies with documents and variables that nearly fit the schema."""
    document = draw(st.sampled_from([*(each.shallow for each in VISITS), NODE, RUN, RUNS]))
    names = re.findall(r"\$(\w+):", document)
    tokens = mutated(draw, TOKEN.findall(document), st.sampled_from(TOKEN.findall(document)), 2)
    variables: Any = {name: draw(VALUES) for name in names}
    body = {"query": " ".join(tokens), "variables": variables}
    extra = draw(st.sampled_from(MEMBERS))
    return {**body, extra: draw(VALUES)} if extra else body


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Requests with bytes changed, half of them with the length that they then have."""
    seeds = [each.content for each in REQUESTS.values() if isinstance(each, Request)]
    seeds = [http(), http(START), *(each for each in seeds if len(each) < LARGE)]
    words = [
        b"\r\n",
        b"\0",
        b"\xff",
        b" ",
        b":",
        b",",
        b'"',
        b"{",
        b"[",
        b"chunked",
        b"Host: a\r\n",
    ]
    pieces = [bytes([each]) for each in draw(st.sampled_from(seeds))]
    made = b"".join(mutated(draw, pieces, st.sampled_from(words) | st.binary(max_size=4), 4))
    if draw(st.booleans()):
        length = b"Content-Length: %d" % len(made.partition(b"\r\n\r\n")[2])
        made = re.sub(rb"Content-Length: \d+", length, made, count=1)
    return made


@st.composite
def conversations(draw: st.DrawFn) -> list[str | bytes]:
    """What is said on a greeted socket."""
    known = [each for each in CONVERSATIONS.values() if isinstance(each, Conversation)]
    texts = [step for each in known for step in each.steps if isinstance(step, str)]
    odd = st.fixed_dictionaries(
        {"type": st.sampled_from(KINDS)}, optional={"id": SCALARS, "payload": VALUES}
    )
    last = (
        odd.map(json.dumps) | st.sampled_from(texts) | st.text(max_size=40) | st.binary(max_size=9)
    )
    good = [
        {"type": "subscribe", "id": str(number), "payload": payload}
        for number, payload in enumerate(draw(st.lists(bodies(), max_size=6)))
    ]
    ended = [{"type": "complete", "id": each["id"]} for each in good[:: draw(st.integers(1, 3))]]
    return [*map(json.dumps, [*good, *ended]), draw(last)]


def mutated(
    draw: st.DrawFn, pieces: list[Any], others: st.SearchStrategy[Any], most: int
) -> list[Any]:
    """The pieces after some changes, or none."""
    for _ in range(draw(st.sampled_from((0, *range(most + 1))))):
        place = draw(st.integers(0, len(pieces)))
        length = draw(st.integers(0, 4))
        change = draw(st.sampled_from(CHANGES))
        pieces = change(pieces, place, place + length, draw(others))
    return pieces


def _drop(pieces: list[Any], first: int, last: int, other: Any) -> list[Any]:
    return pieces[:first] + pieces[last:]


def _double(pieces: list[Any], first: int, last: int, other: Any) -> list[Any]:
    return pieces[:last] + pieces[first:]


def _cut(pieces: list[Any], first: int, last: int, other: Any) -> list[Any]:
    return pieces[:first]


def _insert(pieces: list[Any], first: int, last: int, other: Any) -> list[Any]:
    return [*pieces[:first], other, *pieces[first:]]


def _replace(pieces: list[Any], first: int, last: int, other: Any) -> list[Any]:
    return [*pieces[:first], other, *pieces[last:]]


CHANGES: tuple[Callable[[list[Any], int, int, Any], list[Any]], ...] = (
    *(_drop, _double, _cut, _insert, _replace),
)
