"""The knocks: tiny Celery messages that tell some worker to look at a run.

A knock may be lost or doubled; the row decides. So the request path only puts it into a bounded
queue, one thread publishes, and what cannot be published is left to the conductor.
"""

import atexit
import logging
import os
import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Self
from uuid import UUID

from celery import Celery
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError as BrokerError

from tasks.models import Run
from tasks.options import DEFAULT_QUEUE
from tasks.registry import REGISTRY
from tasks.status import Priority, Status

log = logging.getLogger("downbeat.broker")

CAPACITY = 10_000
AWAY_SECONDS = 1.0


@dataclass(frozen=True)
class Knock:
    """What a worker is told: look at this run of this task."""

    task: str
    run_id: UUID
    priority: Priority

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls(run.task, run.pk, Priority(run.priority))

    @property
    def queue(self) -> str:
        """The queue of the task as declared here; the default one for a task unknown here."""
        declared = REGISTRY.get(self.task)
        return queue_name(declared.options.queue if declared else DEFAULT_QUEUE, self.priority)


def queue_name(queue: str, priority: Priority) -> str:
    """The broker's name of a declared queue: one for each priority, so that both brokers agree."""
    suffix = "" if priority is Priority.NORMAL else f".{priority.name.lower()}"
    return f"downbeat.{queue}{suffix}"


def queue_names(queues: Iterable[str]) -> list[str]:
    """The broker's names of these declared queues, the most urgent first."""
    names = sorted(set(queues))
    return [queue_name(name, level) for level in sorted(Priority, reverse=True) for name in names]


def declared_queues() -> list[str]:
    """The queues that the declared tasks name."""
    return sorted({DEFAULT_QUEUE, *(task.options.queue for task in REGISTRY.values())})


@cache
def app() -> Celery:
    """The Celery app of this process, which the settings name."""
    found: Celery = import_string(settings.CELERY_APP)
    return found


def publish(knock: Knock) -> None:
    """Knock now; raises BrokerError when the broker does not take it."""
    run_id = str(knock.run_id)
    app().send_task(
        knock.task,
        args=(run_id,),
        queue=knock.queue,
        task_id=run_id,
        retry=False,
        ignore_result=True,
    )


def ping(seconds: int = 2) -> None:
    """Raise BrokerError (or the transport's own error) unless the broker answers in time."""
    limits = {"socket_timeout": seconds, "read_timeout": seconds, "write_timeout": seconds}
    transport = {**app().conf.broker_transport_options}
    transport.update({name: limit for name, limit in limits.items() if name in transport})
    with app().connection_for_write(connect_timeout=seconds, transport_options=transport) as link:
        link.ensure_connection(max_retries=0, reraise_as_library_errors=True, timeout=seconds)


def make_due(run_ids: Iterable[UUID]) -> None:
    """Let the conductor ring these queued runs at its next tick."""
    waiting = Run.objects.filter(pk__in=list(run_ids), status=Status.QUEUED)
    waiting.update(ring_at=Now())


class Knocker:
    """A bounded queue of knocks and the one thread that publishes them, started when first used."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._knocks: queue.Queue[Knock] = queue.Queue(capacity)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._away_until = 0.0
        self.dropped = 0

    def has_room(self) -> bool:
        """Whether a knock given now has good hope to be published."""
        return not self._knocks.full() and time.monotonic() >= self._away_until

    def knock(self, knock: Knock) -> None:
        """Publish soon; never waits, and drops the knock when the queue is full."""
        try:
            self._knocks.put_nowait(knock)
        except queue.Full:
            self.dropped += 1
            return
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="knocker", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def close(self) -> None:
        """At the end of the process: leave to the conductor what was not published."""
        if unpublished := self._unpublished():
            self._leave(unpublished)

    def _work(self) -> None:
        while True:
            knock = self._knocks.get()
            try:
                publish(knock)
            except Exception as error:
                # Whatever went wrong, the run's row stands and the conductor rings again.
                self._give_up(knock.run_id, error)

    def _give_up(self, run_id: UUID, error: Exception) -> None:
        """The broker is away: hand this knock and all that wait to the conductor."""
        self._away_until = time.monotonic() + AWAY_SECONDS
        unpublished = [run_id, *self._unpublished()]
        log.warning("%d knocks left to the conductor: %s", len(unpublished), error)
        self._leave(unpublished)

    def _unpublished(self) -> list[UUID]:
        waiting: list[UUID] = []
        while True:
            try:
                waiting.append(self._knocks.get_nowait().run_id)
            except queue.Empty:
                return waiting

    def _leave(self, unpublished: list[UUID]) -> None:
        self.dropped += len(unpublished)
        try:
            make_due(unpublished)
        except Exception:
            log.warning("The database is away too; they are rung later.", exc_info=True)
        finally:
            connection.close()


KNOCKER = Knocker()


def _forget_thread() -> None:
    """A forked child has the queue but not the thread."""
    global KNOCKER
    KNOCKER = Knocker()


os.register_at_fork(after_in_child=_forget_thread)

__all__ = [
    "KNOCKER",
    "BrokerError",
    "Knock",
    "Knocker",
    "app",
    "declared_queues",
    "make_due",
    "ping",
    "publish",
    "queue_names",
]
