"""A cancel is a stored flag: whatever else happens to the run, it is not forgotten."""

import threading
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.db import connection

from accounts.viewer import Viewer
from tasks import notifier, runs
from tasks.models import Run
from tasks.runs import Ending
from tests.tasks.holding import (
    CANCELED,
    FAILURE,
    RELEASE,
    RETRY,
    SUCCESS,
    by,
    fresh,
    hold,
    kinds,
    let_lease_pass,
    outcomes,
    start,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The runs whose workers were told of a cancel."""
    heard: list[UUID] = []
    monkeypatch.setattr(notifier.HERALD, "cancel", heard.append)
    return heard


@pytest.mark.parametrize("state", ["queued", "scheduled"])
def test_a_waiting_run_is_over_at_once(viewer: Viewer, told: list[UUID], state: str) -> None:
    run = start(viewer)
    if state == "scheduled":
        runs.finish(hold(run), RETRY)
    assert [each.pk for each in runs.cancel(viewer, [run.pk])] == [run.pk]
    run = fresh(run)
    assert (run.status, run.ring_at, run.error) == ("CANCELED", None, None)
    assert run.finished_at is not None
    assert run.finished_at == run.cancel_requested_at
    assert kinds(run)[-1] == "CANCELED"
    assert runs.claim(run.pk, by("host:1")) is None
    assert runs.start_due() + runs.expire() == 0
    assert told == []


def test_a_running_run_is_asked_and_its_worker_told(viewer: Viewer, told: list[UUID]) -> None:
    run = start(viewer)
    held = hold(run)
    (asked,) = runs.cancel(viewer, [run.pk])
    assert (asked.status, asked.shown_status) == ("RUNNING", "CANCELING")
    assert told == [run.pk]
    assert kinds(run)[-1] == "CANCEL_REQUESTED"
    beat = runs.heartbeat(held, None)
    assert beat is not None
    assert beat.cancel_requested_at is not None
    assert runs.cancel(viewer, [run.pk]) == []
    assert kinds(run).count("CANCEL_REQUESTED") == 1


@pytest.mark.parametrize(
    ("ending", "status", "outcome"),
    [
        (CANCELED, "CANCELED", "CANCELED"),
        (SUCCESS, "SUCCEEDED", "SUCCEEDED"),  # it was faster
        (FAILURE, "FAILED", "FAILED"),
        (RETRY, "CANCELED", "FAILED"),
        (RELEASE, "CANCELED", "RELEASED"),
    ],
)
def test_a_cancel_outlives_every_ending(
    viewer: Viewer, ending: Ending, status: str, outcome: str
) -> None:
    run = start(viewer)
    held = hold(run)
    runs.cancel(viewer, [run.pk])
    assert runs.finish(held, ending) == status
    run = fresh(run)
    assert (run.status, outcomes(run)) == (status, [outcome])
    assert run.finished_at is not None
    assert run.ring_at is None


def test_a_lost_run_that_was_to_be_canceled_is_canceled(viewer: Viewer) -> None:
    run = start(viewer)
    hold(run)
    runs.cancel(viewer, [run.pk])
    let_lease_pass(run)
    runs.recover()
    assert (fresh(run).status, outcomes(run)) == ("CANCELED", ["LOST"])
    assert fresh(run).error is None


def test_a_final_run_stays_as_it_is(viewer: Viewer) -> None:
    run = start(viewer)
    runs.finish(hold(run), SUCCESS)
    before = Run.objects.values().get()
    assert runs.cancel(viewer, [run.pk]) == []
    assert Run.objects.values().get() == before


def test_anothers_run_is_left_alone(make_viewer: Callable[..., Viewer]) -> None:
    run = start(make_viewer("ada"))
    assert runs.cancel(make_viewer("bob"), [run.pk, uuid4()]) == []
    assert fresh(run).status == "QUEUED"


def test_many_are_canceled_in_one_go(viewer: Viewer) -> None:
    waiting = [start(viewer).pk for _ in range(5)]
    assert {run.pk for run in runs.cancel(viewer, waiting)} == set(waiting)
    assert set(Run.objects.values_list("status", flat=True)) == {"CANCELED"}


def test_of_a_race_between_cancel_and_claim_no_cancel_is_lost(viewer: Viewer) -> None:
    waiting = [start(viewer) for _ in range(40)]
    go = threading.Barrier(2)

    def work() -> None:
        try:
            go.wait()
            for run in waiting:
                runs.claim(run.pk, by("host:1"))
        finally:
            connection.close()

    def stop() -> None:
        try:
            go.wait()
            for run in waiting:
                runs.cancel(viewer, [run.pk])
        finally:
            connection.close()

    threads = [threading.Thread(target=work), threading.Thread(target=stop)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in Run.objects.all():
        assert run.cancel_requested_at is not None
        assert run.status in ("CANCELED", "RUNNING")
        assert run.attempt == (run.status == "RUNNING")
    assert runs.cancel(viewer, [run.pk for run in waiting]) == []
