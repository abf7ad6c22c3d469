"""Word of a cancel goes out without waiting for Redis, and is heard by every worker."""

import threading
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from pytest_django import Settings

from tasks import notifier
from tasks.notifier import Herald, listen
from tests.stacks.machine import Server
from tests.stacks.redis_server import new_database


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "nothing happened for 10 seconds"
        time.sleep(0.01)


@pytest.fixture
def heard() -> Iterator[list[float]]:
    """When a listener heard something."""
    times: list[float] = []
    done = threading.Event()
    thread = threading.Thread(target=listen, args=(lambda: times.append(time.monotonic()), done))
    thread.start()
    yield times
    done.set()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def url(redis: Server, settings: Settings) -> Iterator[str]:
    settings.REDIS_URL = new_database(redis)
    notifier._client.cache_clear()
    yield settings.REDIS_URL
    notifier._client.cache_clear()


def test_a_cancel_is_heard(url: str, heard: list[float]) -> None:
    until(lambda: len(heard) == 1)  # at first, for one may have been missed
    Herald().cancel(uuid4())
    until(lambda: len(heard) == 2)


def test_another_database_of_the_same_server_is_not_disturbed(
    url: str, heard: list[float], redis: Server, settings: Settings
) -> None:
    until(lambda: len(heard) == 1)
    settings.REDIS_URL = new_database(redis)
    notifier._client.cache_clear()
    Herald().cancel(uuid4())
    time.sleep(0.3)
    assert len(heard) == 1


def test_who_tells_never_waits_for_a_redis_that_is_away(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    notifier._client.cache_clear()
    herald, began = Herald(), time.monotonic()
    for _ in range(notifier.CAPACITY + 10):
        herald.cancel(uuid4())
    assert time.monotonic() - began < 0.5
    with herald._waiting.mutex:
        herald._waiting.queue.clear()  # its thread would go on trying, one a second
    notifier._client.cache_clear()


def test_who_listens_hears_again_after_redis_was_away(
    settings: Settings, redis: Server, heard: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier._client.cache_clear()
    assert heard == []
    settings.REDIS_URL = new_database(redis)
    notifier._client.cache_clear()
    until(lambda: len(heard) >= 1)
    notifier._client.cache_clear()
