"""What HTTP says of a GraphQL request: status, media type, headers."""

from typing import Any, Never
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import Settings

from backend.door import http
from tests.backend.door.conftest import GRAPHQL, JSON, Post, codes, content
from tests.backend.door.toy import Root

DEEP = b'{"query": "{hello}", "variables": ' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("*/*", JSON),
        (JSON, JSON),
        ("application/*", JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{GRAPHQL};q=0.5, {JSON}", JSON),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL}, application/graphql+json, {JSON}, text/event-stream", GRAPHQL),
        (f"text/html, {GRAPHQL.upper()};charset=utf-8", GRAPHQL),
        (f"{GRAPHQL};q=0, */*;q=0.1", JSON),
    ],
)
def test_the_answer_comes_in_the_type_that_the_client_likes_best(
    post: Post, accept: str | None, media_type: str
) -> None:
    response = post("{ hello }", accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert content(response) == {"data": {"hello": "Hello you"}}


@pytest.mark.parametrize("accept", ["text/html", f"{JSON};q=0", f"{JSON};q=x", "image/*"])
def test_a_client_that_takes_no_json_gets_406(post: Post, accept: str) -> None:
    assert post("{ hello }", accept=accept).status_code == 406


EXECUTED = {
    "a query": ("{ hello }", None),
    "a bug in a resolver": ("{ leak }", "INTERNAL"),
    "a bug below a non-null field": ("{ must }", "INTERNAL"),
    "a refusal by a resolver": ("{ refuse }", "BAD_USER_INPUT"),
    "a database that is down": ("{ lockedOut }", "UNAVAILABLE"),
}
DOCUMENT_FAULTS = {
    "a syntax error": ("{ hello", "GRAPHQL_PARSE_FAILED"),
    "no document": ("", "GRAPHQL_PARSE_FAILED"),
    "an unknown field": ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
    "an unknown argument": ("{ hello(nam: 1) }", "GRAPHQL_VALIDATION_FAILED"),
    "a missing argument": ("{ double }", "GRAPHQL_VALIDATION_FAILED"),
    "a wrong type": ('{ double(number: "1") }', "GRAPHQL_VALIDATION_FAILED"),
    "an Int beyond 32 bits": ("{ double(number: 2147483648) }", "GRAPHQL_VALIDATION_FAILED"),
    "an unknown fragment": ("{ ...F }", "GRAPHQL_VALIDATION_FAILED"),
    "half a surrogate in the document": ('{ hello(name: "\\uD800") }', "GRAPHQL_PARSE_FAILED"),
    "a missing variable": ("query($n: Int!) { double(number: $n) }", "BAD_USER_INPUT"),
}
REQUEST_FAULTS = {
    "two operations and no name": ("query A { hello } query B { hello }", "BAD_REQUEST"),
    "31 aliases": (
        "{" + "".join(f"a{n}: hello " for n in range(31)) + "}",
        "QUERY_TOO_COMPLEX",
    ),
}


@pytest.mark.parametrize(("query", "code"), EXECUTED.values(), ids=EXECUTED)
@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
def test_what_was_executed_is_200(post: Post, accept: str, query: str, code: str | None) -> None:
    response = post(query, accept=accept)
    assert response.status_code == 200
    assert "data" in content(response)
    assert codes(response) == [code] if code else "errors" not in content(response)


@pytest.mark.parametrize(("query", "code"), DOCUMENT_FAULTS.values(), ids=DOCUMENT_FAULTS)
@pytest.mark.parametrize(("accept", "status"), [(JSON, 200), (GRAPHQL, 400)])
def test_a_document_that_does_not_fit_is_400_where_the_media_type_says_so(
    post: Post, accept: str, status: int, query: str, code: str
) -> None:
    response = post(query, accept=accept)
    assert response.status_code == status
    assert codes(response) == [code]
    assert "data" not in content(response)


@pytest.mark.parametrize(("query", "code"), REQUEST_FAULTS.values(), ids=REQUEST_FAULTS)
@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
def test_a_request_that_cannot_be_run_is_400_for_both(
    post: Post, accept: str, query: str, code: str
) -> None:
    response = post(query, accept=accept)
    assert (response.status_code, codes(response)) == (400, [code])


BODIES = {
    "nothing": b"",
    "a list": b'[{"query": "{ hello }"}]',
    "a string": b'"{ hello }"',
    "null": b"null",
    "a number": b"1",
    "no query": b"{}",
    "a query that is no string": b'{"query": 1}',
    "a null query": b'{"query": null}',
    "variables that are a list": b'{"query": "{hello}", "variables": []}',
    "variables that are a string": b'{"query": "{hello}", "variables": "{}"}',
    "extensions that are a list": b'{"query": "{hello}", "extensions": []}',
    "an operation name that is a number": b'{"query": "{hello}", "operationName": 1}',
    "an unknown operation name": b'{"query": "query A {hello}", "operationName": "B"}',
    "invalid UTF-8": b'{"query": "{hello} #\xff"}',
    "UTF-16": '{"query": "{hello}"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"query": "{hello}"}',
    "cut off": b'{"query": "{hello}"',
    "two documents": b'{"query": "{hello}"}{}',
    "NaN": b'{"query": "{hello}", "variables": {"a": NaN}}',
    "Infinity": b'{"query": "{hello}", "variables": {"a": -Infinity}}',
    "a float beyond all bounds": b'{"query": "{hello}", "variables": {"a": 1e999}}',
    "an integer of 5,000 digits": b'{"query": "{hello}", "variables": {"a": '
    + b"9" * 5_000
    + b"}}",
    "half a surrogate": b'{"query": "{hello}", "variables": {"a": "\\ud800"}}',
    "half a surrogate in a key": b'{"query": "{hello}", "variables": {"\\uDC00": 1}}',
    "depth": DEEP,
    "endless depth": b"[" * 200_000,
    "form data": b"query=%7Bhello%7D",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
def test_an_unreadable_request_is_400(post: Post, accept: str, body: bytes) -> None:
    response = post(body, accept=accept)
    assert (response.status_code, codes(response)) == (400, ["BAD_REQUEST"])


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/jsonx",
    ],
)
def test_only_json_is_read(post: Post, content_type: str) -> None:
    response = post("mutation { count(by: 1) }", content_type=content_type)
    assert (response.status_code, codes(response)) == (415, ["BAD_REQUEST"])
    assert Root.counted == 0


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", "Application/JSON;charset=utf8"]
)
def test_json_may_name_its_charset(post: Post, content_type: str) -> None:
    assert post("{ hello }", content_type=content_type).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "BREW"])
def test_only_post_executes(client: Client, method: str) -> None:
    response: Any = client.generic(
        method, "/graphql?query=mutation{count(by:1)}", b'{"query": "mutation{count(by:1)}"}', JSON
    )
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert Root.counted == 0


def test_the_query_is_never_taken_from_the_url(post: Post) -> None:
    response = post(b"{}", path="/graphql?query={hello}")
    assert response.status_code == 400


def test_variables_and_the_operation_name_are_used(post: Post) -> None:
    body = {
        "query": "query A { hello } query B($n: String) { hello(name: $n) }",
        "variables": {"n": "Ünï 🥁"},
        "operationName": "B",
        "extensions": {"anything": 1},
    }
    assert content(post(body)) == {"data": {"hello": "Hello Ünï 🥁"}}


def test_an_escaped_surrogate_pair_is_text(post: Post) -> None:
    body = b'{"query": "query($n: String) {hello(name: $n)}", "variables": {"n": "\\ud83e\\udd41"}}'
    assert content(post(body)) == {"data": {"hello": "Hello 🥁"}}


def test_a_bug_outside_of_resolvers_is_masked(
    post: Post, monkeypatch: pytest.MonkeyPatch, log_lines: list[dict[str, Any]]
) -> None:
    def fail(_header: str | None) -> Never:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(http, "viewer_of", fail)
    response = post("{ hello }")
    assert (response.status_code, codes(response)) == (500, ["INTERNAL"])
    assert b"secret" not in response.content
    reference = content(response)["errors"][0]["extensions"]["reference"]
    assert reference in [line["trace_id"] for line in log_lines]


def test_the_address_that_clients_see_is_known(post: Post, settings: Settings) -> None:
    assert content(post("{ address }"))["data"]["address"] == "http://testserver"
    settings.PUBLIC_URL = "https://api.example"
    assert content(post("{ address }"))["data"]["address"] == "https://api.example"


def test_answers_are_neither_cached_nor_mixed_up(post: Post) -> None:
    response = post("{ hello }")
    assert response.headers["Cache-Control"] == "no-store"
    assert "Accept" in response.headers["Vary"]


def test_an_allowed_origin_may_read_and_no_other(post: Post, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    for origin in ("https://app.example", "https://evil.example", "null"):
        response = post("{ hello }", origin=origin)
        allowed = response.headers.get("access-control-allow-origin")
        assert allowed == (origin if origin == "https://app.example" else None)


def test_where_introspection_is_off_nothing_is_told_of_the_schema(post: Post) -> None:
    for query in ("{ __schema { types { name } } }", '{ __type(name: "Run") { name } }'):
        response = post(query, path="/closed", accept=GRAPHQL)
        assert (response.status_code, codes(response)) == (400, ["GRAPHQL_VALIDATION_FAILED"])
    assert b"Did you mean" in post("{ helo }").content
    assert b"Did you mean" not in post("{ helo }", path="/closed").content
    assert content(post("{ __typename }", path="/closed")) == {"data": {"__typename": "Query"}}


@pytest.fixture(autouse=True)
def _count_from_zero() -> None:
    Root.counted = 0


def test_a_mutation_runs_once(post: Post) -> None:
    assert content(post("mutation { count(by: 2) }")) == {"data": {"count": 2}}


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 1.5, "1", None, True, [1], {"a": 1}])
def test_a_variable_of_the_wrong_type_runs_nothing(post: Post, number: Any) -> None:
    body = {"query": "mutation($n: Int!) { count(by: $n) }", "variables": {"n": number}}
    response = post(body, accept=GRAPHQL)
    assert (response.status_code, codes(response)) == (400, ["BAD_USER_INPUT"])
    assert Root.counted == 0


def test_an_unknown_host_is_refused(post: Post) -> None:
    assert post("{ hello }", host=f"{uuid4()}.example").status_code == 400
