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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import Self
from uuid import UUID

from celery import Celery
from django.conf import settings
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError as BrokerError

from tasks import failpoints
from tasks.confirms import confirmed
from tasks.failpoints import Point
from tasks.models import Run, Worker
from tasks.options import DEFAULT_QUEUE
from tasks.registry import REGISTRY
from tasks.status import Priority, Status

log = logging.getLogger("downbeat.broker")

CAPACITY = 10_000
BATCH = 100  # knocks published together
AWAY_SECONDS = 1.0
LOOK_SECONDS = 10.0  # between two looks at how many slots there are
ENOUGH = 8  # at least; see Knocker.enough


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


def publish(knocks: Sequence[Knock]) -> None:
    """Knock for all of these now, in one round trip of Redis or one wait for RabbitMQ's confirms.

    Raises what the transport raises, or BrokerError, when the broker does not take them all: some
    it may have taken.
    """
    celery, declared = app(), set[str]()
    with (
        celery.producer_or_acquire() as producer,
        confirmed(producer.channel, len(knocks)),
        producer.batch(),
    ):
        for knock in knocks:
            run_id, name = str(knock.run_id), knock.queue
            celery.send_task(
                knock.task,
                args=(run_id,),
                argsrepr=f"('{run_id}',)",
                queue=name,
                task_id=run_id,
                retry=False,
                ignore_result=True,
                producer=producer,
                declare=[] if name in declared else None,  # the queue is bound anew each time
            )
            declared.add(name)


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
        self._away_until = self._look_at = 0.0
        self.dropped = 0
        self.enough = ENOUGH
        """How many runs of a task that wait knocked for make all slots busy, and some more."""

    def has_room(self, count: int = 1) -> bool:
        """Whether so many knocks given now have good hope to be published."""
        has_room = self._knocks.qsize() + count <= self._knocks.maxsize
        return has_room and time.monotonic() >= self._away_until

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
        if unpublished := list(self._waiting()):
            self._leave(unpublished)

    def _work(self) -> None:
        while True:
            knocks = [self._knocks.get(), *self._waiting(BATCH - 1)]
            try:
                failpoints.hit(Point.KNOCK_TAKEN)
                publish(knocks)
                failpoints.hit(Point.KNOCK_PUBLISHED)
            except Exception as error:
                # Whatever went wrong, the runs' rows stand and the conductor rings again.
                self._give_up(knocks, error)
            if time.monotonic() >= self._look_at:
                self._look_at = time.monotonic() + LOOK_SECONDS
                self.look()

    def look(self) -> None:
        """Count the slots of all living workers."""
        try:
            slots = Worker.objects.alive().aggregate(slots=Sum("slots"))["slots"] or 0
        except Exception as error:  # whatever it is, this thread is needed on
            log.warning("How many slots there are is not known anew: %s", error)
        else:
            self.enough = max(ENOUGH, 2 * slots)
        finally:
            connection.close()

    def _give_up(self, knocks: list[Knock], error: Exception) -> None:
        """The broker is away: hand these knocks and all that wait to the conductor."""
        self._away_until = time.monotonic() + AWAY_SECONDS
        unpublished = [*knocks, *self._waiting()]
        log.warning("%d knocks left to the conductor: %s", len(unpublished), error)
        self._leave(unpublished)

    def _waiting(self, most: int | None = None) -> Iterator[Knock]:
        """Take those that wait now, at most so many."""
        with suppress(queue.Empty):
            for _ in repeat(None) if most is None else range(most):
                yield self._knocks.get_nowait()

    def _leave(self, unpublished: list[Knock]) -> None:
        self.dropped += len(unpublished)
        try:
            make_due(knock.run_id for knock in unpublished)
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
