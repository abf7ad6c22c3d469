"""A worker knows every task by its own name."""

import subprocess
import sys
import threading
from uuid import uuid4

import pytest
from celery import Celery, signals

from tasks import knocks, worker
from tasks.board import Board
from tasks.registry import REGISTRY
from tasks.status import Status


def test_each_task_is_registered_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    performed: list[object] = []

    def answer(*given: object) -> list[Status]:
        performed.append(given)
        return [Status.SUCCEEDED]

    monkeypatch.setattr(knocks, "answer", answer)
    app, run_id = Celery("test", set_as_current=False), uuid4()
    house = worker.install(app, ["default"])
    assert set(REGISTRY) <= set(app.tasks)
    assert house.tasks == sorted(REGISTRY)
    app.tasks["count_words"](str(run_id))
    (given,) = performed
    assert isinstance(given, tuple)
    assert given[:2] == (REGISTRY["count_words"], run_id)


def test_a_second_word_to_leave_does_not_put_off_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the main process would go before the runs are given back."""
    board, timers = Board(), []

    class Timer:
        def __init__(self, seconds: float, act: object, given: object) -> None:
            timers.append(seconds)

        def start(self) -> None:
            """Never: it would end this process."""

    monkeypatch.setattr(worker, "BOARD", board)
    monkeypatch.setattr(threading, "Timer", Timer)
    monkeypatch.setattr(signals.worker_shutting_down, "receivers", [])
    worker.install(Celery("test", set_as_current=False), ["default"])
    signals.worker_shutting_down.send(sender="worker")
    first = board.release_at
    signals.worker_shutting_down.send(sender="worker")
    assert first is not None
    assert board.release_at == first
    assert len(timers) == 1


def test_workers_of_one_host_name_have_names_of_their_own() -> None:
    """Two containers may share host name and process ids: each life has its own ending."""
    code = (
        "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'backend.settings';"
        "django.setup(); from tasks.worker import process_name; print(process_name(8))"
    )
    names = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(names) == 2
