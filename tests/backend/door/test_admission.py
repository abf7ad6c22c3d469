"""What is too costly is refused before validation; what real clients send is not."""

import json
from typing import Never

import pytest
from graphql import get_introspection_query, parse, print_schema

from backend.door import admission, documents
from backend.door.documents import Documents
from backend.door.errors import RequestRefused
from schema import limits
from schema.build import schema
from tests.backend.door.conftest import GRAPHQL, Post, codes
from tests.backend.door.toy import SCHEMA


def repeat(text: str, times: int) -> str:
    """The text so many times, `#` replaced by the number."""
    return " ".join(text.replace("#", str(number)) for number in range(times))


def fragments(body: str, times: int) -> str:
    """Fragments F0, F1...; in the body `#` is the number and `@` the next one."""
    return " ".join(
        f"fragment F{number} on Query "
        "{ " + body.replace("#", str(number)).replace("@", str(number + 1)) + " }"
        for number in range(times)
    )


def nested(depth: int) -> str:
    return "{ run " + "{ parent " * (depth - 2) + "{ id }" + " }" * (depth - 2) + " }"


TOO_MANY_TOKENS = {
    "2,000 fields": "{" + repeat("hello", 2_000) + "}",
    "2,000 comments": "#\n" * 2_000 + "{ hello }",
    "2,000 numbers": "{ double(number: [" + repeat("1", 2_000) + "]) }",
}
BOMBS = {
    "13 levels": nested(13),
    "190 levels": nested(190),
    "13 levels by fragments": "{ run { ...A } } fragment A on Run "
    + nested(12).replace("run", "parent"),
    "401 fields": "{" + repeat("f#", 401) + "}",
    "401 fields by fragments": "{ ...F0 ...F1 ...F2 } " + fragments(repeat("f#", 134), 3),
    "31 aliases": "{" + repeat("a#: hello", 31) + "}",
    "31 aliases by a fragment": "{ run { ...A p: parent { ...A } } } fragment A on Run {"
    + repeat("a#: id", 15)
    + "}",
    "1,990 times one field": "{" + repeat("hello", 1_990) + "}",
    "101 times one field by fragments": "{ ...F0 ...F1 } " + fragments(repeat("hello", 51), 2),
    "101 times one field in one place": "{" + repeat("run { id }", 101) + "}",
    "200 directives": "{ hello " + repeat("@d#", 200) + "}",
    "6 directives in one place": "{ hello " + repeat("@d#", 6) + "}",
    "21 directives on many places": "query($a: Int @a) @b { "
    + repeat("hello @skip(if: false)", 19)
    + "}",
    "31 fragments": "{ ...F0 } " + fragments("hello", 31),
    "a fragment in itself": "{ ...F0 } fragment F0 on Query { ...F0 }",
    "a fragment in itself below a field": "{ run { ...A } } fragment A on Run { parent { ...A } }",
    "a circle of fragments": "{ ...F0 } " + fragments("...F@", 3)
    + " fragment F3 on Query { ...F0 }",
    "a circle that nothing uses": "{ hello } fragment F0 on Query { ...F0 }",
    "a bomb of fragments": "{ ...F0 } " + fragments("...F@ ...F@", 29)
    + " fragment F29 on Query { hello }",
    "a bomb without a single field": "{ ...F0 } " + fragments("...F@ ...F@", 30),
    "a bomb of inline fragments": "{ ...F0 } " + fragments("... { ...F@ ...F@ }", 30),
    "a bomb that nothing uses": "{ hello } fragment F on Query {" + repeat("hello", 1_000) + "}",
    "many operations of one bomb": repeat("query Q# { ...F }", 90)
    + " fragment F on Query {" + repeat("f#", 99) + "}",
    "17 levels of introspection": "{ __schema " + "{ types " * 15 + "{ name }" + "}" * 15 + "}",
    "401 fields of introspection": "{ __schema {" + repeat("f#", 401) + "} }",
}  # fmt: skip


ALL = TOO_MANY_TOKENS | BOMBS


@pytest.mark.parametrize("query", ALL.values(), ids=ALL)
def test_a_bomb_is_refused_before_it_is_validated(
    post: Post, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    def explode(*_: object, **__: object) -> Never:
        raise AssertionError("validated")

    monkeypatch.setattr(documents, "validate", explode)
    for accept in ("application/json", GRAPHQL):
        response = post(query, accept=accept)
        assert (response.status_code, codes(response)) == (400, ["QUERY_TOO_COMPLEX"])


@pytest.mark.parametrize("query", BOMBS.values(), ids=BOMBS)
def test_the_walk_is_bounded_by_the_limits(monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    steps = 0
    count = admission._Tally.count

    def counted(*arguments: object) -> object:
        nonlocal steps
        steps += 1
        return count(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(admission._Tally, "count", counted)
    with pytest.raises(RequestRefused):
        admission.admit(parse(query))
    assert steps <= limits.SELECTIONS


WITHIN = {
    "12 levels": nested(12),
    "400 fields": "{ run {" + repeat("id", 100) + " " + repeat("event { __typename }", 99)
    + repeat("__typename", 100) + " } }",
    "30 aliases": "{" + repeat("a#: hello", 30) + "}",
    "30 fragments": "{" + repeat("...F#", 30) + "}" + fragments("hello", 30),
    "20 directives": "{ hello " + repeat("... @skip(if: false) { hello }", 20) + "}",
    "2 directives in one place": "{ hello @skip(if: false) @include(if: true) }",
    "a fragment used twice": "{ run { ...A parent { ...A } } } fragment A on Run { id }",
    "a field in each member of a union": "{ run { event { "
    "... on Started { at } ... on Ended { at } } } }",
    "introspection beside 12 levels": "{ __typename __schema { queryType { name } } "
    + nested(12)[1:],
}  # fmt: skip


@pytest.mark.parametrize("query", WITHIN.values(), ids=WITHIN)
def test_what_is_within_the_limits_runs(post: Post, query: str) -> None:
    response = post(query)
    assert (response.status_code, "errors" in json.loads(response.content)) == (200, False)


@pytest.mark.parametrize(
    "name", [name for name in BOMBS if "in itself" in name or "circle" in name]
)
def test_a_circle_is_called_by_its_name(name: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        admission.admit(parse(BOMBS[name]))
    assert "contains itself" in refused.value.errors[0]["message"]


OPTIONS = (
    "specified_by_url",
    "directive_is_repeatable",
    "schema_description",
    "input_value_deprecation",
    "experimental_directive_deprecation",
    "input_object_one_of",
)


@pytest.mark.parametrize("number", range(len(OPTIONS) + 1))
def test_the_standard_introspection_query_passes_with_every_option(number: int) -> None:
    query = get_introspection_query(**dict.fromkeys(OPTIONS[:number], True))
    admission.admit(parse(query))


def test_the_whole_schema_of_this_service_can_be_introspected(post: Post) -> None:
    real = Documents(schema().graphql_schema)
    assert real.get(get_introspection_query(input_object_one_of=True))
    assert "type Query" in print_schema(schema().graphql_schema)


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ a: __type(name: "Run") { name } }',
        "{ ...F } fragment F on Query { __schema { queryType { name } } }",
        "{ ... on Query { __schema { queryType { name } } } }",
        "query A { hello } query B { __schema { queryType { name } } }",
        "{ hello } fragment F on Query { __schema { queryType { name } } }",
    ],
)
def test_introspection_can_be_off_for_everybody(query: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        Documents(SCHEMA).get(query, introspection=False)
    assert "Introspection is off" in refused.value.errors[0]["message"]


def test_an_unknown_fragment_is_left_to_validation() -> None:
    admission.admit(parse("{ ...Unknown }"))


def page(size: str, fields: int) -> str:
    body = repeat("f#: id", fields)
    return "{ runs" + size + " { nodes { " + body + " } } }"


@pytest.mark.parametrize(
    ("document", "is_refused"),
    [
        (page("(first: 100)", 29), False),
        ("{ a: runs(first: 100) { nodes { id status } } }", False),
        ("{" + repeat("a#: runs(first: 100) { nodes { id status task } }", 26) + "}", False),
        ("{" + repeat("a#: runs(first: 100) { nodes { id status task } }", 27) + "}", True),
        ("{" + repeat("a#: runs(last: $n) { edges { node { id task } } }", 27) + "}", True),
        ("{" + repeat("a#: runs(first: 9999999999) { nodes { id status task } }", 27) + "}", True),
        ("{" + repeat("a#: runs { nodes { id status } }", 29) + "}", False),
        ("{" + repeat("a#: runs(first: 50) { nodes { ...F } }", 29) + "} fragment F on Run {"
         + repeat("id", 6) + "}", True),
        ("{ runs(first: 100) { nodes { events(first: 100) { nodes { message } } } } }", True),
        ("{ runs(first: 100) { nodes { events(last: $n) { edges { cursor } } } } }", True),
        ("{ runs(first: 100) { nodes { files { nodes { id size } } } } }", False),
        ("{ runs { nodes { events(first: 100) { nodes { message } } files { nodes { id } } } } }",
         False),
        ("{ runs(first: 100) { nodes { events(first: 100) { pageInfo { endCursor } } } } }", True),
        ("{ runs(first: 100) { pageInfo { endCursor } nodes { id } } }", False),
        ("{ runs(first: 100) { nodes { attempts(last: 100) { number } } } }", True),
        ("{ runs(first: 100) { nodes { attempts { number outcome } } } }", False),
        ("mutation { cancelRuns(filter: {}) { items { run { id status } "
         "errors { code message } } errors { code } } }", False),
        ("mutation { cancelRuns(filter: {}) { items { run { " + repeat("id", 8) + " } } } }", True),
        ("mutation { cancelRuns(filter: {}) { items { run { events(first: 8) { nodes { id } } } } "
         "} }", True),
        ("{ runs(first: 100) { nodes { result { ... on Order { items { " + repeat("id", 20)
         + " } } } } } }", False),
    ],
)  # fmt: skip
def test_a_page_counts_as_often_as_it_has_items(
    document: str, is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COST", 8_000)
    if not is_refused:
        admission.admit(parse(document))
        return
    with pytest.raises(RequestRefused) as refused:
        admission.admit(parse(document))
    assert "in all items of its pages" in refused.value.errors[0]["message"]


def test_a_document_of_many_lines_is_refused_before_it_is_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(documents, "_parse", lambda text: pytest.fail("parsed"))
    with pytest.raises(RequestRefused) as refused:
        Documents(SCHEMA).get("{ hello }" + "\n" * 2_001)
    assert refused.value.errors[0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
