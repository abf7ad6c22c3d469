"""Pages walk the whole list both ways, filters hold together, and a bad page is an error."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.viewer import Viewer
from schema.filters import filtered
from schema.ids import to_global_id
from schema.pages import FILES, OWN_RUNS, RUNS, Cut, to_cursor
from tasks import runs
from tasks.models import Run
from tasks.status import Status
from tests.schema.asking import PAGE, Ask, code, gid, hold_of, start, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def test_pages_walk_the_whole_list_forward(viewer: Viewer, ask: Ask) -> None:
    newest_first = [gid(start(viewer)) for _ in range(7)][::-1]
    seen, after = [], None
    while True:
        page = ask(PAGE, viewer, first=3, after=after)["data"]["runs"]
        assert page["totalCount"] == 7
        assert [edge["node"]["id"] for edge in page["edges"]] == [n["id"] for n in page["nodes"]]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        seen += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == newest_first


def test_pages_walk_the_whole_list_backward(viewer: Viewer, ask: Ask) -> None:
    newest_first = [gid(start(viewer)) for _ in range(7)][::-1]
    seen: list[str] = []
    before = None
    while True:
        page = ask(PAGE, viewer, last=3, before=before)["data"]["runs"]
        assert page["pageInfo"]["hasNextPage"] is (before is not None)
        seen = [node["id"] for node in page["nodes"]] + seen
        before = page["pageInfo"]["startCursor"]
        if not page["pageInfo"]["hasPreviousPage"]:
            break
    assert seen == newest_first


def test_a_page_stays_right_while_rows_come(viewer: Viewer, ask: Ask) -> None:
    older = [gid(start(viewer)) for _ in range(4)][::-1]
    first = ask(PAGE, viewer, first=2)["data"]["runs"]
    start(viewer)
    second = ask(PAGE, viewer, first=2, after=first["pageInfo"]["endCursor"])["data"]["runs"]
    assert [node["id"] for page in (first, second) for node in page["nodes"]] == older


def test_an_empty_list_has_no_cursors(viewer: Viewer, ask: Ask) -> None:
    assert ask(PAGE, viewer)["data"]["runs"] == {
        "nodes": [],
        "edges": [],
        "pageInfo": {
            "hasNextPage": False,
            "hasPreviousPage": False,
            "startCursor": None,
            "endCursor": None,
        },
        "totalCount": 0,
    }


def test_twenty_is_the_default_and_zero_is_allowed(viewer: Viewer, ask: Ask) -> None:
    for _ in range(21):
        start(viewer)
    assert len(ask(PAGE, viewer)["data"]["runs"]["nodes"]) == 20
    none = ask(PAGE, viewer, first=0)["data"]["runs"]
    assert (none["nodes"], none["pageInfo"]["hasNextPage"]) == ([], True)


@pytest.mark.parametrize(
    "page",
    [
        {"first": -1},
        {"first": 101},
        {"last": -1},
        {"last": 101},
        {"first": 1, "last": 1},
        {"after": "x"},
        {"after": ""},
        {"before": "ü"},
        {"after": to_global_id("Run", uuid4())},
        {"after": to_cursor("not-a-uuid", RUNS)},
        {"after": to_cursor(uuid4(), FILES)},
    ],
)
def test_a_bad_page_is_an_error_and_never_page_one(
    viewer: Viewer, ask: Ask, page: dict[str, Any]
) -> None:
    answer = ask(PAGE, viewer, **page)
    assert code(answer) == "BAD_USER_INPUT"
    assert answer["data"] is None


def test_filters_hold_together(viewer: Viewer, ask: Ask, forge: Callable[..., None]) -> None:
    done, failed, waiting = (start(viewer) for _ in range(3))
    work(done)
    work(failed, Status.FAILED)
    forge(done, created_at=timezone.now() - timedelta(days=2))
    day_ago = (timezone.now() - timedelta(days=1)).isoformat()

    def found(**filter: Any) -> set[str]:
        page = ask(PAGE, viewer, filter=filter)["data"]["runs"]
        assert page["totalCount"] == len(page["nodes"])
        return {node["id"] for node in page["nodes"]}

    assert found() == {gid(done), gid(failed), gid(waiting)}
    assert found(isFinal=True) == {gid(done), gid(failed)}
    assert found(isFinal=False) == {gid(waiting)}
    assert found(statuses=["FAILED", "QUEUED"]) == {gid(failed), gid(waiting)}
    assert found(statuses=[]) == set()
    assert found(tasks=["count_words"], statuses=["SUCCEEDED"]) == {gid(done)}
    assert found(tasks=["nothing"]) == set()
    assert found(createdFrom=day_ago) == {gid(failed), gid(waiting)}
    assert found(createdBefore=day_ago) == {gid(done)}
    moment = Run.objects.get(pk=waiting.pk).created_at.isoformat()
    assert gid(waiting) in found(createdFrom=moment)
    assert gid(waiting) not in found(createdBefore=moment)
    assert found(tasks=["a\0", "\ud800"]) == set()


def test_a_filter_of_too_many_words_is_refused(viewer: Viewer, ask: Ask) -> None:
    assert code(ask(PAGE, viewer, filter={"tasks": ["x"] * 101})) == "BAD_USER_INPUT"
    assert code(ask(PAGE, viewer, filter={"tags": ["x"] * 21})) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (None, {"both", "one", "none", "odd"}),
        ([], {"both", "one", "none", "odd"}),
        (["a"], {"both", "one"}),
        (["b", "a", "b"], {"both"}),
        (["A"], set()),
        (["a", "c"], set()),
        (["5", '" ü\\%'], {"odd"}),
        (["null"], set()),
        (["a\0"], set()),
        (["\ud800"], set()),
    ],
)
def test_a_filter_of_tags_finds_the_runs_that_carry_all_of_them(
    viewer: Viewer, ask: Ask, tags: list[str] | None, found: set[str]
) -> None:
    made = {
        "both": start(viewer, tags=("a", "b")),
        "one": start(viewer, tags=("a",)),
        "none": start(viewer),
        "odd": start(viewer, tags=("5", '" ü\\%')),
    }
    nodes = ask(PAGE, viewer, filter={"tags": tags})["data"]["runs"]["nodes"]
    assert {node["id"] for node in nodes} == {gid(made[name]) for name in found}


def test_canceling_is_told_from_running(viewer: Viewer, ask: Ask) -> None:
    waiting, running, canceling = (start(viewer) for _ in range(3))
    hold_of(running)
    hold_of(canceling)
    runs.cancel(viewer, [canceling.pk])

    def found(*statuses: str) -> set[str]:
        page = ask(PAGE, viewer, filter={"statuses": statuses})["data"]["runs"]
        return {node["id"] for node in page["nodes"]}

    assert found("RUNNING") == {gid(running)}
    assert found("CANCELING") == {gid(canceling)}
    assert found("CANCELING", "RUNNING") == {gid(running), gid(canceling)}
    assert found("CANCELING", "QUEUED") == {gid(canceling), gid(waiting)}


def test_the_index_of_tags_serves_the_filter_on_postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no such index")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        assert "tasks_run_tags" in filtered(Run.objects.order_by(), {"tags": ["a"]}).explain()


@pytest.mark.parametrize("cut", [Cut.of(OWN_RUNS, first=20), Cut.of(OWN_RUNS, last=20)])
@pytest.mark.parametrize("wanted", [{}, {"tasks": ["a"]}, {"statuses": ["FAILED"]}])
def test_ones_own_runs_are_read_by_indexes_of_the_owner_alone(
    viewer: Viewer, cut: Cut, wanted: dict[str, list[str]]
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite chooses by the equality of the owner")
    rows = filtered(Run.objects.visible_to(viewer), wanted).filter(cut.between)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        plan = rows.order_by(cut.ordering)[: cut.size + 1].explain()
    assert " using run_of_owner" in plan
    assert "Sort" not in plan
