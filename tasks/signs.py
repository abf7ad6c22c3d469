"""The signs by which the conductor tells a disturbance from an ordinary day.

`Memory`: has the broker forgotten its queues? `Silence`: do knocks reach nobody though workers are
free? `Storm`: do leases expire because workers died, or because nobody could prolong them?
"""

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now

from tasks import broker, runs
from tasks.models import Run, Worker
from tasks.notifier import Sentinel
from tasks.registry import REGISTRY
from tasks.status import Status

log = logging.getLogger("downbeat.conductor")

SILENCE_SECONDS = 10.0
SILENCE_MOST = 300.0
MEMORY_SECONDS = 5.0
CLOCK_JUMP_SECONDS = 5.0
SILENCE_PART = 0.75  # of the lease that a living worker has left at least; see Storm
STORM_RUNS = 20  # a storm has at least so many running runs, more than half of them expired


class Memory:
    """A Redis broker may be emptied between two looks; RabbitMQ is only asked whether it answers.

    RabbitMQ keeps its quorum queues over a restart, so what follows from its absence is enough.
    """

    def __init__(self, broker_url: str) -> None:
        is_amqp = broker_url.startswith("amqp")
        self._sentinel = None if is_amqp else Sentinel(broker_url)
        self._next = time.monotonic() + MEMORY_SECONDS

    def is_lost(self) -> bool:
        """Whether all knocks may be gone. Raises the broker's error when it does not answer."""
        if self._sentinel is not None:
            return self._sentinel.is_lost()
        if time.monotonic() >= self._next:
            broker.ping()
            self._next = time.monotonic() + MEMORY_SECONDS
        return False


class Silence:
    """Queued runs, free workers that know their tasks, and yet no claim for a while."""

    def __init__(self) -> None:
        self._pause = SILENCE_SECONDS
        self._next = time.monotonic() + self._pause

    def tasks(self) -> list[str]:
        """The tasks whose knocks seem to reach nobody; asked for again only after a longer pause.

        A task with a limit of running runs may wait for its own kind, so it is left out.
        """
        if time.monotonic() < self._next:
            return []
        silent = self._silent()
        self._pause = min(2 * self._pause, SILENCE_MOST) if silent else SILENCE_SECONDS
        self._next = time.monotonic() + self._pause
        return silent

    def _silent(self) -> list[str]:
        workers = list(Worker.objects.alive())
        free = {task for worker in workers if worker.busy < worker.slots for task in worker.tasks}
        known = {
            name for name in free if name in REGISTRY and REGISTRY[name].options.max_running is None
        }
        recent = Now() - timedelta(seconds=SILENCE_SECONDS)
        if not known or Worker.objects.alive().filter(claimed_at__gt=recent).exists():
            return []
        waiting = Run.objects.filter(status=Status.QUEUED, task__in=known, created_at__lt=recent)
        return sorted(set(waiting.values_list("task", flat=True)[:1_000]))


class Storm:
    """Why recovery must wait: nobody could show life, or the clock of all leases moved.

    It lasts one lease from the first sight of the database, from its return after a silence that a
    living worker's lease may not have outlasted, from a jump of its clock, and from a moment when
    more than half of many running runs expire at once.
    """

    def __init__(self) -> None:
        # At least this much is left of a living worker's lease when the silence begins, and a part
        # of it is needed to show life after the return.
        self._silence = SILENCE_PART * (settings.LEASE_SECONDS - settings.HEARTBEAT_SECONDS)
        self._until = time.monotonic() + settings.LEASE_SECONDS
        self._last: tuple[float, float] | None = None  # the database's clock, and our own
        self._was_storm = False

    def is_over(self) -> bool:
        """Whether recovery may go on, as of this look at the database."""
        vitals, here = runs.vitals(), time.monotonic()
        if self._last is not None:
            passed, silent = vitals.clock - self._last[0], here - self._last[1]
            if abs(passed - silent) > CLOCK_JUMP_SECONDS:
                self._hold(here, "the database's clock jumped")
            elif silent > self._silence:
                self._hold(here, f"the database was not seen for {silent:.0f} s")
        self._last = (vitals.clock, here)
        is_storm = vitals.running >= STORM_RUNS and 2 * vitals.expired > vitals.running
        if is_storm and not self._was_storm:  # once: who is still silent then is dead indeed
            self._hold(here, f"{vitals.expired} of {vitals.running} leases passed at once")
        self._was_storm = is_storm
        return here >= self._until

    def _hold(self, here: float, why: str) -> None:
        log.warning("No recovery for %g s: %s.", settings.LEASE_SECONDS, why)
        self._until = here + settings.LEASE_SECONDS
