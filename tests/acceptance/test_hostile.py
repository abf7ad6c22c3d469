"""Hostile input against a running service: a typed error each time, no 5xx, and it lives on."""

import json
from typing import Any

import httpx
import pytest

from tests.acceptance.client import COUNT, UPLOAD, Client
from tests.stacks.service import Service

pytestmark = pytest.mark.xdist_group("embedded")

QUERY = {"query": "{ viewer { id } }"}
DEEP = "{ runs { nodes " + "{ task { ... on Node " * 12 + "{ id }" + "} }" * 12 + " } }"
LIMITS = "{ limits { " + "depth " * 2_000 + "} }"
ALIASES = "{ " + " ".join(f"a{n}: viewer {{ id }}" for n in range(31)) + " }"
CYCLE = "{ viewer { ...a } } fragment a on User { ...b } fragment b on User { ...a }"
BOMB = "{ viewer { ...f0 } }" + "".join(
    f" fragment f{n} on User {{ ...f{n + 1} ...f{n + 1} }}" for n in range(25)
) + " fragment f25 on User { id }"  # fmt: skip
CONFLICTS = "{ " + " ".join(f'task(name: "{n}") {{ id }}' for n in range(300)) + " }"
DIRECTIVES = "{ viewer { id " + "@include(if: true) " * 200 + "} }"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
UTF_7 = {"Content-Type": "application/json; charset=utf-7"}

RAW: dict[str, tuple[bytes, dict[str, str], set[int]]] = {
    "empty body": (b"", {}, {400}),
    "a list": (b"[]", {}, {400}),
    "a batch": (json.dumps([QUERY, QUERY]).encode(), {}, {400}),
    "a string": (b'"x"', {}, {400}),
    "null": (b"null", {}, {400}),
    "no query": (b"{}", {}, {400}),
    "a number as query": (b'{"query": 1}', {}, {400}),
    "broken JSON": (b'{"query": "{', {}, {400}),
    "invalid UTF-8": (b'{"query": "\xff\xfe"}', {}, {400}),
    "NUL bytes": (b"\0" * 100, {}, {400}),
    "NaN": (b'{"query": "{ viewer { id } }", "variables": {"a": NaN}}', {}, {400}),
    "an infinite number": (b'{"query": "{ viewer { id } }", "variables": {"a": 1e999}}', {}, {400}),
    "5,000 digits": (b'{"query": "x", "variables": {"a": ' + b"9" * 5_000 + b"}}", {}, {400}),
    "deep JSON": (b'{"query": "x", "variables": ' + b"[" * 100_000 + b"}", {}, {400}),
    "variables as list": (b'{"query": "{ viewer { id } }", "variables": []}', {}, {400}),
    "unknown operation": (
        b'{"query": "query A { viewer { id } }", "operationName": "B"}',
        {},
        {400},
    ),
    "half a surrogate": (b'{"query": "{ node(id: \\"\\ud800\\") { id } }"}', {}, {200, 400}),
    "a form": (b"query=%7Bviewer%7Bid%7D%7D", FORM, {415}),
    "plain text": (json.dumps(QUERY).encode(), {"Content-Type": "text/plain"}, {415}),
    "multipart": (b"--x--", {"Content-Type": "multipart/form-data; boundary=x"}, {415}),
    "an odd charset": (json.dumps(QUERY).encode(), UTF_7, {415}),
    "too large": (b'{"query": "' + b" " * 300_000 + b'"}', {}, {413}),
    "a false token": (json.dumps(QUERY).encode(), {"Authorization": "Bearer dbt_x"}, {401}),
    "a basic credential": (json.dumps(QUERY).encode(), {"Authorization": "Basic eDp5"}, {401}),
    "a foreign host": (json.dumps(QUERY).encode(), {"Host": "evil.example"}, {400}),
}  # fmt: skip

DOCUMENTS = {
    "too deep": DEEP,
    "2,000 fields": LIMITS,
    "31 aliases": ALIASES,
    "a cycle of fragments": CYCLE,
    "a fragment bomb": BOMB,
    "conflicting arguments": CONFLICTS,
    "200 directives": DIRECTIVES,
    "nothing": "",
    "no GraphQL": "SELECT 1",
    "an unknown field": "{ nothing }",
    "an unknown fragment": "{ viewer { ...nobody } }",
    "a subscription": "subscription { run(id: 1) { id } }",
    "a literal beyond Int": 'mutation { countWords(input: {text: "", minimum: 9999999999}) '
    "{ replayed } }",
    "a bad cursor": '{ runs(after: "x") { nodes { id } } }',
    "a page of 101": "{ runs(first: 101) { nodes { id } } }",
    "first and last": "{ runs(first: 1, last: 1) { nodes { id } } }",
}


@pytest.fixture(scope="module")
def client(embedded_service: Service) -> Client:
    return Client(embedded_service)


def post(client: Client, content: bytes, headers: dict[str, str]) -> httpx.Response:
    base = {"Content-Type": "application/json", "Authorization": f"Bearer {client.token}"}
    return client.service.http.post("/graphql", content=content, headers={**base, **headers})


def alive(client: Client) -> None:
    assert client.ask("{ viewer { displayName } }") == {"viewer": {"displayName": "ada"}}


@pytest.mark.parametrize("name", RAW)
def test_a_hostile_request_gets_a_clear_no(client: Client, name: str) -> None:
    content, headers, statuses = RAW[name]
    answer = post(client, content, headers)
    assert answer.status_code in statuses, answer.text
    assert "Traceback" not in answer.text
    body = answer.json()
    assert body.get("data") or body["errors"][0]["extensions"]["code"]
    alive(client)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hostile_document_gets_a_clear_no(client: Client, name: str) -> None:
    answer = post(client, json.dumps({"query": DOCUMENTS[name]}).encode(), {})
    assert answer.status_code in (200, 400)
    (first, *_) = answer.json()["errors"]
    assert first["extensions"]["code"] in {
        "QUERY_TOO_COMPLEX", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED",
        "BAD_USER_INPUT", "BAD_REQUEST",
    }  # fmt: skip
    assert not answer.json().get("data")
    alive(client)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_executes(client: Client, method: str) -> None:
    headers = {"Authorization": f"Bearer {client.token}", "Accept": "application/json"}
    url = "/graphql?query={viewer{id}}"
    answer = client.service.http.request(method, url, headers=headers)
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "given",
    [
        {"text": "a", "minimum": 0},
        {"text": "x" * 100_001},
        {"text": "a\0b"},
    ],
)
def test_a_hostile_input_is_refused_and_writes_nothing(
    client: Client, given: dict[str, Any]
) -> None:
    def count() -> int:
        return int(client.ask("{ runs { totalCount } }")["runs"]["totalCount"])

    before = count()
    body = json.dumps({"query": COUNT, "variables": {"input": given}}).encode()
    payload = post(client, body, {}).json()["data"]["countWords"]
    assert (payload["run"], payload["errors"][0]["code"]) == (None, "BAD_USER_INPUT")
    assert payload["errors"][0]["field"][0] == "input"
    assert count() == before


def test_hostile_uploads_are_refused(client: Client) -> None:
    given = {"name": "a.csv", "size": 4, "contentType": "text/csv"}
    payload = client.ask(UPLOAD, input=given)["createUpload"]
    url = payload["upload"]["url"]
    address, _, signature = url.partition("?signature=")
    other = client.ask(UPLOAD, input=given)["createUpload"]["upload"]["url"]
    uploads = f"{client.service.url}/uploads"
    cases: list[tuple[str, bytes, set[int]]] = [
        (address, b"abcd", {403}),
        (f"{address}?signature=", b"abcd", {403}),
        (f"{address}?signature=x", b"abcd", {403}),
        (f"{address}?signature={signature[:-2]}", b"abcd", {403}),
        (f"{other.partition('?')[0]}?signature={signature}", b"abcd", {403}),
        (f"{uploads}/..%2f..%2fetc%2fpasswd?signature={signature}", b"x", {403, 404}),
        (f"{uploads}/x?signature={signature}", b"x", {403, 404}),
        (f"{uploads}/{'0' * 5_000}?signature={signature}", b"x", {403, 404}),
        (url, b"abc", {400}),
        (url, b"", {400}),
        (url, b"abcdefgh", {413}),
        (url, b"x" * 1_000_000, {413}),
    ]  # fmt: skip
    for target, content, statuses in cases:
        answer = httpx.put(target, content=content)
        assert answer.status_code in statuses, (target[:100], answer.status_code, answer.text)
        assert "Traceback" not in answer.text
    assert httpx.post(url, content=b"abcd").status_code == 405
    assert httpx.get(url).status_code == 405
    assert httpx.put(url, content=b"abcd").status_code == 204
    assert httpx.put(url, content=b"abcd").status_code == 204
    assert httpx.put(url, content=b"efgh").status_code == 400
    alive(client)


def test_preflights_answer_only_known_origins(client: Client) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = client.service.http.options("/graphql", headers=headers)
    assert "access-control-allow-origin" not in answer.headers
