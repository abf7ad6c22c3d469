"""Redis beside the broker: word of a cancel to every worker, and a sentinel that tells of a flush.

What is said here may be lost: the row is the truth, and whoever waits looks at it anyway.
"""

import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import UUID

import redis
from django.conf import settings

log = logging.getLogger("downbeat.notifier")

CAPACITY = 1_000
AWAY_SECONDS = 1.0
SENTINEL = "downbeat:sentinel"
LISTEN_SECONDS = 1.0


@cache
def _client() -> redis.Redis:
    return _connect(settings.REDIS_URL)


def _connect(url: str, **options: Any) -> redis.Redis:
    limits = {"socket_connect_timeout": 2, "socket_timeout": 2, **options}
    return redis.Redis.from_url(url, **limits)


def _channel() -> str:
    """Pub/sub knows no database numbers, so the channel's name has it."""
    number = _client().connection_pool.connection_kwargs.get("db") or 0
    return f"downbeat:{number}:cancels"


class Herald:
    """Tells of cancels from a thread of its own: a request never waits for Redis."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[UUID] = queue.Queue(CAPACITY)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def cancel(self, run_id: UUID) -> None:
        """Say that this run's cancel was asked for; dropped when too much waits."""
        try:
            self._waiting.put_nowait(run_id)
        except queue.Full:
            return  # the worker's next heartbeat sees it
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="herald", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            run_id = self._waiting.get()
            try:
                _client().publish(_channel(), str(run_id))
            except (redis.RedisError, OSError) as error:
                log.warning("Cancels are seen at the next heartbeat: %s", type(error).__name__)
                time.sleep(AWAY_SECONDS)


HERALD = Herald()


def listen(hear: Callable[[], None], done: threading.Event) -> None:
    """Call `hear` at every cancel, and after each new connection, for one may have been missed."""
    while not done.is_set():
        try:
            # The blocking read has a time limit of its own; see redis-py's get_message.
            client = _connect(settings.REDIS_URL, health_check_interval=10)
            with client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
                subscription.subscribe(_channel())
                hear()
                while not done.is_set():
                    if subscription.get_message(timeout=LISTEN_SECONDS) is not None:
                        hear()
        except (redis.RedisError, OSError) as error:
            log.warning("No word of cancels for now: %s", type(error).__name__)
            done.wait(AWAY_SECONDS)


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
