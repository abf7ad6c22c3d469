"""/readyz: what it answers, and to whom."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from accounts.viewer import Viewer
from backend import health
from tasks import broker, submission
from tasks.models import Run, Worker, WorkerQuerySet
from tasks.registry import REGISTRY
from tasks.submission import RunOptions
from tests.tasks.holding import hold, start


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "READINESS", health.Readiness(fresh_seconds=0))


@pytest.fixture(autouse=True)
def broker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "ping", lambda: None)


@pytest.fixture
def worker(db: None) -> Worker:
    return Worker.objects.create(name="here:1", tasks=list(REGISTRY))


def test_it_is_ready_when_database_broker_and_worker_are_well(
    client: Client, worker: Worker
) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "database": "ok",
        "broker": "ok",
        "worker": "ok",
        "conductor": "ok",
        "tasks_without_worker": [],
    }
    assert not answer.cookies
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_without_any_worker_it_is_not_ready(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert answer.json()["worker"] == "no sign of life"


def test_a_worker_whose_last_sign_is_old_counts_as_none(client: Client, worker: Worker) -> None:
    old = timezone.now() - timedelta(minutes=2)
    Worker.objects.filter(pk=worker.pk).update(heartbeat_at=old)
    assert client.get("/readyz").json()["worker"] == "no sign of life"


def test_a_task_that_no_worker_takes_is_named_but_the_others_flow(
    client: Client, worker: Worker
) -> None:
    Worker.objects.filter(pk=worker.pk).update(tasks=["count_words"])
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["tasks_without_worker"] == ["profile_dataset"]


def test_a_broker_that_is_away_is_named_without_its_address(
    client: Client, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise ConnectionRefusedError("redis://user:secret@host")

    monkeypatch.setattr(broker, "ping", refuse)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["broker"] == "no answer: ConnectionRefusedError"
    assert "secret" not in answer.content.decode()


@pytest.mark.django_db
def test_a_database_that_is_away_leaves_the_worker_unknown(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: WorkerQuerySet) -> None:
        raise OperationalError("password authentication failed for user root")

    monkeypatch.setattr(WorkerQuerySet, "alive", refuse)
    body = client.get("/readyz").json()
    assert body["database"] == "no answer: OperationalError"
    assert (body["worker"], body["conductor"]) == ("unknown", "unknown")


def test_what_is_due_for_long_tells_that_no_conductor_works(
    client: Client, worker: Worker, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = RunOptions(run_at=timezone.now() + timedelta(hours=1))
    run = submission.submit(viewer, REGISTRY["count_words"], {"text": "a"}, later).run
    assert client.get("/readyz").json()["conductor"] == "ok"
    Run.objects.filter(pk=run.pk).update(ring_at=timezone.now() - timedelta(seconds=20))
    assert client.get("/readyz").json()["conductor"] == "ok"
    Run.objects.filter(pk=run.pk).update(ring_at=timezone.now() - timedelta(seconds=40))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["conductor"]) == (200, "work is overdue")
    monkeypatch.setattr(broker, "ping", lambda: 1 / 0)
    assert client.get("/readyz").json()["conductor"] == "unknown"


def test_a_lease_that_passed_long_ago_tells_so_too(
    client: Client, worker: Worker, viewer: Viewer
) -> None:
    run = start(viewer)
    hold(run)
    passed = timezone.now() - timedelta(seconds=80)
    Run.objects.filter(pk=run.pk).update(lease_until=passed)
    assert client.get("/readyz").json()["conductor"] == "ok"
    passed -= timedelta(seconds=20)
    Run.objects.filter(pk=run.pk).update(lease_until=passed)
    assert client.get("/readyz").json()["conductor"] == "work is overdue"


def test_only_get_and_head_are_answered(client: Client, worker: Worker) -> None:
    assert client.head("/readyz").status_code == 200
    assert client.post("/readyz").status_code == 405


def test_within_a_second_the_parts_are_asked_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(broker, "ping", lambda: asked.append(1))
    readiness = health.Readiness(fresh_seconds=60)
    assert readiness.ask() == readiness.ask()
    assert len(asked) == 1


def test_while_one_asks_the_others_get_the_last_answer(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    readiness = health.Readiness(fresh_seconds=0)
    first = readiness.ask()
    release, asking = threading.Event(), threading.Event()
    monkeypatch.setattr(health, "_ask_database", lambda: health.State({}, [], None))

    def wait() -> None:
        asking.set()
        release.wait(5)

    monkeypatch.setattr(broker, "ping", wait)
    slow = threading.Thread(target=readiness.ask)
    slow.start()
    asking.wait(5)
    started = time.monotonic()
    assert readiness.ask() is first
    assert time.monotonic() - started < 4  # of the 5 that the other one waits
    release.set()
    slow.join()
