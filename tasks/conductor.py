"""The conductor: expires and starts what is due, recovers what died, rings what was lost, prunes.

Any number of copies may run; each step is one conditional statement that skips locked rows.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from django import db
from django.conf import settings

from tasks import broker, retention, runs, traces
from tasks.registry import REGISTRY
from tasks.runs import BATCH
from tasks.signs import Memory, Silence, Storm
from tasks.status import Priority

log = logging.getLogger("downbeat.conductor")

TICK_SECONDS = 1.0
PRUNE_SECONDS = 60.0  # between two looks for what is old, once there is no more of it


class Conductor:
    """Ticks once a second until it is stopped."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._recover_at = self._prune_at = 0.0
        self._broker_forgot = True  # perhaps, while no conductor looked
        self._memory = Memory(settings.BROKER_URL)
        self._silence = Silence()
        self._storm = Storm()

    def stop(self) -> None:
        self._done.set()

    def work(self) -> None:
        """Tick until stopped; a database or broker that is away is waited for."""
        log.info("ready, beside any others")
        while not self._done.is_set():
            try:
                self.tick()
            except (db.OperationalError, db.InterfaceError) as error:
                log.warning("The database does not answer: %s", error)
                db.connection.close()
            except Exception:  # whatever it is, runs elsewhere wait for the next tick
                log.exception("A tick failed.")
                db.connection.close()
            self._done.wait(TICK_SECONDS)

    def tick(self) -> None:
        """One round: everything that is due by now."""
        self._repeat(runs.expire)
        self._repeat(runs.start_due)
        if self._may_recover():
            self._repeat(self._recover)
            self._repeat(runs.start_due)
            for task in REGISTRY.values():
                if task.options.max_running is not None:
                    runs.make_next_due(task.name, task.options.max_running)
        try:
            self._knock()
        except db.Error:
            raise
        except Exception as error:
            # The broker's clients raise many kinds; the rows stay due for the next tick.
            log.warning("The broker takes no knocks: %s", error)
            self._broker_forgot = True
        self._prune()

    def _knock(self) -> None:
        self._broker_forgot = self._broker_forgot or self._memory.is_lost()
        if self._broker_forgot:
            broker.ping()
            self._repeat(runs.make_due)
            self._broker_forgot = False
        elif silent := self._silence.tasks():
            log.warning("Nothing is claimed though workers are free: ringing again.")
            self._repeat(partial(runs.make_due, silent))
        for priority in sorted(Priority, reverse=True):
            self._repeat(partial(runs.ring, priority))

    def _prune(self) -> None:
        """One batch a tick while there is more, so that nothing due waits for old things."""
        if time.monotonic() < self._prune_at:
            return
        removed = 0
        try:
            removed = retention.prune_some()
        except (db.OperationalError, db.InterfaceError):
            raise
        except Exception:  # storages raise many kinds; what is left waits for the next time
            log.exception("Some old things cannot be removed.")
        if removed < retention.BATCH:
            self._prune_at = time.monotonic() + PRUNE_SECONDS

    def _may_recover(self) -> bool:
        """At its own pace, and when no storm makes living workers look dead."""
        if time.monotonic() < self._recover_at or not self._storm.is_over():
            return False
        self._recover_at = time.monotonic() + settings.RECOVER_SECONDS
        return True

    def _repeat(self, step: Callable[[], int]) -> None:
        """Again while batches come back full, so that nothing due waits for the next tick."""
        while not self._done.is_set() and step() == BATCH:
            pass

    def _recover(self) -> int:
        recovered = runs.recover()
        for run in recovered:
            with traces.of_run(run.pk, run.attempt):
                log.warning("%s: attempt %d was lost, now %s", run, run.attempt, run.status)
        return len(recovered)
