"""Redis beside the broker: word of cancels to workers, of changes to watchers; and a sentinel.

What is said here may be lost: the row is the truth, and whoever waits looks at it anyway. The
sentinel tells of a flush.
"""

import asyncio
import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, Never, Self
from uuid import UUID

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

log = logging.getLogger("downbeat.notifier")

CAPACITY = 10_000
BATCH = 500  # knocks told in one message
PATIENCE_SECONDS = 0.02  # for which a passing change waits to be overtaken by the next one
AWAY_SECONDS = 1.0
SENTINEL = "downbeat:sentinel"
LISTEN_SECONDS = 1.0
PING_SECONDS = 2.0  # between two questions to Redis whether it is there; and for its answer
CANCELS = "cancels"
CHANGES = "changes"
GONE = 2**31 - 1  # the revision of a run that was deleted: above all others


class Change(NamedTuple):
    """A knock for watchers: this run of this owner has this revision, or a later one by now."""

    run_id: UUID
    owner_id: UUID
    revision: int

    def __str__(self) -> str:
        return f"{self.run_id.hex} {self.owner_id.hex} {self.revision}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The change in such a text, or ValueError."""
        run_id, owner_id, revision = text.split(" ")
        return cls(UUID(run_id), UUID(owner_id), int(revision))


class _Passing(NamedTuple):
    """A change that the next one may make needless."""

    change: Change


@cache
def _client() -> redis.Redis:
    return _connect(settings.REDIS_URL)


def _connect(url: str, **options: Any) -> redis.Redis:
    limits = {"socket_connect_timeout": 2, "socket_timeout": 2, **options}
    return redis.Redis.from_url(url, **limits)


def _channel(subject: str) -> str:
    """Pub/sub knows no database numbers, so the channel's name has it."""
    number = _client().connection_pool.connection_kwargs.get("db") or 0
    return f"downbeat:{number}:{subject}"


_Word = UUID | Change | _Passing  # a cancelled run's id, or what has changed


class Herald:
    """Tells of cancels and changes from a thread of its own: nobody else waits for Redis."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[_Word] = queue.Queue(CAPACITY)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def cancel(self, run_id: UUID) -> None:
        """Say that this run's cancel was asked for; else the worker's next heartbeat sees it."""
        self._say(run_id)

    def changed(self, changes: Iterable[Change], *, is_passing: bool = False) -> None:
        """Say that runs have changed; else a watcher's next look at the rows sees it.

        A passing change is told a moment later, and not at all if the run's next one has come.
        """
        for change in changes:
            self._say(_Passing(change) if is_passing else change)

    def flush(self, seconds: float) -> None:
        """Wait until everything is told, so many seconds at most: this process will end."""
        all_told = self._waiting.all_tasks_done
        with all_told:
            all_told.wait_for(lambda: not self._waiting.unfinished_tasks, seconds)

    def _say(self, word: _Word) -> None:
        """Dropped when too much waits."""
        with suppress(queue.Full):
            self._waiting.put_nowait(word)
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="herald", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        is_away = False
        while True:
            words = self._some()
            try:
                self._tell(words)
            except Exception as error:  # whatever it is, this thread must go on
                if not is_away:
                    log.warning("Redis does not answer, so all is noticed later: %s", error)
                is_away = True
                time.sleep(AWAY_SECONDS)
            else:
                is_away = False
            for _ in words:
                self._waiting.task_done()

    def _some(self) -> list[_Word]:
        """What waits, after waiting for something."""
        words = [self._waiting.get()]
        with suppress(queue.Empty):
            if isinstance(words[0], _Passing):
                words.append(self._waiting.get(timeout=PATIENCE_SECONDS))
            while len(words) < BATCH:
                words.append(self._waiting.get_nowait())
        return words

    def _tell(self, words: list[_Word]) -> None:
        """All of it in one round trip; of several changes of a run, the latest."""
        changes = [word.change if isinstance(word, _Passing) else word for word in words]
        known = sorted((c for c in changes if isinstance(c, Change)), key=attrgetter("revision"))
        latest = {change.run_id: change for change in known}
        with _client().pipeline(transaction=False) as pipeline:
            for word in words:
                if isinstance(word, UUID):
                    pipeline.publish(_channel(CANCELS), str(word))
            if latest:
                pipeline.publish(_channel(CHANGES), "\n".join(map(str, latest.values())))
            pipeline.execute()


HERALD = Herald()


def listen(hear: Callable[[], None], done: threading.Event) -> None:
    """Call `hear` at every cancel, and after each new connection, for one may have been missed."""
    while not done.is_set():
        try:
            # The blocking read has a time limit of its own; see redis-py's get_message.
            client = _connect(settings.REDIS_URL, health_check_interval=10)
            with client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
                subscription.subscribe(_channel(CANCELS))
                hear()
                while not done.is_set():
                    if subscription.get_message(timeout=LISTEN_SECONDS) is not None:
                        hear()
        except (redis.RedisError, OSError) as error:
            log.warning("No word of cancels for now: %s", error)
            done.wait(AWAY_SECONDS)


async def listen_for_changes(
    hear: Callable[[Change], None], is_listening: Callable[[bool], None]
) -> Never:
    """Call `hear` with every change that is told, until cancelled.

    `is_listening` is told at each new connection, when something may have been missed, and when the
    connection is lost.
    """
    while True:
        try:
            await _hear_changes(hear, is_listening)
        except (redis.RedisError, OSError) as error:
            is_listening(False)
            log.debug("No word of changes for now: %s", error)
            await asyncio.sleep(AWAY_SECONDS)


async def _hear_changes(
    hear: Callable[[Change], None], is_listening: Callable[[bool], None]
) -> Never:
    """Raises OSError too when Redis does not say anything for a while: it may just stand still."""
    client = redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=2,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 0),  # here it would be tried again without a word of it
    )
    clock, patience = asyncio.get_running_loop().time, 2 * PING_SECONDS
    async with client, client.pubsub() as subscription, asyncio.timeout(patience) as silence:
        await subscription.subscribe(_channel(CHANGES))
        pings = asyncio.create_task(_ping(subscription))
        try:
            while True:
                message = await subscription.get_message(timeout=None)
                silence.reschedule(clock() + patience)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    is_listening(True)
                elif message["type"] == "message":
                    for change in _read(message["data"]):
                        hear(change)
        finally:
            pings.cancel()


async def _ping(subscription: redis.asyncio.client.PubSub) -> Never:
    """Ask again and again; whoever reads gets the answers, or the error."""
    while True:
        await asyncio.sleep(PING_SECONDS)
        with suppress(redis.RedisError, OSError):
            await subscription.ping()


def _read(message: bytes) -> Iterator[Change]:
    """The changes told in a message; what is none is skipped, for anybody may write to Redis."""
    for line in message.decode("utf-8", "replace").split("\n"):
        try:
            yield Change.read(line)
        except ValueError:
            log.warning("A message on the channel of changes is none.")


class Sentinel:
    """A key in the broker's Redis that is gone when the broker has forgotten its queues."""

    def __init__(self, broker_url: str) -> None:
        url = broker_url.replace("redis+socket://", "unix://", 1)
        self._client = _connect(url)

    def is_lost(self) -> bool:
        """Whether the key is missing; it is set again. Raises when Redis does not answer."""
        made = self._client.set(SENTINEL, secrets.token_hex(8), nx=True)
        return bool(made)


def _forget_threads() -> None:
    """A forked child has neither the thread nor a connection of its own."""
    global HERALD
    HERALD = Herald()
    _client.cache_clear()


os.register_at_fork(after_in_child=_forget_threads)
