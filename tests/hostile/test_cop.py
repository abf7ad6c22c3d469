"""graphql-cop finds nothing: each of its checks, by the name it reports, with what it sends.

https://github.com/dolevf/graphql-cop; some of its checks are made stricter here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.hostile.target import Target

pytestmark = pytest.mark.xdist_group("hostile")

TYPENAME = "query cop { __typename }"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
CIRCLE = (
    "query cop { __schema { ...A } } fragment A on __Schema { __typename ...B } "
    "fragment B on __Schema { ...A }"
)
LOOP = (
    "query cop { __schema { types { fields { type { fields { type { fields { type { fields "
    "{ type { name } } } } } } } } } } }"
)


@dataclass(frozen=True)
class Check:
    """A request, and whether its answer is a finding."""

    is_finding: Callable[[httpx.Response], bool]
    query: str | None = None
    method: str = "POST"
    path: str = "/graphql"
    given: dict[str, Any] = field(default_factory=dict)


def has_data(answer: httpx.Response) -> bool:
    return '"data"' in answer.text


def has_no_errors(answer: httpx.Response) -> bool:
    return not answer.json().get("errors")


def shows_insides(answer: httpx.Response) -> bool:
    text = answer.text.lower()
    return any(word in text for word in ("tracing", "exception", "stacktrace", "debug"))


def shows_an_ide(answer: httpx.Response) -> bool:
    words = ("graphiql.min.css", "<script", "graphql playground", "graphql-playground")
    return any(word in answer.text.lower() for word in words)


CHECKS = {
    "Alias Overloading": Check(
        has_no_errors, "query cop { " + " ".join(f"a{n}: __typename" for n in range(101)) + " }"
    ),
    "Array-based Query Batching": Check(has_data, given={"json": [{"query": TYPENAME}] * 11}),
    "Circular Fragment": Check(has_no_errors, CIRCLE),
    "Introspection-based Circular Query": Check(has_no_errors, LOOP),
    "Directive Overloading": Check(
        lambda answer: len(answer.json()["errors"]) > 1,
        "query cop { __typename " + "@aa" * 10 + "}",
    ),
    "Field Duplication": Check(has_no_errors, "query cop { " + "__typename " * 500 + "}"),
    "Field Suggestions": Check(
        lambda answer: "Did you mean" in answer.text, "query cop { __schema { directive } }"
    ),
    "Field Suggestions (our own)": Check(
        lambda answer: "Did you mean" in answer.text, "query cop { viewe { id } }"
    ),
    "Introspection": Check(has_no_errors, "query cop { __schema { types { name } } }"),
    "GET Method Query Support": Check(
        has_data, method="GET", given={"params": {"query": TYPENAME}}
    ),
    "Mutation is allowed over GET": Check(
        has_data, method="GET", given={"params": {"query": "mutation cop { __typename }"}}
    ),
    "POST based url-encoded query": Check(
        has_data, given={"params": {"query": TYPENAME}, "headers": FORM}
    ),
    "POST based url-encoded query (in the body)": Check(
        has_data, given={"data": {"query": TYPENAME}}
    ),
    "Trace Mode": Check(shows_insides, TYPENAME),
    "Unhandled Errors Detection": Check(shows_insides, "qwerty cop { abc }"),
    **{
        f"GraphQL IDE at {path}": Check(
            shows_an_ide, method="GET", path=path, given={"headers": BROWSER}
        )
        for path in ("/graphql", "/graphiql", "/playground", "/console")
    },
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("token", ["", "<token>"], ids=["stranger", "signed-in"])
def test_graphql_cop_finds_nothing(target: Target, name: str, token: str) -> None:
    check = CHECKS[name]
    given = {"json": {"query": check.query}} if check.query is not None else dict(check.given)
    headers = dict(given.pop("headers", {}))
    if token:
        headers["Authorization"] = f"Bearer {target.fill(token)}"
    answer = target.service.http.request(check.method, check.path, headers=headers, **given)
    assert not check.is_finding(answer), answer.text[:500]
