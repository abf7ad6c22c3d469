"""A client learns codes and references; the log learns the rest."""

from typing import Any

import pytest
from structlog.contextvars import bound_contextvars

from backend.door.errors import Fault
from backend.door.requests import GraphQLRequest
from backend.door.watches import Outcome
from schema.context import RequestContext
from tests.backend.door.toy import DOOR, SECRET


def execute(query: str, **variables: object) -> Outcome:
    request = GraphQLRequest(query, variables, None)
    outcome = DOOR.execute(request, RequestContext(None, "http://testserver"))
    assert isinstance(outcome, Outcome)
    return outcome


def test_a_bug_is_masked_and_found_in_the_log_by_its_reference(
    log_lines: list[dict[str, Any]],
) -> None:
    outcome = execute("query Q($n: String) { hello(name: $n) leak }", n="private words")
    (error,) = outcome.response["errors"]
    reference = error["extensions"]["reference"]
    assert error == {
        "message": f"Something went wrong on our side. Reference: {reference}.",
        "path": ["leak"],
        "extensions": {"code": "INTERNAL", "reference": reference},
    }
    assert outcome.response["data"] == {"hello": "Hello private words", "leak": None}
    assert outcome.fault is None
    (line,) = [line for line in log_lines if line["logger"] == "downbeat.door"]
    assert line["trace_id"] == reference
    (told,) = line["exceptions"]
    assert told["type"] == "RuntimeError"
    assert "toy.py" in told["frames"][-1]
    assert SECRET not in str(log_lines)
    assert "private words" not in str(log_lines)


def test_nothing_of_an_exception_reaches_the_client() -> None:
    for field in ("leak", "lockedOut", "tooBig", "must"):
        text = str(execute(f"{{ {field} }}").response)
        assert SECRET not in text
        assert str(2**40) not in text
        assert "Query.must" not in text


def test_the_reference_is_the_trace_id_of_the_request(log_lines: list[dict[str, Any]]) -> None:
    with bound_contextvars(trace_id="4bf92f3577b34da6a3ce929d0e0e4736"):
        errors = execute("{ a: leak b: leak }").response["errors"]
    references = {error["extensions"]["reference"] for error in errors}
    assert references == {line["trace_id"] for line in log_lines}
    assert references == {"4bf92f3577b34da6a3ce929d0e0e4736"}


def test_a_value_that_the_schema_cannot_carry_is_a_bug_of_ours() -> None:
    (error,) = execute("{ tooBig }").response["errors"]
    assert error["extensions"]["code"] == "INTERNAL"


def test_a_database_that_is_down_invites_to_try_again(caplog: pytest.LogCaptureFixture) -> None:
    (error,) = execute("{ lockedOut }").response["errors"]
    assert error["extensions"] == {"code": "UNAVAILABLE"}
    assert "same idempotencyKey" in error["message"]
    assert error["path"] == ["lockedOut"]
    assert "database does not answer" in caplog.text


def test_a_coded_error_passes_as_it_is() -> None:
    (error,) = execute("{ refuse }").response["errors"]
    assert error == {
        "message": "Not like that.",
        "path": ["refuse"],
        "extensions": {"code": "BAD_USER_INPUT"},
    }


def test_a_null_for_an_argument_that_takes_none_is_bad_input() -> None:
    outcome = execute("query($n: Int) { double(number: $n) }", n=None)
    assert outcome.fault is Fault.DOCUMENT
    query = "query($n: Int = 1) { double(number: $n) }"
    (error,) = execute(query, n=None).response["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["path"] == ["double"]


def test_variables_that_do_not_fit_execute_nothing() -> None:
    outcome = execute("query($n: Int!) { double(number: $n) }", n="three")
    assert outcome.fault is Fault.DOCUMENT
    assert "data" not in outcome.response
