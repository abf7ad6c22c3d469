"""The tasks of the world, one for each promise, and a broker that only listens."""

from collections.abc import Iterator

import pytest
from django.db import transaction
from pytest_django import Settings

from tasks import Context, broker, notifier, registry
from tests.model.world import QUOTA, World


def free_again(ctx: Context, *, number: int) -> None:
    """May be done again."""


def gated_again(ctx: Context, *, number: int) -> None:
    """Its effects are known, and may happen twice."""


def free_parked(ctx: Context, *, number: int) -> None:
    """Is never done again."""


def gated_parked(ctx: Context, *, number: int) -> None:
    """Its effects are known, and must not happen twice."""


def only_one(ctx: Context, *, number: int) -> None:
    """No second open run with the same input."""


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[None]:
    """At the published times."""
    known = dict(registry.REGISTRY)
    registry.REGISTRY.declare(free_again, on_lost="rerun", retries=1)
    registry.REGISTRY.declare(gated_again, on_lost="rerun", effects="gated", retries=2)
    registry.REGISTRY.declare(free_parked, on_lost="park", retries=2)
    registry.REGISTRY.declare(gated_parked, on_lost="park", effects="gated", retries=2)
    registry.REGISTRY.declare(only_one, on_lost="rerun", retries=2, unique=True)
    monkeypatch.setattr(broker.Knocker, "_start", lambda self: None)
    monkeypatch.setattr(notifier.Herald, "_start", lambda self: None)
    monkeypatch.setattr(broker, "publish", lambda knock: None)
    settings.QUEUED_RUNS = QUOTA
    yield
    registry.REGISTRY._tasks = known


@pytest.fixture
def world(db: None) -> Iterator[World]:
    """An empty one, gone afterwards with all that was done to its database."""
    with transaction.atomic():
        yield World()
        transaction.set_rollback(True)
