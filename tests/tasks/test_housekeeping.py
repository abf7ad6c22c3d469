"""A worker shows that it lives, tells what its children lost, and notices when it hears nothing."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from accounts.viewer import Viewer
from tasks import Context, housekeeping, runs, submission
from tasks.board import BOARD
from tasks.housekeeping import Housekeeper
from tasks.models import Attempt, Run, Worker
from tasks.registry import REGISTRY, Task
from tests.tasks.holding import by

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "nothing happened for 5 seconds"
        time.sleep(0.01)


@pytest.fixture
def hire(settings: Settings) -> Iterator[Callable[..., Housekeeper]]:
    """Makes a housekeeper with quick heartbeats, and lets it go at the end."""
    settings.HEARTBEAT_SECONDS = 0.02
    hired: list[Housekeeper] = []

    def hire(*tasks: str, busy: int = 0) -> Housekeeper:
        house = Housekeeper("host:1", tasks or ("count_words",), lambda: busy)
        hired.append(house)
        house.start()
        return house

    yield hire
    for house in hired:
        house.leave()
    until(lambda: not Worker.objects.exists())


def test_its_row_is_kept_fresh_and_goes_when_it_leaves(hire: Callable[..., Housekeeper]) -> None:
    house = hire("count_words", "profile_dataset", busy=1)
    until(Worker.objects.alive().exists)
    row = Worker.objects.get()
    assert (row.name, row.tasks, row.busy, row.slots) == ("host:1", house.tasks, 1, 2)
    assert Worker.objects.known_tasks() == set(house.tasks)
    until(lambda: Worker.objects.get().heartbeat_at > row.heartbeat_at)
    house.leave()
    until(lambda: not Worker.objects.exists())


def test_it_outlives_a_database_that_is_away(
    hire: Callable[..., Housekeeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    save, tries = Worker.save, []

    def sometimes(self: Worker) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("down")
        save(self)

    monkeypatch.setattr(Worker, "save", sometimes)
    hire()
    until(Worker.objects.exists)
    assert len(tries) >= 3


def queued(viewer: Viewer, task: str = "count_words") -> Run:
    return submission.submit(viewer, REGISTRY[task], {"text": "a"}).run


def test_a_task_that_no_living_worker_knew_is_rung_for_at_once(
    viewer: Viewer, hire: Callable[..., Housekeeper]
) -> None:
    run = queued(viewer)
    hire("profile_dataset")
    until(Worker.objects.exists)
    assert not Run.objects.filter(ring_at__lte=Now()).exists()
    hire("count_words", "profile_dataset")
    until(lambda: Run.objects.filter(pk=run.pk, ring_at__lte=Now()).exists())


def test_a_task_that_a_living_worker_knows_keeps_its_ring(
    viewer: Viewer, hire: Callable[..., Housekeeper]
) -> None:
    hire(busy=2)
    until(Worker.objects.exists)
    queued(viewer)
    hire(busy=2)
    until(lambda: Worker.objects.count() == 2)
    assert not Run.objects.filter(ring_at__lte=Now()).exists()


def test_a_worker_with_free_slots_asks_for_as_many_runs_that_wait(
    viewer: Viewer, hire: Callable[..., Housekeeper]
) -> None:
    hire(busy=2)
    until(Worker.objects.exists)
    waiting = [queued(viewer).pk for _ in range(3)]
    hire(busy=1)
    due = Run.objects.filter(ring_at__lte=Now()).order_by("id")
    until(due.exists)
    assert due.values_list("pk", flat=True)[0] == waiting[0]


def test_the_run_of_a_dead_child_is_lost_at_once(
    viewer: Viewer, hire: Callable[..., Housekeeper]
) -> None:
    run = queued(viewer)
    runs.claim(run.pk, by("host:77"))
    hire().lost("host:77", "Its process died.")
    until(lambda: Run.objects.get().status == "SCHEDULED")
    assert Attempt.objects.get().outcome == "LOST"
    assert Run.objects.get().events.filter(kind="RETRIED", message="Its process died.").exists()


def test_another_attempt_is_not_lost_with_a_dead_child(
    viewer: Viewer, hire: Callable[..., Housekeeper]
) -> None:
    run = queued(viewer)
    runs.claim(run.pk, by("host:77"))
    past = timezone.now() - timedelta(seconds=1)
    Run.objects.update(lease_until=past)
    runs.recover()
    runs.start_due()
    runs.claim(run.pk, by("host:78"))
    house = hire()
    house.lost("host:77", "Its process died.")
    house.leave()  # told after the loss, so that it is over by then
    until(lambda: not Worker.objects.exists())
    assert Run.objects.get().status == "RUNNING"


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sent: list[int] = []
    monkeypatch.setattr(housekeeping, "DEAF_SECONDS", 0.05)
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(number))
    BOARD.claim()
    return sent


def test_a_worker_that_hears_nothing_of_due_work_leaves(
    viewer: Viewer, hire: Callable[..., Housekeeper], signals: list[int]
) -> None:
    run = queued(viewer)
    Run.objects.filter(pk=run.pk).update(rings=3)
    house = hire()
    until(lambda: signal.SIGTERM in signals)
    assert house.is_deaf


@pytest.mark.parametrize("why", ["no work", "not rung often", "no free slot", "limited"])
def test_a_worker_that_has_a_reason_for_idling_stays(
    viewer: Viewer,
    hire: Callable[..., Housekeeper],
    signals: list[int],
    declare: Callable[..., Task],
    why: str,
) -> None:
    def wait_turn(ctx: Context, *, text: str) -> None:
        """Wait for its turn."""

    declare(wait_turn, max_running=1)
    if why != "no work":
        run = queued(viewer, "wait_turn" if why == "limited" else "count_words")
        Run.objects.filter(pk=run.pk).update(rings=0 if why == "not rung often" else 9)
    hire("count_words", "wait_turn", busy=2 if why == "no free slot" else 0)
    until(Worker.objects.exists)
    first = Worker.objects.get().heartbeat_at
    time.sleep(0.2)
    until(lambda: Worker.objects.get().heartbeat_at > first)
    assert signals == []
