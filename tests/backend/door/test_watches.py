"""Operations that answer later or often: what the door makes of them, over the real schema."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError

from accounts.viewer import TASKS_START, Viewer
from backend.door.errors import Fault
from backend.door.execute import Door
from backend.door.requests import GraphQLRequest
from backend.door.watches import TRIES, Content, Outcome, Subscription, Wait
from schema.build import schema
from schema.context import RequestContext
from schema.ids import to_global_id
from tasks import broker, notifier, runs
from tasks.models import Run
from tasks.watch import News, Rows, WaitFeed
from tests.schema.asking import gid, start, work

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = """mutation($wait: Float) { countWords(input: {text: "one two"}, waitSeconds: $wait) {
  run { id status revision } result { words } replayed errors { field code } } }"""
WATCH = "subscription($id: ID!, $after: Int) { run(id: $id, afterRevision: $after) { status } }"


@pytest.fixture(autouse=True)
def _silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker.Knocker, "_start", lambda self: None)
    monkeypatch.setattr(notifier.Herald, "_start", lambda self: None)


@pytest.fixture(scope="module")
def door() -> Door:
    return Door(schema().graphql_schema, introspection=True)


Ask = Callable[..., Content]


@pytest.fixture
def ask(door: Door, viewer: Viewer) -> Ask:
    """What the door has for an operation of the viewer."""

    def ask(query: str, viewer: Viewer | None = viewer, **variables: Any) -> Content:
        request = GraphQLRequest(query, variables, None)
        return door.execute(request, RequestContext(viewer, "http://testserver"))

    return ask


def look(watch: Subscription | Wait) -> tuple[list[Any], News]:
    """The responses of one look."""
    rows = Rows()
    news = watch.feed.answer(watch.feed.ask(rows), rows, watch.viewer)
    watch.feed.told(news)
    return [watch.outcome(item).response for item in news.items], news


def waiting(content: Content) -> Wait:
    assert isinstance(content, Wait)
    return content


def subscribed(content: Content) -> Subscription:
    assert isinstance(content, Subscription), content
    return content


def refused(content: Content) -> str:
    assert isinstance(content, Outcome)
    (error,) = content.response["errors"]
    return str(error["extensions"]["code"])


def test_a_subscription_executes_its_document_for_each_revision(ask: Ask, viewer: Viewer) -> None:
    run = start(viewer)
    watch = subscribed(ask(WATCH, id=gid(run)))
    assert look(watch)[0] == [{"data": {"run": {"status": "QUEUED"}}}]
    work(run)
    responses, news = look(watch)
    assert responses == [{"data": {"run": {"status": "SUCCEEDED"}}}]
    assert news.is_over


@pytest.mark.parametrize("field", ["run", "runEvents"])
@pytest.mark.parametrize("id", ["", "x", "UnVuOng=", to_global_id("Task", "count_words")])
def test_an_id_that_is_no_runs_is_null_and_the_end(ask: Ask, field: str, id: str) -> None:
    watch = subscribed(
        ask(f"subscription($id: ID!) {{ {field}(id: $id) {{ __typename }} }}", id=id)
    )
    assert look(watch) == ([{"data": {field: None}}], News([None], is_over=True))


def test_the_runs_of_the_viewer_are_watched_in_a_scope(ask: Ask, viewer: Viewer) -> None:
    text = "subscription($scope: RunScope) { runChanged(scope: $scope) { id result { ... on "
    text += "WordCount { words } } } }"
    watch = subscribed(ask(text, scope={"tasks": ["count_words"]}))
    other = subscribed(ask(text, scope={"tags": ["night"]}))
    run = start(viewer)
    work(run)
    for each in (watch, other):
        each.feed.hear(run.pk, 3)
    expected = {"data": {"runChanged": {"id": gid(run), "result": {"words": 2}}}}
    assert look(watch)[0] == [expected]
    assert look(other)[0] == []


def test_events_come_as_edges_and_go_on_after_a_cursor(ask: Ask, viewer: Viewer) -> None:
    run = start(viewer)
    text = "subscription($id: ID!, $after: String) { runEvents(id: $id, after: $after) "
    text += "{ cursor node { number kind run { id } } } }"
    responses, _ = look(subscribed(ask(text, id=gid(run))))
    (edge,) = [response["data"]["runEvents"] for response in responses]
    assert edge["node"] == {"number": 1, "kind": "QUEUED", "run": {"id": gid(run)}}
    work(run)
    responses, news = look(subscribed(ask(text, id=gid(run), after=edge["cursor"])))
    kinds = [response["data"]["runEvents"]["node"]["kind"] for response in responses]
    assert kinds == ["STARTED", "SUCCEEDED"]
    assert news.is_over
    assert refused(ask(text, id=gid(run), after="nonsense")) == "BAD_USER_INPUT"


REFUSED = {
    "not signed in": ("subscription { runChanged { id } }", None, "UNAUTHENTICATED"),
    "an unknown field": ("subscription { nothing }", "ada", "GRAPHQL_VALIDATION_FAILED"),
    "two fields": (
        "subscription { runChanged { id } b: runChanged { id } }",
        "ada",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a field that may be skipped": (
        "subscription($s: Boolean = true) { runChanged @skip(if: $s) { id } }",
        "ada",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a spread that may be left out": (
        "subscription { ...F @include(if: true) } fragment F on Subscription { runChanged { id } }",
        "ada",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a field that may be skipped in a fragment": (
        "subscription { ... { ...F } } fragment F on Subscription { runChanged @skip(if: true) "
        "{ id } }",
        "ada",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "a type name alone": ("subscription { __typename }", "ada", "GRAPHQL_VALIDATION_FAILED"),
    "a missing variable": ("subscription($i: ID!) { run(id: $i) { id } }", "ada", "BAD_USER_INPUT"),
    "a scope that names too much": (
        "subscription { runChanged(scope: {tasks: [" + '"a" ' * 101 + "]}) { id } }",
        "ada",
        "BAD_USER_INPUT",
    ),
    "a text without end": (
        "subscription { runChanged { id } } #" + "a" * 20_000,
        "ada",
        "QUERY_TOO_COMPLEX",
    ),
    "too many aliases": (
        "subscription { runChanged { " + " ".join(f"a{n}: id" for n in range(31)) + " } }",
        "ada",
        "QUERY_TOO_COMPLEX",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_subscription_that_cannot_be_is_refused_at_once(
    ask: Ask, make_viewer: Callable[..., Viewer], case: str
) -> None:
    text, name, code = REFUSED[case]
    assert refused(ask(text, None if name is None else make_viewer(name))) == code


def test_a_start_that_waits_answers_once_with_the_end(ask: Ask, viewer: Viewer) -> None:
    wait = waiting(ask(COUNT, wait=5))
    assert wait.seconds == 5
    assert wait.before.response["data"]["countWords"]["run"]["status"] == "QUEUED"
    assert look(wait)[0] == []
    run = Run.objects.get()
    work(run)
    (response,), news = look(wait)
    assert response["data"]["countWords"] == {
        "run": {"id": gid(run), "status": "SUCCEEDED", "revision": 3},
        "result": {"words": 2},
        "replayed": False,
        "errors": [],
    }
    assert news.is_over
    assert Run.objects.count() == 1  # nothing was started a second time


def test_a_wait_that_is_given_up_tells_how_things_stand(ask: Ask, viewer: Viewer) -> None:
    wait = waiting(ask(COUNT, wait=0.5))
    runs.claim(Run.objects.get().pk, runs.Claimant("count_words", "host:1"))
    wait.give_up()
    (response,), _ = look(wait)
    assert response["data"]["countWords"]["run"]["status"] == "RUNNING"


def test_every_mutation_of_an_operation_that_waits_is_done_once(ask: Ask, viewer: Viewer) -> None:
    other = start(viewer, "other")
    text = """mutation($id: ID!) {
      a: countWords(input: {text: "one"}, waitSeconds: 1) { run { status } }
      b: countWords(input: {text: "two"}, waitSeconds: 9) { run { status } }
      c: countWords(input: {text: "three"}) { run { status } }
      d: countWords(input: {text: ""}, options: {priority: HIGH, idempotencyKey: ""})
        { errors { code } }
      cancelRun(id: $id) { run { status } errors { code } }
      cancelRuns(filter: {tags: ["none"]}) { items { run { id } } }
    }"""
    wait = waiting(ask(text, id=gid(other)))
    assert (wait.seconds, len(wait.feed.run_ids)) == (9, 2)
    for run in Run.objects.filter(pk__in=wait.feed.run_ids):
        work(run)
    (response,), _ = look(wait)
    assert "errors" not in response
    assert [response["data"][key]["run"]["status"] for key in "abc"] == [
        "SUCCEEDED",
        "SUCCEEDED",
        "QUEUED",
    ]
    assert response["data"]["d"] == wait.before.response["data"]["d"]
    assert response["data"]["cancelRun"] == {"run": {"status": "CANCELED"}, "errors": []}
    assert Run.objects.count() == 4


def test_what_an_error_leaves_without_data_waits_for_nothing(ask: Ask, viewer: Viewer) -> None:
    write = """mutation { a: countWords(input: {text: "one"}, waitSeconds: 1) { run { status } }
      b: countWords(input: {text: "one"}, waitSeconds: 26) { run { status } } }"""
    read = """query($id: ID!) { run(id: $id, waitSeconds: 1) { status }
      runs(first: -1) { nodes { id } } }"""
    for outcome in (ask(write), ask(read, id=gid(start(viewer)))):
        assert isinstance(outcome, Outcome)
        (error,) = outcome.response["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert outcome.response["data"] is None


def test_nothing_to_wait_for_is_answered_at_once(ask: Ask, viewer: Viewer) -> None:
    assert isinstance(ask(COUNT, wait=0), Outcome)
    assert isinstance(ask(COUNT, wait=None), Outcome)
    run = start(viewer)
    work(run)
    text = "query($id: ID!, $r: Int) { run(id: $id, afterRevision: $r, waitSeconds: 5) { id } }"
    assert isinstance(ask(text, id=gid(run), r=99), Outcome)
    assert isinstance(ask(text, id=gid(start(viewer)), r=0), Outcome)
    assert isinstance(ask(text, id="nonsense", r=0), Outcome)
    assert ask(text, id="nonsense", r=0).response == {"data": {"run": None}}  # type: ignore[union-attr]


def test_a_query_waits_for_the_next_revision_or_the_end(ask: Ask, viewer: Viewer) -> None:
    run = start(viewer)
    text = "query($id: ID!, $r: Int) { run(id: $id, afterRevision: $r, waitSeconds: 5) { status } }"
    next_one, end = waiting(ask(text, id=gid(run), r=1)), waiting(ask(text, id=gid(run)))
    assert runs.claim(run.pk, runs.Claimant("count_words", "host:1"))
    assert look(next_one)[0] == [{"data": {"run": {"status": "RUNNING"}}}]
    assert look(end)[0] == []


@pytest.mark.parametrize("seconds", [-1, 25.1, 1e300])
@pytest.mark.parametrize(
    "text",
    [COUNT, 'query($wait: Float) { run(id: "x", waitSeconds: $wait) { id } }'],
    ids=["a start", "a query"],
)
def test_seconds_that_nobody_may_wait_are_refused(ask: Ask, seconds: float, text: str) -> None:
    assert refused(ask(text, wait=seconds)) == "BAD_USER_INPUT"
    assert Run.objects.count() == 0


def test_a_token_that_may_only_start_may_not_wait(
    ask: Ask, make_viewer: Callable[..., Viewer]
) -> None:
    outcome = ask(COUNT, make_viewer("ada", (TASKS_START,)), wait=5)
    assert isinstance(outcome, Outcome)
    assert outcome.response["data"]["countWords"] == {
        "run": None,
        "result": None,
        "replayed": False,
        "errors": [{"field": ["waitSeconds"], "code": "FORBIDDEN"}],
    }
    assert Run.objects.count() == 0


def test_a_run_deleted_during_the_wait_is_told_as_it_was_known(ask: Ask, viewer: Viewer) -> None:
    wait = waiting(ask(COUNT, wait=5))
    Run.objects.all().delete()
    (response,), news = look(wait)
    assert response["data"]["countWords"]["run"]["status"] == "QUEUED"
    assert news.is_over


def test_a_database_that_fails_in_an_execution_is_tried_again_but_not_for_ever(
    ask: Ask, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(viewer)
    watch = subscribed(ask("subscription($id: ID!) { run(id: $id) { attempts { number } } }",
                           id=gid(run)))  # fmt: skip

    def fail(*_: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("schema.run.Page", fail)
    outcomes = [watch.outcome(run) for _ in range(TRIES)]
    assert [each.is_unavailable for each in outcomes] == [True] * TRIES
    verdicts = [watch.is_worth_another_try(each) for each in outcomes]
    assert verdicts == [True] * (TRIES - 1) + [False]
    assert watch.is_worth_another_try(outcomes[0]) is False
    assert not watch.is_worth_another_try(Outcome({"data": {}}))
    assert watch.is_worth_another_try(outcomes[0]) is False  # of an earlier item in one look
    watch.told(News([]))
    assert watch.is_worth_another_try(outcomes[0])


def test_what_a_subscription_keeps_is_bounded(ask: Ask, viewer: Viewer) -> None:
    scope = {"tags": ["a" * 1_100] * 20}
    assert refused(ask("subscription($s: RunScope) { runChanged(scope: $s) { id } }", s=scope)) == (
        "QUERY_TOO_COMPLEX"
    )


def test_of_two_waits_for_a_run_the_longer_one_counts(ask: Ask, viewer: Viewer) -> None:
    run = start(viewer)
    one, other = (
        "a: run(id: $id, afterRevision: 1, waitSeconds: 9) { id }",
        ("b: run(id: $id, waitSeconds: 9) { id }"),
    )
    later = "c: run(id: $id, afterRevision: 4, waitSeconds: 9) { id }"
    for fields, known in {
        (one, other): None,
        (other, one): None,
        (one, later): 4,
        (later, one): 4,
        (one, other, later): None,
    }.items():
        wait = waiting(ask(f"query($id: ID!) {{ {' '.join(fields)} }}", id=gid(run)))
        assert wait.feed == WaitFeed({run.pk: known})


def test_who_may_not_read_is_told_of_no_change(
    ask: Ask, make_viewer: Callable[..., Viewer]
) -> None:
    watch = subscribed(
        ask("subscription { runChanged { id } }", make_viewer("ada", (TASKS_START,)))
    )
    assert look(watch) == ([{"data": {"runChanged": None}}], News([None], is_over=True))


def test_what_one_push_holds_is_bounded(ask: Ask, viewer: Viewer) -> None:
    run = start(viewer, "a" * 90_000)
    aliases = " ".join(f"a{n}: inputJson" for n in range(30))
    watch = subscribed(
        ask(f"subscription($id: ID!) {{ run(id: $id) {{ {aliases} }} }}", id=gid(run))
    )
    (response,), _ = look(watch)
    assert response["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"


def test_a_refused_operation_has_its_fault(ask: Ask) -> None:
    outcome = ask("subscription { nothing }")
    assert isinstance(outcome, Outcome)
    assert outcome.fault is Fault.DOCUMENT
