"""Word of cancels and changes goes out without waiting for Redis, and is heard by all."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

import pytest
from pytest_django import Settings

from tasks import notifier
from tasks.notifier import BATCH, GONE, Change, Herald, listen, listen_for_changes
from tests.stacks.processes import descendants
from tests.stacks.redis_server import new_database, running
from tests.stacks.server import Server


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
    assert time.monotonic() - began < 5
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


class Ear:
    """What a watching process hears."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.is_listening: list[bool] = []


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Ear]:
    ear = Ear()
    work = listen_for_changes(ear.changes.append, ear.is_listening.append)
    task = asyncio.create_task(work)
    try:
        yield ear
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def hearing(*ears: Ear) -> None:
    """Wait until all of them listen; on a busy machine not at the first try."""
    await soon(lambda: all(ear.is_listening[-1:] == [True] for ear in ears))


async def soon(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def a_change(revision: int = 1) -> Change:
    return Change(uuid4(), uuid4(), revision)


async def test_changes_are_heard_by_all_who_watch(url: str) -> None:
    change, gone = a_change(7), a_change(GONE)
    async with listening() as one, listening() as other:
        await hearing(one, other)
        Herald().changed([change, gone])
        await soon(lambda: len(one.changes) + len(other.changes) == 4)
        assert one.changes == other.changes == [change, gone]


async def test_of_changes_told_together_the_last_of_a_run_is_enough(url: str) -> None:
    herald, change = Herald(), a_change()
    with herald._lock:  # nobody tells yet
        for revision in range(1, BATCH):
            herald._waiting.put(change._replace(revision=revision))
    async with listening() as ear:
        await hearing(ear)
        herald._start()
        await soon(lambda: bool(ear.changes))
        assert ear.changes == [change._replace(revision=BATCH - 1)]


async def test_what_passes_is_told_unless_something_follows(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "PATIENCE_SECONDS", 5)
    herald, claimed, stays = Herald(), a_change(2), a_change(2)
    finished = claimed._replace(revision=3)
    async with listening() as ear:
        await hearing(ear)
        herald.changed([claimed], is_passing=True)
        herald.changed([finished])
        await soon(lambda: bool(ear.changes))
        monkeypatch.setattr(notifier, "PATIENCE_SECONDS", 0.02)
        herald.changed([stays], is_passing=True)
        await soon(lambda: len(ear.changes) > 1)
    assert ear.changes == [finished, stays]


async def test_a_message_that_is_no_change_is_skipped(url: str) -> None:
    change = a_change()
    async with listening() as ear:
        await hearing(ear)
        for junk in (b"", b"\xff", b"a b c", b"1 2", f"{change} 4".encode()):
            notifier._client().publish(notifier._channel(notifier.CHANGES), junk)
        Herald().changed([change])
        await soon(lambda: bool(ear.changes))
        assert ear.changes == [change]


async def test_who_watches_knows_when_redis_is_away_and_back(
    redis: Server, settings: Settings
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    notifier._client.cache_clear()
    async with listening() as ear:
        await soon(lambda: ear.is_listening == [False])
        settings.REDIS_URL = new_database(redis)
        notifier._client.cache_clear()
        await soon(lambda: ear.is_listening == [False, True])
        notifier._client().client_kill_filter(_type="pubsub")
        await soon(lambda: ear.is_listening == [False, True, False, True])
        change = a_change()
        Herald().changed([change])
        await soon(lambda: ear.changes == [change])
    notifier._client.cache_clear()


def test_who_tells_goes_on_after_a_bug(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "AWAY_SECONDS", 0.1)
    told: list[object] = []

    def tell(_herald: Herald, words: list[object]) -> None:
        told.extend(words)
        if len(told) == 1:
            raise ZeroDivisionError

    monkeypatch.setattr(Herald, "_tell", tell)
    herald = Herald()
    for count in (1, 2):
        herald.changed([a_change()])
        until(lambda count=count: len(told) == count)  # type: ignore[misc]


async def test_who_watches_notices_a_redis_that_stands_still(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "PING_SECONDS", 0.2)
    with running() as server:
        settings.REDIS_URL = server.url
        notifier._client.cache_clear()
        (process,) = descendants(server.process.pid)
        async with listening() as ear:
            await soon(lambda: ear.is_listening == [True])
            await asyncio.sleep(1)
            assert ear.is_listening == [True]  # who answers pings is there, though nobody knocks
            os.kill(process.pid, signal.SIGSTOP)
            await soon(lambda: ear.is_listening[:2] == [True, False])
            os.kill(process.pid, signal.SIGCONT)
            await soon(lambda: ear.is_listening[-1])
            change = a_change()
            notifier._client().publish(notifier._channel(notifier.CHANGES), str(change))
            await soon(lambda: ear.changes == [change])
    notifier._client.cache_clear()


def test_who_ends_tells_first_but_waits_for_no_redis_that_is_away(
    url: str, settings: Settings
) -> None:
    herald, began = Herald(), time.monotonic()
    herald.changed([a_change()])
    herald.flush(10)
    assert not herald._waiting.unfinished_tasks
    assert time.monotonic() - began < 5
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    notifier._client.cache_clear()
    herald.changed([a_change() for _ in range(BATCH * 3)])
    began = time.monotonic()
    herald.flush(0.2)
    assert 0.1 < time.monotonic() - began < 2
    with herald._waiting.mutex:
        herald._waiting.queue.clear()
