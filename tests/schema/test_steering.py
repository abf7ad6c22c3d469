"""A run is canceled or asked for again by its owner alone, and the answer is the run as it is."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from accounts.viewer import RUNS_CANCEL, RUNS_READ, TASKS_START, Viewer
from schema import steering
from schema.ids import to_global_id
from tasks import runs
from tasks.models import Run
from tasks.status import Outcome, Priority, Status
from tests.schema.asking import Ask, gid, hold_of, start, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

CANCEL = """mutation($id: ID!) { cancelRun(id: $id) {
  run { id status isFinal viewerCanCancel } errors { field code } } }"""
CANCEL_MANY = """mutation($filter: RunFilter!) { cancelRuns(filter: $filter) {
  items { run { id status } errors { field code } } errors { field code } } }"""
RERUN = """mutation($id: ID!, $options: RunOptions) { rerun(id: $id, options: $options) {
  __typename replayed errors { field code }
  run { id status tags priority inputJson rerunOf { id } idempotencyKey } } }"""
NOT_FOUND = {"field": ["id"], "code": "NOT_FOUND"}
FORBIDDEN = {"field": None, "code": "FORBIDDEN"}


def cancel(ask: Ask, viewer: Viewer, run: Run | str) -> Any:
    answer = ask(CANCEL, viewer, id=run if isinstance(run, str) else gid(run))
    assert "errors" not in answer, answer
    return answer["data"]["cancelRun"]


def cancel_many(ask: Ask, viewer: Viewer, **filter: Any) -> Any:
    answer = ask(CANCEL_MANY, viewer, filter=filter)
    assert "errors" not in answer, answer
    return answer["data"]["cancelRuns"]


def rerun(ask: Ask, viewer: Viewer, run: Run | str, **options: Any) -> Any:
    answer = ask(RERUN, viewer, id=run if isinstance(run, str) else gid(run), options=options)
    assert "errors" not in answer, answer
    return answer["data"]["rerun"]


def stored(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def test_a_waiting_run_is_canceled_at_once_and_again_without_complaint(
    viewer: Viewer, ask: Ask
) -> None:
    run = start(viewer)
    over = {"id": gid(run), "status": "CANCELED", "isFinal": True, "viewerCanCancel": False}
    assert cancel(ask, viewer, run) == {"run": over, "errors": []}
    revision = stored(run).revision
    assert cancel(ask, viewer, run) == {"run": over, "errors": []}
    assert stored(run).revision == revision


def test_a_running_run_is_canceling_until_its_worker_says_so(viewer: Viewer, ask: Ask) -> None:
    run = start(viewer)
    hold = hold_of(run)
    stops = {"id": gid(run), "status": "CANCELING", "isFinal": False, "viewerCanCancel": False}
    for _ in range(2):
        assert cancel(ask, viewer, run) == {"run": stops, "errors": []}
    assert stored(run).events.filter(kind="CANCEL_REQUESTED").count() == 1
    runs.finish(hold, runs.Ending(Status.CANCELED, Outcome.CANCELED))
    assert cancel(ask, viewer, run)["run"]["status"] == "CANCELED"


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "EXPIRED", "LOST"])
def test_a_run_that_is_over_is_told_with_the_run(
    viewer: Viewer, ask: Ask, forge: Callable[..., None], status: str
) -> None:
    run = start(viewer)
    forge(run, status=status)
    over = {"id": gid(run), "status": status, "isFinal": True, "viewerCanCancel": False}
    error = {"field": ["id"], "code": "RUN_IS_FINAL"}
    assert cancel(ask, viewer, run) == {"run": over, "errors": [error]}


def test_a_run_that_ends_while_it_is_canceled_is_told_as_it_then_is(
    viewer: Viewer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(viewer)
    real = runs.cancel

    def late(viewer: Viewer, keys: Any) -> list[Run]:
        work(run)
        return real(viewer, keys)

    monkeypatch.setattr(runs, "cancel", late)
    answer = cancel(ask, viewer, run)
    assert answer["run"]["status"] == "SUCCEEDED"
    assert [error["code"] for error in answer["errors"]] == ["RUN_IS_FINAL"]


def test_others_runs_and_unknown_ids_are_not_found_alike(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    foreign = start(make_viewer("bob"))
    final = start(make_viewer("bob"))
    work(final)
    ada = make_viewer("ada")
    ids = (gid(foreign), gid(final), to_global_id("Run", uuid4()), to_global_id("File", final.pk))
    for each in (*ids, str(final.pk), "", "ü"):
        assert cancel(ask, ada, each) == {"run": None, "errors": [NOT_FOUND]}
        payload = rerun(ask, ada, each)
        assert (payload["run"], payload["errors"]) == (None, [NOT_FOUND])
    assert cancel_many(ask, ada) == {"items": [], "errors": []}
    assert {run.revision for run in Run.objects.filter(pk=foreign.pk)} == {1}
    assert Run.objects.count() == 2


def test_a_token_without_the_scope_cancels_nothing(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    run = start(make_viewer())
    viewer = make_viewer(scopes=(RUNS_READ, TASKS_START))
    assert cancel(ask, viewer, run) == {"run": None, "errors": [FORBIDDEN]}
    assert cancel_many(ask, viewer) == {"items": [], "errors": [FORBIDDEN]}
    may = "query($id: ID!) { run(id: $id) { viewerCanCancel } }"
    assert ask(may, viewer, id=gid(run))["data"]["run"] == {"viewerCanCancel": False}
    assert ask(may, make_viewer(), id=gid(run))["data"]["run"] == {"viewerCanCancel": True}
    assert stored(run).revision == 1


def test_a_token_that_may_cancel_but_not_read_is_told_what_it_lacks(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    run = start(make_viewer())
    blind = make_viewer(scopes=(RUNS_CANCEL, TASKS_START))
    forbidden = {"field": None, "code": "FORBIDDEN"}
    assert cancel(ask, blind, run) == {"run": None, "errors": [forbidden]}
    assert cancel_many(ask, blind) == {"items": [], "errors": [forbidden]}
    assert stored(run).status == "QUEUED"


@pytest.mark.parametrize(
    "query",
    [
        'mutation { cancelRun(id: "x") { run { id } } }',
        "mutation { cancelRuns(filter: {}) { items { run { id } } } }",
        'mutation { rerun(id: "x") { run { id } } }',
    ],
)
def test_nobody_signed_in_steers_nothing(ask: Ask, query: str, db: None) -> None:
    (error,) = ask(query)["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"


def test_the_open_runs_that_match_are_canceled_newest_first(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    ada, bob = make_viewer("ada"), make_viewer("bob")
    waiting, running, final = (start(ada, tags=("t",)) for _ in range(3))
    plain, foreign = start(ada), start(bob, tags=("t",))
    hold_of(running)
    work(final)
    answer = cancel_many(ask, ada, tags=["t"])
    assert answer == {
        "items": [
            {"run": {"id": gid(running), "status": "CANCELING"}, "errors": []},
            {"run": {"id": gid(waiting), "status": "CANCELED"}, "errors": []},
        ],
        "errors": [],
    }
    assert {stored(each).status for each in (plain, foreign)} == {"QUEUED"}
    assert cancel_many(ask, ada, tags=["t"]) == {"items": [], "errors": []}
    assert cancel_many(ask, ada, statuses=["CANCELING"])["items"] == []
    assert [item["run"]["id"] for item in cancel_many(ask, ada)["items"]] == [gid(plain)]


def test_many_runs_are_canceled_a_batch_at_a_time_until_none_is_left(
    viewer: Viewer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steering, "BULK", 3)
    made = [start(viewer) for _ in range(7)]
    found = []
    while items := cancel_many(ask, viewer)["items"]:
        assert len(items) <= 3
        found += [item["run"]["id"] for item in items]
    assert found == [gid(run) for run in made[::-1]]


def test_canceling_many_takes_three_statements_however_many_runs(
    viewer: Viewer, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in (2, 5):
        for _ in range(number):
            start(viewer)
        # SQLite writes each event by itself, inside the one transaction of the verb.
        with django_assert_num_queries(3 if connection.vendor == "postgresql" else 5 + number):
            assert len(cancel_many(ask, viewer)["items"]) == number


def test_a_run_that_ends_among_many_says_so(
    viewer: Viewer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, deleted, waiting = (start(viewer) for _ in range(3))
    real = runs.cancel

    def slow(viewer: Viewer, keys: Any) -> list[Run]:
        work(late)
        Run.objects.filter(pk=deleted.pk).delete()
        return real(viewer, keys)

    monkeypatch.setattr(runs, "cancel", slow)
    first, second = cancel_many(ask, viewer)["items"]
    assert first == {"run": {"id": gid(waiting), "status": "CANCELED"}, "errors": []}
    assert second["run"] == {"id": gid(late), "status": "SUCCEEDED"}
    assert [error["code"] for error in second["errors"]] == ["RUN_IS_FINAL"]


def test_a_filter_of_too_many_tags_cancels_nothing(viewer: Viewer, ask: Ask) -> None:
    run = start(viewer)
    answer = cancel_many(ask, viewer, tags=[str(number) for number in range(21)])
    error = {"field": ["filter", "tags"], "code": "BAD_USER_INPUT"}
    assert answer == {"items": [], "errors": [error]}
    assert stored(run).status == "QUEUED"


def test_a_rerun_has_the_input_tags_and_priority_of_its_first_run(viewer: Viewer, ask: Ask) -> None:
    first = start(viewer, tags=("a", "b"), priority=Priority.LOW, key="k")
    work(first)
    payload = rerun(ask, viewer, first)
    again = Run.objects.get(rerun_of=first.pk)
    assert payload == {
        "__typename": "RerunPayload",
        "replayed": False,
        "errors": [],
        "run": {
            "id": gid(again),
            "status": "QUEUED",
            "tags": ["a", "b"],
            "priority": "LOW",
            "inputJson": {"text": "one two", "minimum": 1},
            "rerunOf": {"id": gid(first)},
            "idempotencyKey": None,
        },
    }


@pytest.mark.parametrize(
    ("options", "tags", "priority"),
    [
        ({"tags": ["c"]}, ["c"], "LOW"),
        ({"tags": []}, [], "LOW"),
        ({"priority": "HIGH"}, ["a"], "HIGH"),
        ({"tags": None, "priority": None}, ["a"], "LOW"),
        ({"idempotencyKey": "k"}, ["a"], "LOW"),
    ],
)
def test_the_options_of_a_rerun_stand_above_those_of_its_first_run(
    viewer: Viewer, ask: Ask, options: dict[str, Any], tags: list[str], priority: str
) -> None:
    first = start(viewer, tags=("a",), priority=Priority.LOW)
    work(first)
    run = rerun(ask, viewer, first, **options)["run"]
    assert (run["tags"], run["priority"]) == (tags, priority)


def test_a_repeated_rerun_with_one_key_is_replayed(viewer: Viewer, ask: Ask) -> None:
    work(first := start(viewer))
    one, two = (rerun(ask, viewer, first, idempotencyKey="again") for _ in range(2))
    assert (one["replayed"], two["replayed"]) == (False, True)
    assert one["run"] == two["run"]
    assert Run.objects.count() == 2


def test_an_open_run_and_a_retired_task_are_not_asked_for_again(viewer: Viewer, ask: Ask) -> None:
    run = start(viewer)
    may = "query($id: ID!) { run(id: $id) { viewerCanRerun } }"

    def refusal() -> list[dict[str, Any]]:
        payload = rerun(ask, viewer, run)
        assert payload["run"] is None
        is_offered = ask(may, viewer, id=gid(run))["data"]["run"]["viewerCanRerun"]
        assert is_offered is (payload["errors"] == [])
        errors: list[dict[str, Any]] = payload["errors"]
        return errors

    assert refusal() == [{"field": ["id"], "code": "RUN_NOT_FINAL"}]
    Run.objects.filter(pk=run.pk).update(task="gone_task")
    runs.cancel(viewer, [run.pk])
    assert refusal() == [{"field": ["id"], "code": "TASK_RETIRED"}]
    assert Run.objects.count() == 1


def test_a_token_that_may_not_start_asks_for_nothing_again(
    make_viewer: Callable[..., Viewer], ask: Ask
) -> None:
    run = start(make_viewer())
    work(run)
    may = "query($id: ID!) { run(id: $id) { viewerCanRerun } }"
    assert ask(may, make_viewer(), id=gid(run))["data"]["run"] == {"viewerCanRerun": True}
    viewer = make_viewer(scopes=(RUNS_READ,))
    assert ask(may, viewer, id=gid(run))["data"]["run"] == {"viewerCanRerun": False}
    assert [error["code"] for error in rerun(ask, viewer, run)["errors"]] == ["FORBIDDEN"]
    blind = make_viewer(scopes=(TASKS_START,))
    assert [error["code"] for error in rerun(ask, blind, run)["errors"]] == ["FORBIDDEN"]
    assert Run.objects.count() == 1


def test_a_bad_option_of_a_rerun_is_refused_by_its_path(viewer: Viewer, ask: Ask) -> None:
    work(first := start(viewer))
    (error,) = rerun(ask, viewer, first, tags=[""])["errors"]
    assert error == {"field": ["options", "tags", "0"], "code": "BAD_USER_INPUT"}
