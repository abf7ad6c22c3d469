"""The conductor does what is due and outlives a database or broker that is away."""

import time
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, OperationalError
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from accounts.viewer import Viewer
from tasks import broker, conductor, retention, runs, signs, submission
from tasks.conductor import Conductor
from tasks.models import Run
from tasks.registry import REGISTRY
from tasks.status import Priority
from tests.tasks.holding import by

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def broker_answers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The broker is there; how often it was asked."""
    pings: list[int] = []
    monkeypatch.setattr(broker, "ping", lambda: pings.append(1))
    monkeypatch.setattr(signs.Memory, "is_lost", lambda self: False)
    monkeypatch.setattr(retention, "prune_some", lambda: 0)
    return pings


def test_one_tick_recovers_starts_and_rings(
    viewer: Viewer, knocks: list[tuple[str, UUID]], settings: Settings
) -> None:
    settings.LEASE_SECONDS = 0
    run = submission.submit(viewer, REGISTRY["count_words"], {"text": "a"}).run
    runs.claim(run.pk, by("host:1"))
    Run.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    Conductor().tick()
    run.refresh_from_db()
    assert (run.status, run.failures) == ("QUEUED", 1)
    assert knocks == [("count_words", run.pk)]


def test_a_tick_does_all_that_is_due_not_one_batch(
    viewer: Viewer, knocks: list[tuple[str, UUID]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "BATCH", 2)
    monkeypatch.setattr(conductor, "BATCH", 2)
    for _ in range(5):
        submission.submit(viewer, REGISTRY["count_words"], {"text": "a"})
    Run.objects.update(ring_at=Now())
    Conductor().tick()
    assert len(knocks) == 5


def test_recovery_is_looked_for_at_its_own_pace(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def recover() -> list[Run]:
        looks.append(1)
        return []

    monkeypatch.setattr(runs, "recover", recover)
    settings.LEASE_SECONDS = 0
    steady = Conductor()
    steady.tick()
    steady.tick()
    assert len(looks) == 1
    settings.RECOVER_SECONDS = 0
    eager = Conductor()
    eager.tick()
    eager.tick()
    assert len(looks) == 3


@pytest.mark.parametrize("error", [OperationalError("down"), broker.BrokerError("away")])
def test_a_tick_that_fails_is_followed_by_another(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conductor, "TICK_SECONDS", 0.01)
    steady, ticks = Conductor(), []

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 1:
            raise error
        steady.stop()

    monkeypatch.setattr(steady, "tick", tick)
    steady.work()
    assert len(ticks) == 2


def test_a_stopped_conductor_ends_in_the_middle_of_many_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steady, rings = Conductor(), []

    def ring(priority: Priority) -> int:
        rings.append(1)
        steady.stop()
        return runs.BATCH

    monkeypatch.setattr(runs, "ring", ring)
    steady.tick()
    assert len(rings) == 1


def test_after_the_database_was_long_away_it_waits_a_lease_before_it_recovers(
    viewer: Viewer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LEASE_SECONDS, settings.HEARTBEAT_SECONDS = 0.6, 0.2  # more than 0.3 s is long
    settings.RECOVER_SECONDS = 0.01
    monkeypatch.setattr(conductor, "TICK_SECONDS", 0.02)
    looks: list[float] = []
    away: list[float] = []

    def start_due() -> int:
        if looks and (not away or away[-1] - away[0] < 0.4):
            away.append(time.monotonic())
            raise OperationalError("down")
        return 0

    def recover() -> list[Run]:
        looks.append(time.monotonic())
        if away:
            steady.stop()
        return []

    monkeypatch.setattr(runs, "start_due", start_due)
    monkeypatch.setattr(runs, "recover", recover)
    steady = Conductor()
    steady.work()
    assert looks[-1] - away[-1] > 0.6


def test_every_queued_run_is_rung_when_it_starts_and_when_the_broker_is_back(
    viewer: Viewer,
    knocks: list[tuple[str, UUID]],
    broker_answers: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conductor, "TICK_SECONDS", 0.01)
    for _ in range(3):
        submission.submit(viewer, REGISTRY["count_words"], {"text": "a"})
    steady, ring = Conductor(), runs.ring
    steady.tick()
    assert len(knocks) == 3
    steady.tick()
    assert (len(knocks), len(broker_answers)) == (3, 1)
    away = iter([broker.BrokerError("away")])

    def sometimes(priority: Priority) -> int:
        if (error := next(away, None)) is not None:
            raise error
        if priority is Priority.NORMAL:
            steady.stop()
        return ring(priority)

    monkeypatch.setattr(runs, "ring", sometimes)
    steady.work()
    assert (len(knocks), len(broker_answers)) == (6, 2)


def test_it_prunes_batch_after_batch_and_then_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [retention.BATCH, retention.BATCH, 3]
    monkeypatch.setattr(retention, "prune_some", lambda: batches.pop(0))
    steady = Conductor()
    for _ in range(5):
        steady.tick()
    assert batches == []


def test_a_storage_that_fails_stops_neither_ring_nor_later_pruning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[int] = []

    def fail() -> int:
        tries.append(1)
        raise OSError("read-only")

    monkeypatch.setattr(retention, "prune_some", fail)
    monkeypatch.setattr(conductor, "PRUNE_SECONDS", 0.0)
    steady = Conductor()
    steady.tick()
    steady.tick()
    assert len(tries) == 2


@pytest.mark.parametrize("error", [IntegrityError("protected"), RuntimeError("botocore")])
def test_what_pruning_meets_changes_nothing_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, broker_answers: list[int], error: Exception
) -> None:
    def fail() -> int:
        raise error

    monkeypatch.setattr(retention, "prune_some", fail)
    steady = Conductor()
    storm = steady._storm
    for _ in range(3):
        steady.tick()
    assert steady._storm is storm
    assert len(broker_answers) == 1
