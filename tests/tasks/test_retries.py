"""A failure is followed by another attempt while budget is left; a release costs none."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.viewer import Viewer
from tasks import Context, Failure, Retry, knocks, runs
from tasks.models import Attempt
from tasks.registry import Task
from tests.tasks.holding import (
    ERROR,
    RELEASE,
    RETRY,
    fresh,
    hold,
    kinds,
    let_lease_pass,
    make_due,
    outcomes,
    start,
)
from tests.tasks.performing import never, perform

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def test_a_retry_waits_its_time_and_runs_again(viewer: Viewer) -> None:
    run = start(viewer)
    assert runs.finish(hold(run), RETRY) == "SCHEDULED"
    run = fresh(run)
    assert (run.status, run.failures, run.error, run.finished_at) == ("SCHEDULED", 1, None, None)
    assert run.ring_at is not None
    assert timedelta(25) > run.ring_at - timezone.now() > timedelta(seconds=25)
    assert Attempt.objects.get().error == ERROR
    assert runs.start_due() == 0
    make_due(run)
    assert runs.start_due() == 1
    second = hold(run)
    assert second.attempt == 2
    assert kinds(run) == ["QUEUED", "STARTED", "RETRIED", "QUEUED", "STARTED"]
    assert outcomes(run) == ["FAILED", None]


def test_failures_and_losses_spend_the_same_budget(viewer: Viewer) -> None:
    run = start(viewer)
    runs.finish(hold(run), RETRY)
    make_due(run)
    runs.start_due()
    hold(run)
    let_lease_pass(run)
    runs.recover()
    runs.start_due()
    assert runs.finish(hold(run), RETRY) == "FAILED"
    run = fresh(run)
    assert (run.failures, run.error, run.ring_at) == (3, ERROR, None)
    assert run.finished_at is not None
    assert outcomes(run) == ["FAILED", "LOST", "FAILED"]
    assert kinds(run)[-1] == "FAILED"


def test_a_released_run_is_due_at_once_and_its_budget_unspent(viewer: Viewer) -> None:
    run = start(viewer)
    assert runs.finish(hold(run), RELEASE) == "QUEUED"
    run = fresh(run)
    assert (run.failures, run.error, run.may_have_repeated) == (0, None, True)
    assert run.ring_at is not None
    assert run.ring_at <= timezone.now()
    assert outcomes(run) == ["RELEASED"]
    assert kinds(run)[-1] == "RELEASED"
    assert hold(run).attempt == 2


def test_a_released_run_that_must_not_repeat_is_lost(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def pay(ctx: Context) -> None:
        """Pay."""

    run = start(viewer, declare(pay, "park"))
    assert runs.finish(hold(run), RELEASE) == "LOST"
    assert fresh(run).error == ERROR


def fails_with(error: Exception) -> Callable[..., None]:
    def fail(ctx: Context) -> None:
        """Fail."""
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ConnectionError("x"), "SCHEDULED", "TASK_ERROR"),
        (ConnectionResetError("x"), "SCHEDULED", "TASK_ERROR"),
        (ValueError("x"), "FAILED", "TASK_ERROR"),
        (Failure("No.", code="NO"), "FAILED", "NO"),
        (Retry("Busy."), "SCHEDULED", "RETRY"),
    ],
)
def test_only_what_the_declaration_names_is_retried(
    viewer: Viewer, declare: Callable[..., Task], error: Exception, status: str, code: str
) -> None:
    run = perform(viewer, declare(fails_with(error), retry_on=(ConnectionError,)))
    assert run.status == status
    attempt_error = Attempt.objects.get().error
    assert attempt_error is not None
    assert attempt_error["code"] == code
    assert attempt_error["retryable"] is (status == "SCHEDULED")


def test_a_task_chooses_its_wait(viewer: Viewer, declare: Callable[..., Task]) -> None:
    run = perform(viewer, declare(fails_with(Retry(in_seconds=500))))
    assert run.ring_at is not None
    assert abs((run.ring_at - timezone.now()).total_seconds() - 500) < 10


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, "soon", timedelta(1)])
def test_a_wait_that_is_none_is_the_authors_mistake(seconds: Any) -> None:
    with pytest.raises(ValueError, match="number of seconds"):
        Retry(in_seconds=seconds)


def test_the_wait_doubles_give_or_take_a_quarter_up_to_ten_minutes(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    task = declare(fails_with(OSError()), backoff=40, retries=20)
    run, waits = perform(viewer, task), []
    for _ in range(6):
        run = fresh(run)
        assert run.ring_at is not None
        waits.append((run.ring_at - timezone.now()).total_seconds())
        make_due(run)
        runs.start_due()
        knocks.answer(task, run.pk, "host:1", never)
    for wait, middle in zip(waits, [40, 80, 160, 320, 600, 600], strict=True):
        assert 0.7 * middle < wait < 1.3 * middle
    assert (
        len({round(wait / middle, 4) for wait, middle in zip(waits[4:], (600, 600), strict=True)})
        == 2
    )


def test_a_run_that_fails_each_time_ends_after_its_attempts(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    task = declare(fails_with(OSError("secret")), backoff=0, retries=2)
    run = perform(viewer, task)
    for _ in range(5):
        runs.start_due()
        knocks.answer(task, run.pk, "host:1", never)
    run = fresh(run)
    assert (run.status, outcomes(run)) == ("FAILED", ["FAILED"] * 3)
    assert run.error is not None
    assert run.error["retryable"] is True
    assert "secret" not in str(run.error)
