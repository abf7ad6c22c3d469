"""What belongs to the runs of a page is loaded together: so many queries, however many runs."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts.viewer import Viewer
from schema.events import BY_NUMBER
from schema.pages import to_cursor
from tasks import runs, submission
from tasks.context import LogLine
from tasks.models import Run, Worker
from tasks.registry import REGISTRY
from tasks.status import Level
from tasks.submission import RunOptions
from tests.schema.asking import Ask, gid, hold_of, start, upload, work

SECOND = to_cursor(2, BY_NUMBER)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def chain(viewer: Viewer, length: int) -> list[Run]:
    """Runs, each the rerun of the one before; with log lines and files."""
    made: list[Run] = []
    for number in range(length):
        run = submission.rerun(viewer, made[-1].pk).run if made else start(viewer)
        upload(viewer, run, f"{number}")
        upload(viewer, run, f"{number} too")
        work(run)
        made.append(run)
    return made


def count(ask: Ask, viewer: Viewer, query: str, **variables: Any) -> tuple[int, Any]:
    """How many queries the answer takes, and the answer."""
    with CaptureQueriesContext(connection) as queries:
        answer = ask(query, viewer, **variables)
    assert "errors" not in answer, answer
    return len(queries), answer["data"]


@pytest.mark.parametrize("part", ["events", "files", "attempts"])
def test_a_page_of_a_single_run_is_not_cut_out_of_all_its_rows(
    viewer: Viewer, ask: Ask, part: str
) -> None:
    (run,) = chain(viewer, 1)
    items = "{ id }" if part == "attempts" else "(first: 1) { nodes { id } }"
    with CaptureQueriesContext(connection) as queries:
        ask(f"query($id: ID!) {{ run(id: $id) {{ {part}{items} }} }}", viewer, id=gid(run))
    (sql,) = (each["sql"] for each in queries if f"FROM {quoted(part)}" in each["sql"])
    assert "ROW_NUMBER" not in sql  # by which the last row would be read before the first is shown
    assert "LIMIT" in sql


def quoted(part: str) -> str:
    return connection.ops.quote_name(f"tasks_{part.removesuffix('s')}")


def test_events_files_and_first_runs_of_a_page_take_four_queries_however_many_runs(
    viewer: Viewer, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    query = """query($n: Int!) { runs(first: $n) { nodes { id rerunOf { id }
      events(first: 2) { nodes { message } edges { cursor } pageInfo { hasNextPage } }
      files { nodes { name run { id } } } } } }"""
    made = chain(viewer, 9)
    for number in (1, 2, 8):
        # Runs, events, files, and the one first run that is not on the page itself.
        with django_assert_num_queries(4):
            answer = ask(query, viewer, n=number)
        nodes = answer["data"]["runs"]["nodes"]
        assert [node["id"] for node in nodes] == [gid(run) for run in made[::-1][:number]]
        assert [node["rerunOf"]["id"] for node in nodes] == [
            gid(run) for run in made[::-1][1 : number + 1]
        ]
        for node, run in zip(nodes, made[::-1], strict=False):
            assert [each["message"] for each in node["events"]["nodes"]] == ["", "host:1"]
            assert node["events"]["pageInfo"]["hasNextPage"] is True
            names = {file["name"][0] for file in node["files"]["nodes"]}
            assert names == {str(made.index(run))}
            assert {file["run"]["id"] for file in node["files"]["nodes"]} == {gid(run)}


@pytest.mark.parametrize(
    ("fields", "queries"),
    [
        # What is asked of first runs is loaded twice: for those on the page and for the others.
        ("rerunOf { rerunOf { id } }", 3),
        ("rerunOf { inputJson result { __typename } requestedBy { displayName } }", 5),
        ("rerunOf { events(last: 1) { nodes { kind } } } events(last: 1) { nodes { kind } }", 4),
        ("rerunOf { attempts { number } files { totalCount nodes { id } } }", 8),
        ("a: events(first: 1) { nodes { kind } } b: events(first: 2) { nodes { kind } }", 3),
        (
            f'events(after: "{SECOND}") {{ pageInfo {{ hasPreviousPage hasNextPage }} }}',
            3,
        ),
        (
            f'events(before: "{SECOND}") {{ pageInfo {{ hasPreviousPage hasNextPage }} }}',
            3,
        ),
        ("events { nodes { run { status inputJson } } }", 3),
        ("files { nodes { run { rerunOf { id } } } }", 3),
        ("attempts(last: 1) { number }", 2),
        ("task { hasWorker } status viewerCanCancel viewerCanRerun", 2),
    ],
)
def test_a_page_takes_as_many_queries_for_eight_runs_as_for_two(
    viewer: Viewer, ask: Ask, fields: str, queries: int
) -> None:
    chain(viewer, 10)
    text = f"query($n: Int!) {{ runs(first: $n) {{ nodes {{ {fields} }} }} }}"
    for number in (2, 8):
        taken, data = count(ask, viewer, text, n=number)
        assert len(data["runs"]["nodes"]) == number
        assert taken == queries


def test_each_run_of_a_page_has_its_own_page_of_events(viewer: Viewer, ask: Ask) -> None:
    quiet, loud = start(viewer), start(viewer)
    lines = [LogLine(f"line {number}", Level.INFO) for number in range(5)]
    runs.log(hold_of(loud), lines)
    query = """query($after: String, $before: String) { runs { nodes {
      first: events(first: 3, after: $after) { ...page } last: events(last: 3, before: $before)
      { ...page } } } }
      fragment page on EventConnection { nodes { number }
        pageInfo { hasNextPage hasPreviousPage } }"""
    answer = ask(query, viewer, after=to_cursor(1, BY_NUMBER), before=to_cursor(7, BY_NUMBER))[
        "data"
    ]["runs"]["nodes"]

    def page(numbers: list[int], *, previous: bool, following: bool) -> dict[str, Any]:
        info = {"hasNextPage": following, "hasPreviousPage": previous}
        return {"nodes": [{"number": number} for number in numbers], "pageInfo": info}

    assert answer == [
        {
            "first": page([2, 3, 4], previous=True, following=True),
            "last": page([4, 5, 6], previous=True, following=True),
        },
        {
            "first": page([], previous=True, following=False),
            "last": page([1], previous=False, following=False),
        },
    ]
    assert Run.objects.get(pk=quiet.pk).revision == 1


def test_a_first_run_is_null_for_others_and_once_it_is_deleted(
    viewer: Viewer, ask: Ask, make_viewer: Callable[..., Viewer], forge: Callable[..., None]
) -> None:
    first, again = chain(viewer, 2)
    query = "query($id: ID!) { run(id: $id) { rerunOf { id status } } }"
    found = {"rerunOf": {"id": gid(first), "status": "SUCCEEDED"}}
    assert ask(query, viewer, id=gid(again))["data"]["run"] == found
    forge(first, owner=make_viewer("bob").user_id)
    assert ask(query, viewer, id=gid(again))["data"]["run"] == {"rerunOf": None}
    Run.objects.filter(pk=first.pk).delete()
    assert ask(query, viewer, id=gid(again))["data"]["run"] == {"rerunOf": None}


def test_a_second_root_field_sees_what_it_has_changed(viewer: Viewer, ask: Ask) -> None:
    run = start(viewer, key="k")
    query = """mutation($id: ID!) {
      a: countWords(input: {text: "one two"}, options: {idempotencyKey: "k"}) { ...told }
      b: cancelRun(id: $id) { ...told } }
      fragment told on Payload { ... on StartPayload { run { ...events } }
        ... on CancelRunPayload { run { ...events } } }
      fragment events on Run { events { nodes { kind } } }"""
    answer = ask(query, viewer, id=gid(run))["data"]
    assert answer["a"]["run"]["events"]["nodes"] == [{"kind": "QUEUED"}]
    assert answer["b"]["run"]["events"]["nodes"] == [{"kind": "QUEUED"}, {"kind": "CANCELED"}]


def test_two_filters_in_one_query_are_told_apart(viewer: Viewer, ask: Ask) -> None:
    hold_of(start(viewer))
    query = """{ runs { nodes { a: events(filter: {kinds: [QUEUED]}) { nodes { kind } }
      b: events(filter: {kinds: [STARTED]}) { nodes { kind } }
      c: events(filter: {minLevel: ERROR}) { nodes { kind } } } } }"""
    (node,) = ask(query, viewer)["data"]["runs"]["nodes"]
    kinds = {name: [event["kind"] for event in page["nodes"]] for name, page in node.items()}
    assert kinds == {"a": ["QUEUED"], "b": ["STARTED"], "c": ["QUEUED", "STARTED"]}


def test_first_runs_beside_a_page_are_loaded_together_with_what_they_name(
    viewer: Viewer, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        given = {"file": str(upload(viewer).pk)}
        first = submission.submit(viewer, REGISTRY["profile_dataset"], given).run
        runs.cancel(viewer, [first.pk])
        submission.rerun(viewer, first.pk, RunOptions(tags=("again",)))
    query = """{ runs(filter: {tags: ["again"]}) { nodes { rerunOf { id
      input { ... on ProfileDatasetGiven { file { name } } } } } } }"""
    with django_assert_num_queries(4):  # runs, first runs, their inputs, the files
        nodes = ask(query, viewer)["data"]["runs"]["nodes"]
    assert [node["rerunOf"]["input"]["file"]["name"] for node in nodes] == ["a.csv"] * 5


def test_the_living_workers_are_asked_once_for_all_tasks_and_only_when_selected(
    viewer: Viewer, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    query = '{ tasks { name hasWorker } task(name: "count_words") { hasWorker } }'
    assert not any(task["hasWorker"] for task in ask(query, viewer)["data"]["tasks"])
    Worker.objects.create(name="host:1", tasks=["count_words", "unknown"])
    Worker.objects.create(name="host:2", tasks=["profile_dataset"], heartbeat_at="2020-01-01T00Z")
    with django_assert_num_queries(1):
        data = ask(query, viewer)["data"]
    assert [task["name"] for task in data["tasks"] if task["hasWorker"]] == ["count_words"]
    assert data["task"] == {"hasWorker": True}
    with django_assert_num_queries(0):
        ask("{ tasks { name } }", viewer)
