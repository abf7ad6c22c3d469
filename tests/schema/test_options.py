"""A start says when, how urgently and under which tags; what cannot be is refused by its path."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.viewer import RUNS_CANCEL, TASKS_START, Viewer
from tasks.models import Run
from tasks.status import Priority
from tests.schema.asking import Ask

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

START = """mutation($options: RunOptions) { countWords(input: {text: "a b"}, options: $options) {
  run { status priority tags runAt expiresAt idempotencyKey } errors { field code } } }"""


def start(ask: Ask, viewer: Viewer, **options: Any) -> dict[str, Any]:
    answer = ask(START, viewer, options=options)
    assert "errors" not in answer, answer
    payload: dict[str, Any] = answer["data"]["countWords"]
    return payload


def ahead(**delta: int) -> str:
    return (timezone.now() + timedelta(**delta)).isoformat().replace("+00:00", "Z")


def test_options_are_kept_and_read_back(viewer: Viewer, ask: Ask) -> None:
    run_at, expires_at = ahead(hours=1), ahead(hours=2)
    options = {"runAt": run_at, "expiresAt": expires_at, "tags": ["b", "a"], "priority": "LOW"}
    payload = start(ask, viewer, idempotencyKey="k", **options)
    run = {"status": "SCHEDULED", "idempotencyKey": "k", **options}
    assert payload == {"run": run, "errors": []}
    assert Run.objects.get().priority == Priority.LOW


def test_an_explicit_null_is_as_good_as_nothing(viewer: Viewer, ask: Ask) -> None:
    names = ("idempotencyKey", "runAt", "expiresAt", "tags", "priority")
    nothing = start(ask, viewer)
    assert start(ask, viewer, **dict.fromkeys(names)) == nothing
    assert nothing["run"] == {
        "status": "QUEUED",
        "priority": "NORMAL",
        "tags": [],
        "runAt": None,
        "expiresAt": None,
        "idempotencyKey": None,
    }


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"idempotencyKey": ""}, ["idempotencyKey"]),
        ({"runAt": ahead(days=400)}, ["runAt"]),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, ["expiresAt"]),
        ({"runAt": ahead(days=2), "expiresAt": ahead(days=1)}, ["expiresAt"]),
        ({"tags": ["x"] * 2}, ["tags"]),
        ({"tags": [str(n) for n in range(21)]}, ["tags"]),
        ({"tags": ["fine", ""]}, ["tags", "1"]),
        ({"tags": ["a\0"]}, ["tags", "0"]),
    ],
)
def test_what_cannot_be_is_refused_by_its_path(
    viewer: Viewer, ask: Ask, options: dict[str, Any], field: list[str]
) -> None:
    payload = start(ask, viewer, **options)
    assert payload["run"] is None
    (error,) = payload["errors"]
    assert error == {"field": ["options", *field], "code": "BAD_USER_INPUT"}
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "options",
    [{"runAt": "2026-01-01T00:00:00"}, {"priority": "URGENT"}, {"tags": [None]}, {"more": 1}],
)
def test_a_wrong_type_is_refused_before_any_row(
    viewer: Viewer, ask: Ask, options: dict[str, Any]
) -> None:
    assert ask(START, viewer, options=options)["errors"]
    assert not Run.objects.exists()


def test_a_token_that_may_only_start_sees_of_its_start_no_more_than_it_said(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    query = """mutation { countWords(input: {text: "a"}, options: {tags: ["t"]}) { run { tags
      viewerCanCancel viewerCanRerun mayHaveRepeated cancelRequestedAt rerunOf { id }
      attempts { number } events { nodes { kind } pageInfo { hasNextPage } }
      files { nodes { name } totalCount } } } }"""
    answer = ask(query, make_viewer(scopes=(TASKS_START, RUNS_CANCEL)))
    assert answer == {
        "data": {
            "countWords": {
                "run": {
                    "tags": ["t"],
                    "viewerCanCancel": False,
                    "viewerCanRerun": False,
                    "mayHaveRepeated": False,
                    "cancelRequestedAt": None,
                    "rerunOf": None,
                    "attempts": [],
                    "events": {"nodes": [], "pageInfo": {"hasNextPage": False}},
                    "files": {"nodes": [], "totalCount": 0},
                }
            }
        }
    }
