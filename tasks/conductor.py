"""The conductor: recovers what died, starts what is due, rings again what was lost.

Any number of copies may run; each step is one conditional statement that skips locked rows.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection

from tasks import runs
from tasks.runs import BATCH

log = logging.getLogger("downbeat.conductor")

TICK_SECONDS = 1.0


class Conductor:
    """Ticks once a second until it is stopped."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._recover_at = 0.0

    def stop(self) -> None:
        self._done.set()

    def work(self) -> None:
        """Tick until stopped; a database or broker that is away is waited for."""
        while not self._done.is_set():
            try:
                self.tick()
            except DatabaseError as error:
                log.warning("The database does not answer: %s", type(error).__name__)
                connection.close()
            except Exception as error:
                # The broker's clients raise many kinds; the rows stay due for the next tick.
                log.warning("The broker takes no knocks: %s: %s", type(error).__name__, error)
            self._done.wait(TICK_SECONDS)

    def tick(self) -> None:
        """One round: everything that is due by now."""
        if time.monotonic() >= self._recover_at:
            self._recover_at = time.monotonic() + settings.RECOVER_SECONDS
            self._repeat(self._recover)
        self._repeat(runs.start_due)
        self._repeat(runs.ring)

    def _repeat(self, step: Callable[[], int]) -> None:
        """Again while batches come back full, so that nothing due waits for the next tick."""
        while step() == BATCH and not self._done.is_set():
            pass

    def _recover(self) -> int:
        recovered = runs.recover()
        for run in recovered:
            log.warning("%s: attempt %d was lost, now %s", run, run.attempt, run.status)
        return len(recovered)
