"""The conductor does what is due and outlives a database or broker that is away."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from accounts.viewer import Viewer
from tasks import broker, conductor, runs
from tasks.conductor import Conductor
from tasks.models import Run
from tasks.registry import REGISTRY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def test_one_tick_recovers_starts_and_rings(viewer: Viewer, knocks: list[tuple[str, UUID]]) -> None:
    run = runs.submit(viewer, REGISTRY["count_words"], {"text": "a"}).run
    runs.claim(run.pk, "host:1")
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
        runs.submit(viewer, REGISTRY["count_words"], {"text": "a"})
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

    def ring() -> int:
        rings.append(1)
        steady.stop()
        return runs.BATCH

    monkeypatch.setattr(runs, "ring", ring)
    steady.tick()
    assert len(rings) == 1
