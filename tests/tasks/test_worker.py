"""A worker knows every task by its own name."""

from uuid import uuid4

import pytest
from celery import Celery

from tasks import executor, worker
from tasks.registry import REGISTRY
from tasks.status import Status


def test_each_task_is_registered_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    performed: list[object] = []

    def perform(*given: object) -> Status:
        performed.append(given)
        return Status.SUCCEEDED

    monkeypatch.setattr(executor, "perform", perform)
    app, run_id = Celery("test", set_as_current=False), uuid4()
    house = worker.install(app, ["default"])
    assert set(REGISTRY) <= set(app.tasks)
    assert house.tasks == sorted(REGISTRY)
    app.tasks["count_words"](str(run_id))
    (given,) = performed
    assert isinstance(given, tuple)
    assert given[:2] == (REGISTRY["count_words"], run_id)
