"""Each verb of a run changes exactly what it may, and nothing when it does not hold the run."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.viewer import RUNS_READ, Viewer
from tasks import Context, broker, runs, sql, statements, submission
from tasks.context import Progress
from tasks.exceptions import RefusalCode, Refused
from tasks.models import Attempt, Event, File, Run
from tasks.registry import REGISTRY
from tasks.runs import Ending, Hold
from tasks.status import Outcome, Priority, Status
from tasks.submission import RunOptions
from tests.tasks.holding import by

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

WORDS = {"text": "one two"}
ERROR = {"code": "BROKEN", "message": "It broke.", "retryable": False}
FAILED = Ending(Status.FAILED, Outcome.FAILED, error=ERROR)


def succeeded(words: int, longest: str) -> Ending:
    result = {"words": words, "longest": longest}
    return Ending(Status.SUCCEEDED, Outcome.SUCCEEDED, result=result)


def submit(viewer: Viewer, key: str | None = None, **data: Any) -> Run:
    return submission.submit(
        viewer, REGISTRY["count_words"], data or dict(WORDS), RunOptions(key)
    ).run


def claim(run: Run) -> Hold:
    claimed = runs.claim(run.pk, by("host:1"))
    assert claimed is not None
    assert claimed.token is not None
    return Hold(claimed.pk, claimed.attempt, claimed.token)


def kinds(run: Run) -> list[str]:
    return list(run.events.order_by("number").values_list("kind", flat=True))


def let_lease_pass(run: Run) -> None:
    now = timezone.now()
    past = {"created_at": now - timedelta(hours=1), "lease_until": now - timedelta(seconds=1)}
    Run.objects.filter(pk=run.pk).update(**past)


def problems(refused: pytest.ExceptionInfo[Refused]) -> list[tuple[str, tuple[str | int, ...]]]:
    return [(problem.code.value, problem.path) for problem in refused.value.problems]


def test_a_start_is_one_queued_row_with_its_input(viewer: Viewer) -> None:
    run = submit(viewer)
    assert Run.objects.get() == run
    assert (run.status, run.revision, run.attempt, run.failures) == ("QUEUED", 1, 0, 0)
    assert run.input == {"text": "one two", "minimum": 1}
    assert (run.on_lost, run.max_failures, run.owner_id) == ("rerun", 3, viewer.user_id)
    assert abs(run.created_at - timezone.now()) < timedelta(seconds=5)
    assert run.ring_at is not None
    assert timedelta(seconds=55) < run.ring_at - run.created_at < timedelta(seconds=65)
    assert kinds(run) == ["QUEUED"]


def test_a_start_knocks_once(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    knocker = broker.Knocker()
    monkeypatch.setattr(broker, "KNOCKER", knocker)
    run = submit(viewer)
    assert knocker._knocks.get_nowait() == broker.Knock.of(run)
    assert knocker._knocks.empty()


def test_a_start_whose_knock_has_no_room_is_due_at_once(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "KNOCKER", broker.Knocker(capacity=1))
    submit(viewer)
    run = submit(viewer)
    assert run.ring_at == run.created_at


def test_the_same_key_and_input_give_the_first_run(viewer: Viewer) -> None:
    first = submission.submit(
        viewer, REGISTRY["count_words"], {"text": "a", "minimum": 1}, RunOptions("k")
    )
    again = submission.submit(viewer, REGISTRY["count_words"], {"text": "a"}, RunOptions("k"))
    assert (first.replayed, again.replayed) == (False, True)
    assert first.run == again.run == Run.objects.get()


def test_the_same_key_with_another_input_is_refused(viewer: Viewer) -> None:
    submit(viewer, "k", text="a")
    with pytest.raises(Refused) as refused:
        submit(viewer, "k", text="b")
    assert problems(refused) == [("IDEMPOTENCY_KEY_REUSED", ("options", "idempotency_key"))]
    assert Run.objects.count() == 1


def test_a_key_belongs_to_its_owner_and_task(
    make_viewer: Callable[..., Viewer], declare: Callable[..., Any]
) -> None:
    def shout(ctx: Context, *, text: str) -> None:
        """Shout."""

    submit(make_viewer("ada"), "k", text="a")
    submit(make_viewer("bob"), "k", text="b")
    submission.submit(make_viewer("ada"), declare(shout), {"text": "c"}, RunOptions("k"))
    assert Run.objects.count() == 3


def test_a_hundred_parallel_starts_with_one_key_are_one_row(viewer: Viewer) -> None:
    found: list[tuple[UUID, bool]] = []

    def start() -> None:
        try:
            done = submission.submit(viewer, REGISTRY["count_words"], dict(WORDS), RunOptions("k"))
            found.append((done.run.pk, done.replayed))
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 100
    assert {key for key, _ in found} == {Run.objects.get().pk}
    assert [replayed for _, replayed in found].count(False) == 1


@pytest.mark.parametrize("key", ["", "x" * 201, "a\0b"])
def test_a_key_that_cannot_be_kept_is_refused(viewer: Viewer, key: str) -> None:
    with pytest.raises(Refused) as refused:
        submit(viewer, key)
    assert problems(refused) == [("BAD_USER_INPUT", ("options", "idempotency_key"))]
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"text": "a", "minimum": 0}, ("input", "minimum")),
        ({"text": "x" * 100_001}, ("input", "text")),
        ({"text": "a\0b"}, ("input", "text")),
        ({"text": "\ud800"}, ("input", "text")),
        ({}, ("input", "text")),
        ({"text": "a", "minimum": None}, ("input", "minimum")),
    ],
)
def test_a_broken_constraint_is_refused_with_its_path(
    viewer: Viewer, data: dict[str, Any], path: tuple[str, ...]
) -> None:
    with pytest.raises(Refused) as refused:
        submission.submit(viewer, REGISTRY["count_words"], data)
    assert problems(refused) == [("BAD_USER_INPUT", path)]
    assert not Run.objects.exists()


def test_a_token_without_the_scope_starts_nothing(make_viewer: Callable[..., Viewer]) -> None:
    with pytest.raises(Refused) as refused:
        submit(make_viewer(scopes=(RUNS_READ,)))
    assert problems(refused) == [("FORBIDDEN", ())]
    assert not Run.objects.exists()


def test_a_file_must_be_ones_own_and_uploaded(make_viewer: Callable[..., Viewer]) -> None:
    ada, bob = make_viewer("ada"), make_viewer("bob")
    until = timezone.now() + timedelta(hours=1)
    promised, foreign = (
        File.objects.create(
            owner_id=viewer.user_id, name="a.csv", content_type="text/csv", size=1,
            upload_until=until,
        )
        for viewer in (ada, bob)
    )  # fmt: skip
    for value, code in (
        (str(promised.pk), RefusalCode.UPLOAD_INCOMPLETE),
        (str(foreign.pk), RefusalCode.NOT_FOUND),
        (str(uuid4()), RefusalCode.NOT_FOUND),
        ("", RefusalCode.NOT_FOUND),
    ):
        with pytest.raises(Refused) as refused:
            submission.submit(ada, REGISTRY["profile_dataset"], {"file": value})
        assert problems(refused) == [(code.value, ("input", "file"))]
    assert not Run.objects.exists()


def test_a_claim_starts_the_next_attempt_with_a_lease(viewer: Viewer, settings: Settings) -> None:
    hold = claim(submit(viewer))
    run = Run.objects.get()
    assert (run.status, run.attempt, run.token, run.ring_at) == ("RUNNING", 1, hold.token, None)
    assert run.started_at is not None
    assert run.lease_until is not None
    lease = (run.lease_until - run.started_at).total_seconds()
    assert abs(lease - settings.LEASE_SECONDS) < 1
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.worker, attempt.outcome) == (1, "host:1", None)
    assert kinds(run) == ["QUEUED", "STARTED"]


def test_second_knock_claims_nothing(viewer: Viewer) -> None:
    run = submit(viewer)
    claim(run)
    before = Run.objects.values().get()
    assert runs.claim(run.pk, by("host:2")) is None
    assert Run.objects.values().get() == before
    assert Attempt.objects.count() == 1


def test_a_knock_for_an_unknown_run_claims_nothing(viewer: Viewer) -> None:
    assert runs.claim(uuid4(), by("host:1")) is None


def test_a_claim_whose_answer_was_lost_is_found_by_its_token(viewer: Viewer) -> None:
    run = submit(viewer)
    hold = claim(run)
    found = runs.claimed_earlier(run.pk, hold.token)
    assert found is not None
    assert found.attempt == 1
    assert runs.claimed_earlier(run.pk, uuid4()) is None
    assert runs.claimed_earlier(uuid4(), hold.token) == found  # taken as the next of its task


def test_a_claim_whose_commit_is_still_in_flight_is_waited_for(viewer: Viewer) -> None:
    run, claimant = submit(viewer), by("host:1")
    claimed = threading.Event()

    def act() -> None:
        try:
            with transaction.atomic():
                assert runs.claim(run.pk, claimant) is not None
                claimed.set()
                time.sleep(0.5)
        finally:
            connection.close()

    thread = threading.Thread(target=act)
    thread.start()
    assert claimed.wait(5)
    found = runs.claimed_earlier(run.pk, claimant.token)
    thread.join()
    assert found is not None
    assert found.pk == run.pk


def test_a_heartbeat_prolongs_the_lease_and_writes_progress(viewer: Viewer) -> None:
    run = submit(viewer)
    hold = claim(run)
    let_lease_pass(run)
    assert runs.heartbeat(hold, Progress(1, 3, "working"))
    run.refresh_from_db()
    assert run.lease_until is not None
    assert run.lease_until > timezone.now()
    assert (run.progress_done, run.progress_total, run.progress_message) == (1, 3, "working")
    assert run.revision == 3


def test_the_revision_rises_only_when_progress_moves(viewer: Viewer) -> None:
    run = submit(viewer)
    hold = claim(run)
    for progress in (Progress(1), Progress(1), None, None, Progress(1, None, "x")):
        runs.heartbeat(hold, progress)
    run.refresh_from_db()
    assert run.revision == 2 + 3


def test_a_finish_keeps_the_result_and_ends_the_attempt(viewer: Viewer) -> None:
    run = submit(viewer)
    hold = claim(run)
    result = {"words": 2, "longest": "one"}
    assert runs.finish(hold, succeeded(2, "one"), Progress(2, 2))
    run.refresh_from_db()
    assert (run.status, run.is_final, run.result, run.error) == ("SUCCEEDED", True, result, None)
    assert (run.progress_done, run.lease_until, run.failures) == (2, None, 0)
    assert run.finished_at is not None
    assert Attempt.objects.get().outcome == "SUCCEEDED"
    assert kinds(run) == ["QUEUED", "STARTED", "SUCCEEDED"]


def test_a_failure_is_kept_on_run_attempt_and_event(viewer: Viewer) -> None:
    run = submit(viewer)
    assert runs.finish(claim(run), FAILED)
    run.refresh_from_db()
    assert (run.status, run.error, run.failures) == ("FAILED", ERROR, 1)
    assert Attempt.objects.get().error == ERROR
    assert Event.objects.filter(kind="FAILED", message="It broke.", attempt=1).exists()


def test_a_repeated_finish_is_recognised_and_changes_nothing(viewer: Viewer) -> None:
    run = submit(viewer)
    hold = claim(run)
    runs.finish(hold, succeeded(1, "a"))
    before = Run.objects.values().get()
    assert runs.finish(hold, succeeded(9, "b"))
    assert Run.objects.values().get() == before
    assert not runs.finish(hold, FAILED)
    assert Run.objects.values().get() == before


@pytest.mark.parametrize("wrong", ["token", "attempt"])
def test_a_stale_holder_changes_nothing(viewer: Viewer, wrong: str) -> None:
    hold = claim(submit(viewer))
    token = uuid4() if wrong == "token" else hold.token
    attempt = hold.attempt + 1 if wrong == "attempt" else hold.attempt
    stale = Hold(hold.run_id, attempt, token)
    before = Run.objects.values().get()
    assert not runs.heartbeat(stale, Progress(9))
    assert not runs.finish(stale, succeeded(9, "b"))
    assert Run.objects.values().get() == before
    assert Event.objects.count() == 2


def test_a_lost_attempt_is_followed_by_another_and_its_worker_is_fenced(viewer: Viewer) -> None:
    run = submit(viewer)
    zombie = claim(run)
    let_lease_pass(run)
    assert [lost.pk for lost in runs.recover()] == [run.pk]
    run.refresh_from_db()
    assert (run.status, run.failures, run.error) == ("SCHEDULED", 1, None)
    assert runs.start_due() == 1
    second = claim(run)
    assert second.attempt == 2
    assert not runs.heartbeat(zombie, Progress(5))
    assert not runs.finish(zombie, succeeded(9, "b"))
    assert runs.finish(second, succeeded(2, "one"))
    run.refresh_from_db()
    assert run.result == {"words": 2, "longest": "one"}
    outcomes = Attempt.objects.order_by("number").values_list("outcome", flat=True)
    assert list(outcomes) == ["LOST", "SUCCEEDED"]
    assert kinds(run) == ["QUEUED", "STARTED", "RETRIED", "QUEUED", "STARTED", "SUCCEEDED"]


def test_a_run_whose_budget_is_spent_is_lost(viewer: Viewer) -> None:
    run = submit(viewer)
    for _ in range(3):
        claim(run)
        let_lease_pass(run)
        assert len(runs.recover()) == 1
        runs.start_due()
    run.refresh_from_db()
    assert (run.status, run.failures, run.attempt) == ("LOST", 3, 3)
    assert run.error is not None
    assert run.error["code"] == "WORKER_LOST"
    assert run.finished_at is not None
    assert runs.claim(run.pk, by("host:9")) is None


def test_a_parked_run_is_lost_at_once(viewer: Viewer, declare: Callable[..., Any]) -> None:
    def pay(ctx: Context) -> None:
        """Pay."""

    run = submission.submit(viewer, declare(pay, "park"), {}).run
    claim(run)
    let_lease_pass(run)
    assert [lost.status for lost in runs.recover()] == ["LOST"]


def test_a_living_lease_is_left_alone_and_an_impossible_one_is_not(viewer: Viewer) -> None:
    run = submit(viewer)
    claim(run)
    assert runs.recover() == []
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() + timedelta(hours=1))
    assert len(runs.recover()) == 1


def test_an_expired_lease_that_nobody_recovered_heals(viewer: Viewer) -> None:
    run = submit(viewer)
    hold = claim(run)
    let_lease_pass(run)
    assert runs.heartbeat(hold, None)
    assert runs.recover() == []


@pytest.mark.parametrize("run_at", [None, timedelta(hours=1)])
def test_only_so_many_runs_of_one_owner_wait(
    viewer: Viewer,
    make_viewer: Callable[..., Viewer],
    settings: Settings,
    run_at: timedelta | None,
) -> None:
    settings.QUEUED_RUNS = 2
    at = None if run_at is None else timezone.now() + run_at
    task = REGISTRY["count_words"]
    first = submission.submit(viewer, task, dict(WORDS), RunOptions("one", run_at=at)).run
    submit(viewer)
    for _ in range(2):
        with pytest.raises(Refused, match="2 runs of yours are waiting") as refused:
            submit(viewer)
        assert [p.code for p in refused.value.problems] == [RefusalCode.QUOTA_EXCEEDED]
    assert Run.objects.count() == 2
    again = submission.submit(viewer, task, dict(WORDS), RunOptions("one", run_at=at))
    assert (again.replayed, again.run.pk) == (True, first.pk)
    assert submit(make_viewer("grace"))
    runs.cancel(viewer, [first.pk])
    assert submit(viewer)


def test_a_queued_run_is_rung_again_later_and_later(
    viewer: Viewer, knocks: list[tuple[str, UUID]], settings: Settings
) -> None:
    run = submit(viewer)
    waits = []
    for _ in range(5):
        Run.objects.filter(pk=run.pk).update(ring_at=Now())
        assert runs.ring(Priority.NORMAL) == 1
        run.refresh_from_db()
        assert run.ring_at is not None
        waits.append(round((run.ring_at - timezone.now()).total_seconds() / settings.RING_SECONDS))
    assert waits == [1, 2, 4, 5, 5]
    assert knocks == [("count_words", run.pk)] * 5
    assert runs.ring(Priority.NORMAL) == 0


def test_a_knock_that_fails_leaves_its_batch_due(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [submit(viewer).pk for _ in range(3)]
    Run.objects.update(ring_at=Now())

    def publish(knocks: Sequence[broker.Knock]) -> None:
        raise broker.BrokerError("away")

    monkeypatch.setattr(broker, "publish", publish)
    with pytest.raises(broker.BrokerError):
        runs.ring(Priority.NORMAL)
    due = Run.objects.filter(ring_at__lte=Now()).values_list("pk", flat=True)
    assert set(due) == set(ids)


def test_two_conductors_ring_each_run_once(viewer: Viewer, knocks: list[tuple[str, UUID]]) -> None:
    ids = [submit(viewer).pk for _ in range(50)]
    Run.objects.update(ring_at=Now())

    def conduct() -> None:
        try:
            runs.ring(Priority.NORMAL)
        finally:
            connection.close()

    threads = [threading.Thread(target=conduct) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run_id for _, run_id in knocks) == sorted(ids)


def test_each_verb_takes_the_fewest_statements(
    viewer: Viewer, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # PostgreSQL needs one statement; SQLite adds BEGIN, COMMIT and what follows each changed row.
    is_one = connection.vendor == "postgresql"
    task = REGISTRY["count_words"]
    with django_assert_num_queries(1 if is_one else 4):
        run = submission.submit(viewer, task, dict(WORDS)).run
    with django_assert_num_queries(1 if is_one else 5):
        hold = claim(run)
    with django_assert_num_queries(1 if is_one else 3):
        runs.heartbeat(hold, Progress(1))
    with django_assert_num_queries(1 if is_one else 5):
        runs.finish(hold, succeeded(1, "a"))


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads few rows without it")
@pytest.mark.parametrize("name", ["EXPIRE", "START_DUE", "RING"])
def test_what_waits_for_later_is_not_looked_through(name: str) -> None:
    verb: sql.Verb = getattr(statements, name)
    text = f"EXPLAIN QUERY PLAN {sql._spelled(verb, 'sqlite')[0]}"
    with connection.cursor() as cursor:
        cursor.execute(text, {"batch": 200, "ring": 60, "priority": 1})
        plan = " ".join(row[3] for row in cursor.fetchall())
    assert "SEARCH tasks_run USING INDEX run_due (priority=? AND ring_at<?)" in plan
    assert "SCAN" not in plan
