"""Declares tasks for tests, and keeps knocks from leaving the process."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest

from tasks import broker, notifier
from tasks.registry import Registry, Task


@pytest.fixture
def knocks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, UUID]]:
    """Every knock that was published, instead of publishing it."""
    published: list[tuple[str, UUID]] = []

    def publish(knocks: Sequence[broker.Knock]) -> None:
        published.extend((knock.task, knock.run_id) for knock in knocks)

    monkeypatch.setattr(broker, "publish", publish)
    return published


@pytest.fixture(autouse=True)
def _silent_knocker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A knocker without its thread: these tests look at rows, the journeys at knocks."""
    monkeypatch.setattr(broker.Knocker, "_start", lambda self: None)


@pytest.fixture(autouse=True)
def _silent_herald(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So for the herald, but where there is a Redis to tell."""
    if "redis" not in request.fixturenames:
        monkeypatch.setattr(notifier.Herald, "_start", lambda self: None)


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Task]]:
    """Declares a function in the real registry for the length of a test."""
    from tasks import registry

    known = dict(registry.REGISTRY)

    def declare(function: Callable[..., Any], on_lost: str = "rerun", **options: Any) -> Task:
        return registry.REGISTRY.declare(function, on_lost=on_lost, **options)

    yield declare
    registry.REGISTRY._tasks = known


@pytest.fixture
def registry() -> Registry:
    """An empty registry of its own."""
    return Registry()
