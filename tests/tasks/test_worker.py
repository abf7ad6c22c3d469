"""A worker knows every task by its own name and shows that it lives."""

import time
from collections.abc import Callable
from uuid import uuid4

import pytest
from celery import Celery
from django.db import OperationalError
from pytest_django import Settings

from tasks import executor, worker
from tasks.models import Worker
from tasks.registry import REGISTRY
from tasks.status import Status


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "nothing happened for 5 seconds"
        time.sleep(0.01)


def test_each_task_is_registered_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    performed: list[object] = []

    def perform(*given: object) -> Status:
        performed.append(given)
        return Status.SUCCEEDED

    monkeypatch.setattr(executor, "perform", perform)
    app, run_id = Celery("test", set_as_current=False), uuid4()
    worker.install(app)
    assert set(REGISTRY) <= set(app.tasks)
    app.tasks["count_words"](str(run_id))
    (given,) = performed
    assert isinstance(given, tuple)
    assert given[:2] == (REGISTRY["count_words"], run_id)


@pytest.mark.django_db(transaction=True)
def test_its_row_is_kept_fresh_and_goes_when_it_leaves(settings: Settings) -> None:
    settings.HEARTBEAT_SECONDS = 0.02
    life = worker.SignOfLife()
    life.start()
    until(Worker.objects.alive().exists)
    first = Worker.objects.get().heartbeat_at
    until(lambda: Worker.objects.get().heartbeat_at > first)
    life.stop()
    assert not Worker.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_outlives_a_database_that_is_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HEARTBEAT_SECONDS = 0.02
    save, tries = Worker.save, []

    def sometimes(self: Worker) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("down")
        save(self)

    monkeypatch.setattr(Worker, "save", sometimes)
    life = worker.SignOfLife()
    life.start()
    until(Worker.objects.exists)
    life.stop()
    assert len(tries) >= 3
