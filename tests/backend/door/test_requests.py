"""Whatever bytes come in, they are a request or a refusal."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.door.errors import RequestRefused
from backend.door.execute import Door
from backend.door.requests import GraphQLRequest, read_request
from backend.door.watches import Outcome
from schema.context import RequestContext
from schema.limits import JSON_DEPTH
from tests.backend.door.toy import SCHEMA

CONTEXT = RequestContext(None, "http://testserver")

json_like = st.text(alphabet='{}[]",:\\u0d8e1query ', max_size=300)
documents = st.text(alphabet='{}()!$:=@|&"# .\n helorunid1-nfagmtq', max_size=120)


@given(st.one_of(st.binary(max_size=300), json_like.map(str.encode)))
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    with contextlib.suppress(RequestRefused):
        assert isinstance(read_request(body), GraphQLRequest)


@given(documents)
def test_no_document_raises(text: str) -> None:
    outcome = Door(SCHEMA, introspection=True).execute(GraphQLRequest(text, None, None), CONTEXT)
    assert isinstance(outcome, Outcome)
    assert "data" in outcome.response or outcome.response["errors"]


def _nested(depth: int, inner: object) -> Any:
    value = inner
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value


@given(
    depth=st.integers(0, JSON_DEPTH + 3),
    inner=st.text(alphabet='[{]}"\\a🥁', max_size=60),
    width=st.integers(1, 40),
)
@example(depth=JSON_DEPTH - 1, inner="[" * 60, width=40)
@example(depth=JSON_DEPTH, inner='"[', width=40)
def test_depth_counts_brackets_outside_of_strings_alone(depth: int, inner: str, width: int) -> None:
    variables = {"v": _nested(depth - 1, inner), "w": [[], {}] * width} if depth else {}
    body = json.dumps({"query": "{ hello }", "variables": variables}).encode()
    is_deep = depth > JSON_DEPTH - 1
    if is_deep:
        with pytest.raises(RequestRefused, match="BAD_REQUEST"):
            read_request(body)
    else:
        assert read_request(body).variables == variables
