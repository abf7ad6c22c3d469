"""A backlog is knocked for a little and performed whole: who takes a run sees to the next."""

import time
from collections.abc import Callable

import pytest
from django.db import OperationalError

from accounts.viewer import Viewer
from tasks import Context, broker, knocks, runs, submission
from tasks.board import Board
from tasks.models import Run
from tasks.registry import Task
from tasks.status import Priority
from tasks.submission import Asked, RunOptions
from tests.tasks.holding import by, fresh, hold, start
from tests.tasks.performing import never

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[broker.Knock]:
    """Every knock that would be published."""
    called: list[broker.Knock] = []
    monkeypatch.setattr(broker.Knocker, "knock", lambda self, knock: called.append(knock))
    return called


@pytest.fixture
def stamp(declare: Callable[..., Task]) -> Task:
    def stamp(ctx: Context) -> None:
        """Stamp."""

    return declare(stamp)


def answer(task: Task, run: Run) -> list[str | None]:
    return [status and status.value for status in knocks.answer(task, run.pk, "host:1", never)]


def statuses() -> list[str]:
    return list(Run.objects.order_by("id").values_list("status", flat=True))


def test_one_knock_performs_what_waits_of_its_task_and_nothing_else(
    viewer: Viewer, stamp: Task, called: list[broker.Knock]
) -> None:
    waiting, other = [start(viewer, stamp) for _ in range(4)], start(viewer)
    called.clear()
    assert answer(stamp, waiting[2]) == ["SUCCEEDED"] * 4
    began = Run.objects.filter(task=stamp.name).order_by("started_at")
    assert [run.pk for run in began] == [waiting[place].pk for place in (2, 0, 1, 3)]
    assert fresh(other).status == "QUEUED"
    assert called == []


def test_a_run_that_is_alone_costs_no_look_for_others(
    viewer: Viewer, stamp: Task, called: list[broker.Knock], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = start(viewer, stamp)
    start(viewer)
    monkeypatch.setattr(runs, "claim_next", never)
    monkeypatch.setattr(runs, "next_of", never)
    called.clear()
    assert answer(stamp, alone) == ["SUCCEEDED"]
    assert called == []


def test_when_the_turn_is_over_the_next_one_is_knocked_for(
    viewer: Viewer, stamp: Task, called: list[broker.Knock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knocks, "TURN_SECONDS", 0)
    first, _, urgent = (
        start(viewer, stamp, priority=priority)
        for priority in (Priority.NORMAL, Priority.NORMAL, Priority.HIGH)
    )
    called.clear()
    assert answer(stamp, first) == ["SUCCEEDED"]
    assert called == [broker.Knock(stamp.name, urgent.pk, Priority.HIGH)]


def test_while_a_run_lasts_the_next_one_is_knocked_for_once(
    viewer: Viewer,
    declare: Callable[..., Task],
    called: list[broker.Knock],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(knocks, "TURN_SECONDS", 0.05)

    def linger(ctx: Context) -> None:
        """Until somebody else is called, and somewhat longer."""
        deadline = time.monotonic() + 10
        while not called:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.6)

    task = declare(linger)
    first, following, _ = (start(viewer, task) for _ in range(3))
    called.clear()
    assert answer(task, first) == ["SUCCEEDED"]
    assert called == [broker.Knock(task.name, following.pk, Priority.NORMAL)]


def test_a_worker_that_leaves_calls_another_for_what_waits(
    viewer: Viewer,
    declare: Callable[..., Task],
    called: list[broker.Knock],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board = Board()
    monkeypatch.setattr(knocks, "BOARD", board)

    def sign_off(ctx: Context) -> None:
        """The worker is asked to leave meanwhile."""
        board.release_after(-1)

    task = declare(sign_off)
    first, following = start(viewer, task), start(viewer, task)
    called.clear()
    assert answer(task, first) == ["SUCCEEDED"]
    assert statuses() == ["SUCCEEDED", "QUEUED"]
    assert [knock.run_id for knock in called] == [following.pk]


def test_a_claim_says_whether_others_of_its_task_wait(viewer: Viewer, stamp: Task) -> None:
    first, last = start(viewer, stamp), start(viewer, stamp)
    start(viewer)
    claimed = [runs.claim(run.pk, by("host:1", stamp.name)) for run in (first, last)]
    assert [run is not None and bool(run.has_next) for run in claimed] == [True, False]


def many(viewer: Viewer, task: Task, count: int, priority: Priority = Priority.NORMAL) -> None:
    asked = [Asked(task, {}, RunOptions(priority=priority)) for _ in range(count)]
    submission.submit_many(viewer, asked)


def test_of_many_at_once_only_so_many_are_knocked_for(
    viewer: Viewer, stamp: Task, called: list[broker.Knock]
) -> None:
    most = broker.KNOCKER.enough
    many(viewer, stamp, most + 20)
    assert [knock.run_id for knock in called] == list(
        Run.objects.order_by("id").values_list("pk", flat=True)[:most]
    )
    many(viewer, stamp, 1)
    start(viewer, stamp)
    assert len(called) == most
    start(viewer)  # of another task
    many(viewer, stamp, 2, Priority.HIGH)  # nothing as urgent waits
    assert len(called) == most + 3


def test_knocks_are_sent_again_once_fewer_wait(
    viewer: Viewer, stamp: Task, called: list[broker.Knock]
) -> None:
    many(viewer, stamp, broker.KNOCKER.enough)
    called.clear()
    unheard = start(viewer, stamp)
    assert called == []
    for run in Run.objects.order_by("id")[:2]:
        hold(run)
    start(viewer, stamp)
    assert len(called) == 1
    assert unheard.pk not in {knock.run_id for knock in called}


def test_a_database_that_is_away_holds_up_neither_the_pulse_nor_the_knock(
    viewer: Viewer,
    declare: Callable[..., Task],
    called: list[broker.Knock],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(knocks, "TURN_SECONDS", 0.05)
    next_of, tries = runs.next_of, []

    def sometimes(task: str) -> Run | None:
        tries.append(task)
        if len(tries) == 1:
            raise OperationalError("down")
        return next_of(task)

    def linger(ctx: Context) -> None:
        """Until somebody else is called."""
        deadline = time.monotonic() + 10
        while not called:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    monkeypatch.setattr(runs, "next_of", sometimes)
    task = declare(linger)
    first, following = start(viewer, task), start(viewer, task)
    called.clear()
    assert answer(task, first) == ["SUCCEEDED"]
    assert [knock.run_id for knock in called] == [following.pk]
    assert len(tries) == 2
