"""Many runs are started at once: each has an outcome of its own, and a refused one harms none."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.viewer import TASKS_START, Viewer
from schema.ids import to_global_id
from schema.limits import BULK
from tasks import broker
from tasks.models import File, Run
from tasks.status import Priority

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

Ask = Callable[..., dict[str, Any]]
Given = dict[str, Any]
START = """mutation($runs: [StartRunInput!]!) { startRuns(runs: $runs) {
  items { run { id status priority tags task { name } idempotencyKey requestedBy { id } }
    replayed errors { field code } }
  errors { field code } } }"""
SHORT = """mutation($runs: [StartRunInput!]!) { startRuns(runs: $runs) {
  items { run { id } replayed errors { code } } errors { code } } }"""
WHOLE = """mutation($runs: [StartRunInput!]!) { startRuns(runs: $runs) {
  items { run { inputJson input { ... on CountWordsGiven { text minimum } } } } } }"""


def words(text: str = "one two", key: str | None = None, **options: Any) -> Given:
    given = {"idempotencyKey": key, **options} if key or options else None
    return {"task": {"countWords": {"text": text}}, "options": given}


def start(ask: Ask, viewer: Viewer, runs: Iterable[Given], query: str = START) -> Given:
    answer = ask(query, viewer, runs=list(runs))
    assert "errors" not in answer, answer
    payload: Given = answer["data"]["startRuns"]
    return payload


def codes(payload: Given) -> list[list[str]]:
    return [[error["code"] for error in item["errors"]] for item in payload["items"]]


def profile(file: File) -> Given:
    return {"task": {"profileDataset": {"file": to_global_id("File", file.pk)}}}


def test_any_tasks_start_at_once_in_their_order(
    viewer: Viewer, ask: Ask, ready_file: Callable[[Viewer], File]
) -> None:
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    payload = start(
        ask,
        viewer,
        [
            words("a", "k", priority="HIGH", tags=["x", "y"]),
            profile(ready_file(viewer)),
            words("b", runAt=later),
        ],
    )
    assert payload["errors"] == []
    runs = [item["run"] for item in payload["items"]]
    assert [run["task"]["name"] for run in runs] == [
        "count_words",
        "profile_dataset",
        "count_words",
    ]
    assert [run["status"] for run in runs] == ["QUEUED", "QUEUED", "SCHEDULED"]
    assert (runs[0]["priority"], runs[0]["tags"]) == ("HIGH", ["x", "y"])
    assert runs[0]["idempotencyKey"] == "k"
    rows = list(Run.objects.order_by("id"))
    assert [run["id"] for run in runs] == [to_global_id("Run", row.pk) for row in rows]
    assert [row.input for row in rows][::2] == [
        {"text": "a", "minimum": 1},
        {"text": "b", "minimum": 1},
    ]
    assert [row.run_at is None for row in rows] == [True, True, False]
    assert [row.owner_id for row in rows] == [viewer.user_id] * 3
    for row in rows:
        (event,) = row.events.all()
        assert (event.number, event.kind) == (1, row.status)


def test_a_thousand_take_as_many_statements_as_one(
    viewer: Viewer, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    is_postgresql = connection.vendor == "postgresql"
    with django_assert_num_queries(1 if is_postgresql else 3 + BULK):
        payload = start(ask, viewer, (words(f"text {n}") for n in range(BULK)), SHORT)
    assert len({item["run"]["id"] for item in payload["items"]}) == BULK
    assert Run.objects.count() == BULK


def test_what_was_given_is_told_without_another_query(
    viewer: Viewer, ask: Ask, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 5):
        payload = start(ask, viewer, [words("a"), words("b")], WHOLE)
    assert [item["run"]["inputJson"]["text"] for item in payload["items"]] == ["a", "b"]
    assert payload["items"][1]["run"]["input"] == {"text": "b", "minimum": 1}


def test_a_refused_one_does_not_undo_the_others(viewer: Viewer, ask: Ask) -> None:
    payload = start(
        ask,
        viewer,
        [
            words("a"),
            {"task": {"countWords": {"text": "b", "minimum": 0}}},
            words("c", tags=["x", "x"]),
            {"task": {"profileDataset": {"file": "nothing"}}},
            words("d"),
        ],
    )
    assert [item["run"] is not None for item in payload["items"]] == [True, *[False] * 3, True]
    assert [item["errors"] for item in payload["items"][1:4]] == [
        [{"field": ["runs", "1", "task", "countWords", "minimum"], "code": "BAD_USER_INPUT"}],
        [{"field": ["runs", "2", "options", "tags"], "code": "BAD_USER_INPUT"}],
        [{"field": ["runs", "3", "task", "profileDataset", "file"], "code": "NOT_FOUND"}],
    ]
    assert sorted(row.input["text"] for row in Run.objects.all()) == ["a", "d"]


def test_each_key_works_as_in_a_single_start(viewer: Viewer, ask: Ask) -> None:
    first = start(ask, viewer, [words("a", "1"), words("b", "2")])
    again = start(ask, viewer, [words("a", "1"), words("x", "2"), words("c", "3")])
    assert [item["replayed"] for item in again["items"]] == [True, False, False]
    assert again["items"][0]["run"] == first["items"][0]["run"]
    assert again["items"][1] == {
        "run": None,
        "replayed": False,
        "errors": [
            {"field": ["runs", "1", "options", "idempotencyKey"], "code": "IDEMPOTENCY_KEY_REUSED"}
        ],
    }
    assert Run.objects.count() == 3


def test_the_same_key_twice_in_one_request_is_one_run(viewer: Viewer, ask: Ask) -> None:
    payload = start(ask, viewer, [words("a", "k"), words("a", "k"), words("b", "k")])
    one, two, three = payload["items"]
    assert (one["replayed"], two["replayed"]) == (False, True)
    assert one["run"] == two["run"]
    assert [error["code"] for error in three["errors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    assert Run.objects.count() == 1


def test_a_repeated_request_takes_few_statements(
    viewer: Viewer, ask: Ask, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    runs = [words("a", str(n)) for n in range(50)]
    first = start(ask, viewer, runs)
    with django_assert_max_num_queries(8):
        again = start(ask, viewer, runs)
    assert [item["run"] for item in again["items"]] == [item["run"] for item in first["items"]]
    assert all(item["replayed"] for item in again["items"])


def test_what_is_beyond_the_quota_is_refused_and_the_rest_starts(
    viewer: Viewer, ask: Ask, settings: Settings
) -> None:
    settings.QUEUED_RUNS = 4
    start(ask, viewer, [words("a", "1")])
    payload = start(ask, viewer, [words("a", "1"), *(words(f"b{n}", f"b{n}") for n in range(4))])
    assert codes(payload) == [[], [], [], [], ["QUOTA_EXCEEDED"]]
    assert payload["items"][0]["replayed"]
    assert Run.objects.count() == 4


def test_who_may_start_one_task_starts_no_other(
    make_viewer: Callable[..., Viewer], ask: Ask, ready_file: Callable[[Viewer], File]
) -> None:
    viewer = make_viewer(scopes=(f"{TASKS_START}:count_words",))
    runs = [words(), profile(ready_file(viewer))]
    assert codes(start(ask, viewer, runs, SHORT)) == [[], ["FORBIDDEN"]]


def test_files_are_looked_up_together(
    viewer: Viewer,
    ask: Ask,
    ready_file: Callable[[Viewer], File],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    runs = [profile(ready_file(viewer)) for _ in range(3)]
    with django_assert_max_num_queries(3 if connection.vendor == "postgresql" else 8):
        payload = start(ask, viewer, runs, SHORT)
    assert codes(payload) == [[], [], []]
    assert File.objects.filter(used_at=None).count() == 0


def test_too_many_files_together_are_refused(
    viewer: Viewer, ask: Ask, ready_file: Callable[[Viewer], File], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.submission.FILES_TOGETHER", 1)
    runs = [profile(ready_file(viewer)) for _ in range(2)]
    payload = start(ask, viewer, runs)
    assert payload["items"] == []
    assert payload["errors"] == [{"field": ["runs"], "code": "BAD_USER_INPUT"}]


def test_none_are_started_of_none(viewer: Viewer, ask: Ask) -> None:
    assert start(ask, viewer, []) == {"items": [], "errors": []}


def test_more_than_may_be_are_refused_at_once(viewer: Viewer, ask: Ask) -> None:
    payload = start(ask, viewer, [words()] * (BULK + 1))
    assert payload == {"items": [], "errors": [{"field": ["runs"], "code": "BAD_USER_INPUT"}]}
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "task",
    [
        {},
        {"countWords": None},
        {"countWords": {"text": "a"}, "profileDataset": {"file": "b"}},
        None,
    ],
)
def test_a_task_is_exactly_one(viewer: Viewer, ask: Ask, task: Any) -> None:
    answer = ask(START, viewer, runs=[{"task": task}])
    assert answer["errors"]
    assert not Run.objects.exists()


def test_a_stranger_is_told_to_sign_in(ask: Ask) -> None:
    answer = ask(START, None, runs=[words()])
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]


def test_all_are_knocked_for(viewer: Viewer, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    knocks: list[broker.Knock] = []
    monkeypatch.setattr(broker.KNOCKER, "knock", knocks.append)
    start(ask, viewer, [words("a"), words("b", priority="LOW")])
    assert [knock.run_id for knock in knocks] == list(
        Run.objects.order_by("id").values_list("pk", flat=True)
    )
    assert [knock.priority for knock in knocks] == [Priority.NORMAL, Priority.LOW]


def test_when_not_all_can_be_knocked_for_all_are_due_at_once(
    viewer: Viewer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker.KNOCKER, "has_room", lambda count=1: count < 2)
    start(ask, viewer, [words("a"), words("b")])
    assert Run.objects.filter(ring_at__lte=Now()).count() == 2
