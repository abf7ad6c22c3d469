"""A knock never waits, and one that cannot be published is left to the conductor."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts.viewer import Viewer
from tasks import broker, submission
from tasks.broker import Knock, Knocker
from tasks.models import Run, Worker
from tasks.registry import REGISTRY
from tasks.status import Priority


@pytest.fixture(autouse=True)
def _silent_knocker() -> None:
    """Here the knocker's own thread is wanted."""


def knock(run_id: UUID) -> Knock:
    return Knock("count_words", run_id, Priority.NORMAL)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "nothing happened for 5 seconds"
        time.sleep(0.01)


def test_knocks_are_published_in_order(knocks: list[tuple[str, UUID]]) -> None:
    knocker, ids = Knocker(), [uuid4() for _ in range(20)]
    for key in ids:
        knocker.knock(knock(key))
    until(lambda: len(knocks) == 20)
    assert [key for _, key in knocks] == ids


def test_a_full_queue_drops_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Knocker, "_start", lambda self: None)
    knocker = Knocker(capacity=1)
    assert knocker.has_room()
    knocker.knock(knock(uuid4()))
    assert not knocker.has_room()
    knocker.knock(knock(uuid4()))
    assert knocker.dropped == 1


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_makes_the_runs_due(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(knocks: Sequence[Knock]) -> None:
        raise broker.BrokerError("away")

    monkeypatch.setattr(broker, "publish", publish)
    knocker = Knocker()
    monkeypatch.setattr(broker, "KNOCKER", knocker)
    run = submission.submit(viewer, REGISTRY["count_words"], {"text": "a"}).run
    until(lambda: knocker.dropped == 1)
    soon = timezone.now() + timedelta(seconds=1)
    until(lambda: Run.objects.filter(pk=run.pk, ring_at__lte=soon).exists())
    assert not knocker.has_room()


@pytest.mark.django_db(transaction=True)
def test_it_knows_how_many_waiting_runs_keep_all_workers_busy() -> None:
    knocker, stale = Knocker(), timezone.now() - timedelta(days=1)
    Worker.objects.create(name="host:1", slots=2)
    Worker.objects.create(name="host:2", slots=100, heartbeat_at=stale)
    knocker.look()
    assert knocker.enough == broker.ENOUGH
    Worker.objects.create(name="host:3", slots=10)
    knocker.look()
    assert knocker.enough == 24


def test_a_database_that_is_away_changes_nothing_in_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def alive(self: object) -> None:
        raise OperationalError("down")

    monkeypatch.setattr(type(Worker.objects), "alive", alive)
    knocker = Knocker()
    knocker.enough = 24
    knocker.look()
    assert knocker.enough == 24


@pytest.mark.django_db(transaction=True)
def test_what_is_unpublished_when_the_process_ends_is_made_due(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Knocker, "_start", lambda self: None)
    knocker = Knocker()
    monkeypatch.setattr(broker, "KNOCKER", knocker)
    run = submission.submit(viewer, REGISTRY["count_words"], {"text": "a"}).run
    knocker.close()
    soon = timezone.now() + timedelta(seconds=1)
    assert Run.objects.filter(pk=run.pk, ring_at__lte=soon).exists()


@pytest.mark.django_db(transaction=True)
def test_the_thread_outlives_a_broker_and_a_database_that_are_away(
    monkeypatch: pytest.MonkeyPatch, knocks: list[tuple[str, UUID]]
) -> None:
    good = broker.publish
    away = iter([True])

    def publish(knocks: Sequence[Knock]) -> None:
        if next(away, False):
            raise broker.BrokerError("away")
        good(knocks)

    def make_due(run_ids: object) -> None:
        raise ConnectionError("down")

    monkeypatch.setattr(broker, "publish", publish)
    monkeypatch.setattr(broker, "make_due", make_due)
    knocker, key = Knocker(), uuid4()
    knocker.knock(knock(uuid4()))
    until(lambda: knocker.dropped == 1)
    knocker.knock(knock(key))
    until(lambda: knocks == [("count_words", key)])


def test_what_waits_is_published_together(
    monkeypatch: pytest.MonkeyPatch, knocks: list[tuple[str, UUID]]
) -> None:
    sizes: list[int] = []
    good = broker.publish

    def publish(knocks: Sequence[Knock]) -> None:
        sizes.append(len(knocks))
        good(knocks)

    monkeypatch.setattr(broker, "publish", publish)
    with monkeypatch.context() as patch:
        patch.setattr(Knocker, "_start", lambda self: None)
        knocker = Knocker()
        for _ in range(2 * broker.BATCH + 1):
            knocker.knock(knock(uuid4()))
    knocker._start()
    until(lambda: len(knocks) == 2 * broker.BATCH + 1)
    assert sizes == [broker.BATCH, broker.BATCH, 1]
