"""What happened to a run reads in order, page by page, from either end, as far as one wants it."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from accounts.viewer import TASKS_START, Viewer
from schema.events import BY_NUMBER
from schema.ids import to_global_id
from schema.pages import RUNS, to_cursor
from tasks import runs
from tasks.context import LogLine
from tasks.models import Event, Run
from tasks.status import Level
from tests.schema.asking import Ask, code, gid, hold_of, start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

EVENTS = """query($id: ID!, $first: Int, $after: String, $last: Int, $before: String,
    $filter: EventFilter) { run(id: $id) {
  events(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    nodes { number kind level attempt message }
    edges { cursor node { number } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""


@pytest.fixture
def told(viewer: Viewer) -> Run:
    """A run with the events QUEUED, STARTED, and a log line of each level."""
    run = start(viewer)
    runs.log(hold_of(run), [LogLine(level.name.lower(), level) for level in Level])
    return run


def events(ask: Ask, viewer: Viewer, run: Run, **arguments: Any) -> Any:
    answer = ask(EVENTS, viewer, id=gid(run), **arguments)
    assert "errors" not in answer, answer
    return answer["data"]["run"]["events"]


def messages(page: Any) -> list[str]:
    return [node["message"] or node["kind"] for node in page["nodes"]]


ALL = ["QUEUED", "host:1", "debug", "info", "warning", "error"]


def test_events_tell_what_happened_in_order(viewer: Viewer, ask: Ask, told: Run) -> None:
    page = events(ask, viewer, told)
    assert messages(page) == ALL
    plain = {"level": None, "attempt": None, "message": ""}
    assert page["nodes"][0] == {"number": 1, "kind": "QUEUED", **plain}
    log = {"kind": "LOGGED", "level": "WARNING", "attempt": 1, "message": "warning"}
    assert page["nodes"][4] == {"number": 5, **log}
    assert [edge["node"]["number"] for edge in page["edges"]] == [1, 2, 3, 4, 5, 6]


def test_pages_of_events_walk_forward_and_backward(viewer: Viewer, ask: Ask, told: Run) -> None:
    seen: list[str] = []
    after = None
    while True:
        page = events(ask, viewer, told, first=4, after=after)
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        seen += messages(page)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ALL
    seen, before = [], None
    while True:
        page = events(ask, viewer, told, last=4, before=before)
        assert page["pageInfo"]["hasNextPage"] is (before is not None)
        seen = messages(page) + seen
        before = page["pageInfo"]["startCursor"]
        if not page["pageInfo"]["hasPreviousPage"]:
            break
    assert seen == ALL


def test_both_cursors_bound_a_page_and_it_says_what_lies_around_it(
    viewer: Viewer, ask: Ask, told: Run
) -> None:
    page = events(ask, viewer, told, after=to_cursor(2, BY_NUMBER), before=to_cursor(5, BY_NUMBER))
    assert messages(page) == ["debug", "info"]
    assert (page["pageInfo"]["hasPreviousPage"], page["pageInfo"]["hasNextPage"]) == (True, True)
    page = events(ask, viewer, told, first=0)
    assert (page["nodes"], page["pageInfo"]["hasNextPage"]) == ([], True)
    page = events(ask, viewer, told, after=to_cursor(6, BY_NUMBER))
    assert (page["nodes"], page["pageInfo"]["hasPreviousPage"]) == ([], True)


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        (None, ALL),
        ({}, ALL),
        ({"kinds": None, "minLevel": None}, ALL),
        ({"kinds": []}, []),
        ({"kinds": ["QUEUED", "STARTED", "QUEUED"]}, ["QUEUED", "host:1"]),
        ({"minLevel": "DEBUG"}, ALL),
        ({"minLevel": "WARNING"}, ["QUEUED", "host:1", "warning", "error"]),
        ({"kinds": ["LOGGED"], "minLevel": "ERROR"}, ["error"]),
    ],
)
def test_a_filter_hides_kinds_and_less_serious_log_lines(
    viewer: Viewer, ask: Ask, told: Run, filter: Any, found: list[str]
) -> None:
    page = events(ask, viewer, told, filter=filter)
    assert messages(page) == found
    assert page["pageInfo"]["hasNextPage"] is False
    if len(found) > 1:
        page = events(ask, viewer, told, filter=filter, first=1)
        assert page["pageInfo"]["hasNextPage"] is True


def test_what_precedes_a_page_is_judged_by_the_filter(viewer: Viewer, ask: Ask, told: Run) -> None:
    errors = {"kinds": ["LOGGED"], "minLevel": "ERROR"}
    page = events(ask, viewer, told, filter=errors, after=to_cursor(5, BY_NUMBER))
    assert messages(page) == ["error"]
    assert page["pageInfo"]["hasPreviousPage"] is False


@pytest.mark.parametrize(
    "page",
    [
        {"first": -1},
        {"last": 101},
        {"first": 1, "last": 1},
        {"after": to_cursor(uuid4(), BY_NUMBER)},
        {"after": to_cursor(0, BY_NUMBER)},
        {"after": to_cursor(1, RUNS)},
        {"after": to_cursor("01", BY_NUMBER)},
        {"before": to_cursor(2**31, BY_NUMBER)},
        {"after": to_cursor("9" * 5_000, BY_NUMBER)},
        {"after": ""},
    ],
)
def test_a_bad_page_of_events_is_an_error(viewer: Viewer, ask: Ask, page: dict[str, Any]) -> None:
    assert code(ask(EVENTS, viewer, id=gid(start(viewer)), **page)) == "BAD_USER_INPUT"


def test_an_event_is_a_node_of_its_own_for_its_reader_alone(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    ada, bob = make_viewer("ada"), make_viewer("bob")
    run = start(ada)
    query = "query($id: ID!) { node(id: $id) { id ... on Event { kind run { id } } } }"
    key = to_global_id("Event", f"{run.pk}:1")
    node = {"id": key, "kind": "QUEUED", "run": {"id": gid(run)}}
    assert ask(query, ada, id=key) == {"data": {"node": node}}
    nothing = {"data": {"node": None}}
    assert ask(query, bob, id=key) == nothing
    assert ask(query, make_viewer("ada", scopes=(TASKS_START,)), id=key) == nothing
    for text in (f"{run.pk}:2", f"{run.pk}:01", f"{run.pk}:0", f"{run.pk.hex}:1", "x:1", ":", ""):
        assert ask(query, ada, id=to_global_id("Event", text)) == nothing


def test_the_messages_of_one_answer_are_bounded(
    viewer: Viewer, ask: Ask, told: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schema.context.ANSWER_BYTES", 1_000)
    Event.objects.filter(number=3).update(message="x" * 1_000)
    answer = ask("{ runs { nodes { events { nodes { message } } } } }", viewer)
    assert code(answer) == "QUERY_TOO_COMPLEX"
