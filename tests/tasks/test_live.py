"""A held run hears of what it must stop for, and is stopped when it does not listen."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.viewer import Viewer
from tasks import Context, TimeLimit, executor, knocks, live, notifier, runs, submission
from tasks.board import BOARD, Board
from tasks.context import LogLine
from tasks.models import Attempt, Run
from tasks.registry import Task
from tasks.status import Level, Status
from tests.tasks.holding import by, kinds, outcomes
from tests.tasks.performing import never, perform

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    """A board of its own, so that no test shuts another's worker down."""
    board = Board()
    monkeypatch.setattr(live, "BOARD", board)
    monkeypatch.setattr(executor, "BOARD", board)
    monkeypatch.setattr(knocks, "BOARD", board)
    monkeypatch.setattr(notifier.HERALD, "cancel", lambda run_id: board.hear_cancel())
    return board


def cancel(viewer: Viewer) -> None:
    assert runs.cancel(viewer, [Run.objects.get().pk])


def test_a_cancel_reaches_the_function_at_its_next_check(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    cleaned, took = [], []

    def work(ctx: Context) -> None:
        """Work."""
        cancel(viewer)
        began = time.monotonic()
        try:
            for _ in ctx.track(range(1_000)):
                try:
                    time.sleep(0.01)
                    ctx.check()
                except Exception:
                    pytest.fail("no `except Exception` catches a cancel")
        finally:
            cleaned.append(True)
            took.append(time.monotonic() - began)

    run = perform(viewer, declare(work))
    assert (run.status, outcomes(run), cleaned) == ("CANCELED", ["CANCELED"], [True])
    assert took[0] < 8  # of 10 seconds
    assert kinds(run)[-2:] == ["CANCEL_REQUESTED", "CANCELED"]


def test_without_word_of_it_a_cancel_is_seen_at_the_next_heartbeat(
    viewer: Viewer,
    declare: Callable[..., Task],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.HEARTBEAT_SECONDS = 0.5
    monkeypatch.setattr(notifier.HERALD, "cancel", lambda run_id: None)

    def work(ctx: Context) -> None:
        """Work."""
        cancel(viewer)
        for _ in range(500):
            time.sleep(0.01)
            ctx.check()

    assert perform(viewer, declare(work)).status == "CANCELED"


def test_a_deaf_task_is_canceled_after_the_grace_and_its_process_ended(
    viewer: Viewer, declare: Callable[..., Task], settings: Settings
) -> None:
    settings.CANCEL_GRACE_SECONDS = 0.3
    ended = threading.Event()
    seen: list[str] = []

    def work(ctx: Context) -> None:
        """Work."""
        cancel(viewer)
        assert ended.wait(10)
        seen.append(Run.objects.get().status)

    run = perform(viewer, declare(work), ended.set)
    assert (run.status, seen, outcomes(run)) == ("CANCELED", ["CANCELED"], ["CANCELED"])
    assert run.result is None


def test_a_function_that_ends_in_its_grace_keeps_its_result(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def work(ctx: Context) -> None:
        """Work."""
        cancel(viewer)
        time.sleep(0.6)

    assert perform(viewer, declare(work)).status == "SUCCEEDED"


def test_at_shutdown_a_run_is_given_back_and_its_process_lives(
    viewer: Viewer, declare: Callable[..., Task], board: Board
) -> None:
    def work(ctx: Context) -> None:
        """Work."""
        board.release_after(0.2)
        for _ in range(1_000):
            time.sleep(0.01)
            ctx.check()

    run = perform(viewer, declare(work))
    assert (run.status, run.failures, outcomes(run)) == ("QUEUED", 0, ["RELEASED"])


def test_at_shutdown_a_deaf_run_is_given_back_too(
    viewer: Viewer, declare: Callable[..., Task], board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RELEASE_GRACE_SECONDS", 0.2)
    ended = threading.Event()

    def work(ctx: Context) -> None:
        """Work."""
        board.release_after(0)
        assert ended.wait(10)

    run = perform(viewer, declare(work), ended.set)
    assert (run.status, outcomes(run)) == ("QUEUED", ["RELEASED"])


@pytest.mark.parametrize(
    ("on_lost", "kind", "status", "repeated"),
    [
        ("rerun", "free", "SCHEDULED", True),
        ("rerun", "gated", "SCHEDULED", False),
        ("park", "gated", "SCHEDULED", False),
        ("park", "free", "FAILED", False),
    ],
)
def test_a_hard_time_limit_ends_the_process(
    viewer: Viewer,
    declare: Callable[..., Task],
    on_lost: str,
    kind: str,
    status: str,
    repeated: bool,
) -> None:
    ended = threading.Event()

    def work(ctx: Context) -> None:
        """Work."""
        assert ended.wait(10)

    run = perform(viewer, declare(work, on_lost, effects=kind, time_limit=0.3), ended.set)
    error = Attempt.objects.get().error
    assert error is not None
    assert (run.status, error["code"]) == (status, "TIME_LIMIT")
    assert (run.failures, run.may_have_repeated) == (1, repeated)


def test_a_function_that_is_over_is_not_ended_while_its_result_waits_for_the_database(
    viewer: Viewer, declare: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = runs.finish

    def slowly(*given: Any) -> Status | None:
        time.sleep(1)
        return finish(*given)

    monkeypatch.setattr(runs, "finish", slowly)

    def work(ctx: Context) -> None:
        """Work."""

    assert perform(viewer, declare(work, time_limit=0.3), never).status == "SUCCEEDED"


def test_the_main_process_is_told_of_a_deadline_for_as_long_as_the_function_runs(
    viewer: Viewer, declare: Callable[..., Task], board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LIMIT_SLACK_SECONDS", -4.5)
    seen: list[list[int]] = []

    def work(ctx: Context) -> None:
        """Work."""
        seen.append(board.overdue())
        time.sleep(0.6)
        seen.append(board.overdue())

    perform(viewer, declare(work, time_limit=5))
    assert seen == [[], [os.getpid()]]
    assert board.overdue() == []


def test_who_leaves_takes_no_run(
    viewer: Viewer, declare: Callable[..., Task], board: Board
) -> None:
    def work(ctx: Context) -> None:
        """Work."""

    board.release_after(0)
    run = perform(viewer, declare(work))
    assert (run.status, run.attempt) == ("QUEUED", 0)
    assert run.ring_at is not None
    assert run.ring_at <= timezone.now()


def test_a_soft_time_limit_is_raised_even_out_of_a_sleep(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    told = []

    def work(ctx: Context) -> None:
        """Work."""
        began = time.monotonic()
        try:
            time.sleep(5)
        except TimeLimit:
            told.append(time.monotonic() - began)
            raise

    run = perform(viewer, declare(work, soft_time_limit=0.2, retries=0))
    assert told[0] < 4  # of 5 seconds
    assert run.error is not None
    assert (run.status, run.error["code"]) == ("FAILED", "TIME_LIMIT")


@pytest.mark.parametrize(
    ("on_lost", "effects", "status", "may_have_repeated"),
    [
        ("rerun", "free", "SCHEDULED", True),
        ("rerun", "gated", "SCHEDULED", False),
        ("park", "free", "FAILED", False),
        ("park", "gated", "SCHEDULED", False),
    ],
)
def test_who_is_interrupted_by_a_soft_time_limit_is_not_repeated_in_silence(
    viewer: Viewer,
    declare: Callable[..., Task],
    on_lost: str,
    effects: str,
    status: str,
    may_have_repeated: bool,
) -> None:
    def work(ctx: Context) -> None:
        """Work."""
        time.sleep(5)

    run = perform(viewer, declare(work, on_lost, effects=effects, soft_time_limit=0.2))
    assert (run.status, run.may_have_repeated) == (status, may_have_repeated)
    assert run.failures == 1


def test_a_soft_time_limit_does_not_outlive_its_function(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def work(ctx: Context) -> None:
        """Work."""

    assert perform(viewer, declare(work, soft_time_limit=0.2)).status == "SUCCEEDED"
    time.sleep(0.3)  # an alarm left behind would end the tests here


def test_log_lines_become_events_in_order_with_their_level(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def work(ctx: Context) -> None:
        """Work."""
        ctx.log("first")
        ctx.log("second\0", "warning")
        time.sleep(0.6)
        assert Run.objects.get().events.filter(kind="LOGGED").count() == 2
        ctx.log("x" * 3_000, Level.ERROR)

    run = perform(viewer, declare(work))
    lines = run.events.filter(kind="LOGGED").order_by("number")
    assert [(line.level, line.message[:10], line.attempt) for line in lines] == [
        (20, "first", 1),
        (30, "second", 1),
        (40, "x" * 10, 1),
    ]
    assert len(lines[2].message) == 2_000
    assert kinds(run)[-1] == "SUCCEEDED"
    numbers = list(run.events.order_by("number").values_list("number", flat=True))
    assert numbers == [1, 2, 3, 4, 5, 6]
    assert run.revision == 6


def test_a_flood_of_lines_ends_with_a_word_about_it(
    viewer: Viewer, declare: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LINES", 10)

    def work(ctx: Context) -> None:
        """Work."""
        for number in range(500):
            ctx.log(str(number))

    lines = perform(viewer, declare(work)).events.filter(kind="LOGGED").order_by("number")
    assert [line.message for line in lines[:10]] == [str(n) for n in range(10)]
    assert lines[10].message == "More than 10 lines in one attempt: the rest is not kept."
    assert len(lines) == 11


@pytest.mark.parametrize("level", ["LOUD", 35])
def test_an_unknown_level_is_the_authors_mistake(level: object) -> None:
    with pytest.raises((KeyError, ValueError)):
        Context().log("x", level)  # type: ignore[arg-type]


def test_who_is_fenced_writes_no_lines(viewer: Viewer, declare: Callable[..., Task]) -> None:
    def work(ctx: Context) -> None:
        """Work."""

    task = declare(work)
    run = submission.submit(viewer, task, {}).run
    claimed = runs.claim(run.pk, by("host:1"))
    assert claimed is not None
    assert claimed.token is not None
    held = runs.Hold(run.pk, 1, claimed.token)
    runs.finish(held, runs.Ending(live.RELEASED.status, live.RELEASED.outcome))
    running = live.LiveRun(held, task, never)
    running.log(LogLine("late"))
    running.flush()
    assert not Run.objects.get().events.filter(kind="LOGGED").exists()


def test_the_board_tells_across_processes_what_each_place_holds() -> None:
    board = Board()
    assert (board.cancels, board.release_at) == (0, None)
    board.hear_cancel()
    board.release_after(5)
    before = board.claimed_at
    board.claim()
    assert board.cancels == 1
    assert board.release_at is not None
    assert 4 < board.release_at - time.monotonic() <= 5
    assert board.claimed_at >= before
    assert BOARD.release_at is None
