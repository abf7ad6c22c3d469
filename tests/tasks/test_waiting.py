"""What waits, waits for the right thing: its time, its turn, its limit, its like."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from accounts.viewer import Viewer
from tasks import Context, broker, knocks, runs, submission
from tasks.exceptions import Refused
from tasks.models import File, Run
from tasks.registry import REGISTRY, Task
from tasks.status import Priority
from tasks.submission import RunOptions
from tests.tasks.holding import (
    RETRY,
    SUCCESS,
    by,
    fresh,
    hold,
    kinds,
    make_due,
    start,
)
from tests.tasks.performing import never

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

SOON = timedelta(hours=1)


def test_a_run_with_a_time_is_scheduled_until_then(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    knocked: list[object] = []
    monkeypatch.setattr(broker.KNOCKER, "knock", knocked.append)
    at = timezone.now() + SOON
    run = start(viewer, run_at=at)
    assert (run.status, run.ring_at, run.run_at) == ("SCHEDULED", at, at)
    assert (kinds(run), knocked) == (["SCHEDULED"], [])
    assert runs.claim(run.pk, by("host:1")) is None
    assert runs.start_due() == 0
    make_due(run)
    assert runs.start_due() == 1
    assert fresh(run).status == "QUEUED"
    assert kinds(run) == ["SCHEDULED", "QUEUED"]


def test_a_time_that_has_passed_means_now(viewer: Viewer) -> None:
    run = start(viewer, run_at=timezone.now() - SOON)
    assert (run.status, kinds(run)) == ("QUEUED", ["QUEUED"])


def expire(run: Run) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Run.objects.filter(pk=run.pk).update(expires_at=past, ring_at=past)


@pytest.mark.parametrize("ahead", [None, SOON])
def test_a_run_that_did_not_start_in_time_expires(viewer: Viewer, ahead: timedelta | None) -> None:
    now = timezone.now()
    run = start(viewer, run_at=ahead and now + ahead, expires_at=now + 2 * SOON)
    assert runs.expire() == 0
    expire(run)
    assert runs.claim(run.pk, by("host:1")) is None
    assert runs.expire() == 1
    run = fresh(run)
    assert (run.status, run.ring_at, run.error) == ("EXPIRED", None, None)
    assert run.finished_at is not None
    assert kinds(run)[-1] == "EXPIRED"


def test_the_next_ring_is_no_later_than_the_expiry(
    viewer: Viewer, knocks: list[tuple[str, UUID]]
) -> None:
    soon = timezone.now() + timedelta(seconds=20)
    run = start(viewer, expires_at=soon)
    assert run.ring_at == soon
    make_due(run)
    assert runs.ring(Priority.NORMAL) == 1
    assert fresh(run).ring_at == soon


def test_a_run_that_has_started_never_expires(viewer: Viewer) -> None:
    run = start(viewer, expires_at=timezone.now() + SOON)
    held = hold(run)
    expire(run)
    assert runs.expire() == 0
    assert runs.finish(held, RETRY) == "SCHEDULED"
    expire(run)
    assert (runs.expire(), runs.start_due()) == (0, 1)
    assert hold(run).attempt == 2


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"run_at": timedelta(days=400)}, "run_at"),
        ({"expires_at": timedelta(seconds=-1)}, "expires_at"),
        ({"expires_at": timedelta(days=800)}, "expires_at"),
        ({"run_at": SOON, "expires_at": SOON / 2}, "expires_at"),
    ],
)
def test_times_that_cannot_be_are_refused(
    viewer: Viewer, options: dict[str, timedelta], name: str
) -> None:
    moments: dict[str, Any] = {key: timezone.now() + ahead for key, ahead in options.items()}
    with pytest.raises(Refused) as refused:
        start(viewer, **moments)
    assert [problem.path for problem in refused.value.problems] == [("options", name)]
    assert not Run.objects.exists()


def test_tags_are_kept_in_order(viewer: Viewer) -> None:
    tags = tuple(f"tag {n}" for n in range(20))
    assert fresh(start(viewer, tags=tags)).tags == list(tags)


@pytest.mark.parametrize(
    ("tags", "path"),
    [
        (tuple(map(str, range(21))), ("options", "tags")),
        (("a", "a"), ("options", "tags")),
        (("a", ""), ("options", "tags", 1)),
        (("x" * 51,), ("options", "tags", 0)),
        (("a\0",), ("options", "tags", 0)),
    ],
)
def test_tags_that_cannot_be_are_refused(
    viewer: Viewer, tags: tuple[str, ...], path: tuple[Any, ...]
) -> None:
    with pytest.raises(Refused) as refused:
        start(viewer, tags=tags)
    assert [problem.path for problem in refused.value.problems] == [path]


def test_a_priority_has_its_own_queue_and_its_own_ring(
    viewer: Viewer, knocks: list[tuple[str, UUID]], declare: Callable[..., Task]
) -> None:
    def rank(ctx: Context) -> None:
        """Rank."""

    task = declare(rank, queue="reports")
    low, high = (
        start(viewer, task, priority=Priority.LOW),
        start(viewer, task, priority=Priority.HIGH),
    )
    assert broker.Knock.of(low).queue == "downbeat.reports.low"
    assert broker.Knock.of(high).queue == "downbeat.reports.high"
    assert broker.Knock.of(start(viewer, task)).queue == "downbeat.reports"
    assert broker.Knock.of(start(viewer)).queue == "downbeat.default"
    runs.make_due()
    for priority in sorted(Priority, reverse=True):
        runs.ring(priority)
    assert knocks[0] == ("rank", high.pk)
    assert knocks[-1] == ("rank", low.pk)
    assert len(knocks) == 4


def test_a_worker_asks_the_most_urgent_queues_first() -> None:
    assert broker.queue_names(["b", "a"]) == [
        "downbeat.a.high",
        "downbeat.b.high",
        "downbeat.a",
        "downbeat.b",
        "downbeat.a.low",
        "downbeat.b.low",
    ]


def test_a_knock_too_many_takes_the_next_run_of_its_task(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    """A backlog is knocked for again and again; nothing new waits behind those knocks."""
    done: list[str] = []

    def stamp(ctx: Context) -> None:
        """Stamp."""
        done.append("stamped")

    task = declare(stamp)
    first, later = start(viewer, task), start(viewer, task)
    urgent = start(viewer, task, priority=Priority.HIGH)
    other = start(viewer)
    for _ in range(9):
        knocks.answer(task, first.pk, "host:1", never)
    assert len(done) == 3
    order = Run.objects.filter(task="stamp").order_by("started_at")
    assert [run.pk for run in order] == [first.pk, urgent.pk, later.pk]
    assert fresh(other).status == "QUEUED"


def limited(declare: Callable[..., Task], most: int) -> Task:
    def call_api(ctx: Context) -> None:
        """Call an API that bears only so many at once."""

    return declare(call_api, max_running=most)


def test_no_more_runs_of_a_task_than_its_limit(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    task = limited(declare, 2)
    first, second, third = (start(viewer, task) for _ in range(3))
    held = hold(first)
    assert runs.claim(second.pk, by("host:1", task.name, 2)) is not None
    assert runs.claim(third.pk, by("host:1", task.name, 2)) is None
    assert runs.claim(start(viewer).pk, by("host:1")) is not None
    runs.finish(held, SUCCESS)
    assert runs.claim(third.pk, by("host:1", task.name, 2)) is not None


def test_many_claims_at_once_keep_the_limit(viewer: Viewer, declare: Callable[..., Task]) -> None:
    task = limited(declare, 3)
    waiting = [start(viewer, task).pk for _ in range(20)]
    go = threading.Barrier(5)

    def work(mine: list[UUID]) -> None:
        try:
            go.wait()
            for key in mine:
                runs.claim(key, by("host:1", task.name, 3))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(waiting[n::5],)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Run.objects.filter(status="RUNNING").count() == 3


def test_who_ends_a_limited_run_calls_the_next(
    viewer: Viewer, declare: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[broker.Knock] = []
    monkeypatch.setattr(broker.Knocker, "knock", lambda self, knock: called.append(knock))
    monkeypatch.setattr(knocks, "TURN_SECONDS", 0)
    task = limited(declare, 1)
    first, later, urgent = (
        start(viewer, task),
        start(viewer, task),
        start(viewer, task, priority=Priority.HIGH),
    )
    called.clear()
    knocks.answer(task, first.pk, "host:1", never)
    assert [knock.run_id for knock in called] == [urgent.pk]
    knocks.answer(task, urgent.pk, "host:1", never)
    knocks.answer(task, later.pk, "host:1", never)
    assert [knock.run_id for knock in called] == [urgent.pk, later.pk]


def test_a_limited_task_goes_on_after_a_death_and_past_an_expired_run(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    task = limited(declare, 2)
    expired = start(viewer, task, priority=Priority.HIGH, expires_at=timezone.now() + SOON)
    Run.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - SOON)
    held = hold(start(viewer, task))
    waiting = [start(viewer, task) for _ in range(3)]

    def due() -> set[UUID]:
        soon = Now() + timedelta(seconds=1)  # of the same millisecond, Now() is less on SQLite
        return set(Run.objects.filter(ring_at__lte=soon).values_list("pk", flat=True))

    runs.make_next_due(task.name, 2)
    assert due() == {waiting[0].pk}
    runs.lose(held, "It died.")
    runs.make_next_due(task.name, 2)
    assert due() == {waiting[0].pk, waiting[1].pk, held.run_id}
    following = runs.next_of(task.name)
    assert following is not None
    assert following.pk == waiting[0].pk
    taken = runs.claim_next(by("host:1", task.name, 2))
    assert taken is not None
    assert taken.pk == waiting[0].pk


def test_a_knock_that_met_a_stranger_is_tried_again_soon_but_not_without_end(
    viewer: Viewer,
) -> None:
    run = start(viewer)
    for rings, soon in ((0, True), (9, True), (10, False)):
        late = timezone.now() + SOON
        Run.objects.filter(pk=run.pk).update(rings=rings, ring_at=late)
        runs.make_due_soon(run.pk)
        ring_at = fresh(run).ring_at
        assert ring_at is not None
        assert (ring_at < timezone.now() + timedelta(seconds=3)) is soon


def sole(declare: Callable[..., Task]) -> Task:
    def rebuild(ctx: Context, *, shelf: int = 1) -> None:
        """Rebuild a shelf."""

    return declare(rebuild, unique=True)


def test_a_unique_task_gives_back_its_open_run(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    task = sole(declare)
    first = submission.submit(viewer, task, {"shelf": 1})
    again = submission.submit(viewer, task, {"shelf": 1}, RunOptions(idempotency_key="k"))
    other = submission.submit(viewer, task, {"shelf": 2})
    assert (again.replayed, again.run) == (True, first.run)
    assert (other.replayed, Run.objects.count()) == (False, 2)
    held = hold(first.run)
    assert submission.submit(viewer, task, {}).run == first.run
    runs.finish(held, SUCCESS)
    assert submission.submit(viewer, task, {}).replayed is False


def test_uniqueness_is_within_one_owner(
    make_viewer: Callable[..., Viewer], declare: Callable[..., Task]
) -> None:
    task = sole(declare)
    runs_made = {start(make_viewer(name), task).pk for name in ("ada", "bob")}
    assert len(runs_made) == 2


def test_fifty_parallel_starts_of_a_unique_task_are_one_run(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    task, found = sole(declare), []

    def ask() -> None:
        try:
            found.append(submission.submit(viewer, task, {}).run.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 50
    assert set(found) == {Run.objects.get().pk}


def test_a_rerun_is_a_new_run_linked_to_the_first(viewer: Viewer) -> None:
    first = start(viewer, tags=("a",), priority=Priority.HIGH)
    runs.finish(hold(first), SUCCESS)
    again = submission.rerun(viewer, first.pk)
    assert (again.replayed, again.run.rerun_of) == (False, first.pk)
    assert (again.run.input, again.run.tags, again.run.priority) == (first.input, ["a"], 2)
    assert again.run.pk != first.pk
    keyed = [submission.rerun(viewer, first.pk, RunOptions("k")) for _ in range(2)]
    assert [each.replayed for each in keyed] == [False, True]
    assert keyed[0].run == keyed[1].run


def code_of(refused: pytest.ExceptionInfo[Refused]) -> str:
    (problem,) = refused.value.problems
    return problem.code.value


def test_a_rerun_that_cannot_be_is_refused(
    viewer: Viewer,
    make_viewer: Callable[..., Viewer],
    declare: Callable[..., Task],
    forge: Callable[..., None],
) -> None:
    run = start(viewer)
    with pytest.raises(Refused) as refused:
        submission.rerun(viewer, run.pk)
    assert code_of(refused) == "RUN_NOT_FINAL"
    runs.finish(hold(run), SUCCESS)
    with pytest.raises(Refused) as refused:
        submission.rerun(make_viewer("bob"), run.pk)
    assert code_of(refused) == "NOT_FOUND"
    forge(run, input={"text": 7})
    with pytest.raises(Refused) as refused:
        submission.rerun(viewer, run.pk)
    assert code_of(refused) == "BAD_USER_INPUT"
    forge(run, task="gone_task")
    with pytest.raises(Refused) as refused:
        submission.rerun(viewer, run.pk)
    assert code_of(refused) == "TASK_RETIRED"
    assert Run.objects.count() == 1


def test_a_start_remembers_when_its_files_are_needed(viewer: Viewer) -> None:
    now = timezone.now()
    file = File.objects.create(
        owner_id=viewer.user_id, name="a.csv", content_type="text/csv", size=1,
        upload_until=now, ready_at=now,
    )  # fmt: skip
    task = REGISTRY["profile_dataset"]
    submission.submit(viewer, task, {"file": str(file.pk)}, RunOptions(run_at=now + SOON))
    assert File.objects.get().used_at == now + SOON
    submission.submit(viewer, task, {"file": str(file.pk)})
    assert File.objects.get().used_at == now + SOON
