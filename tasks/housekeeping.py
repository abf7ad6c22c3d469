"""What a worker's main process does beside Celery: its row, losses of children, the watchdog."""

import contextlib
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from tasks import runs, traces
from tasks.board import BOARD
from tasks.models import Run, Worker
from tasks.registry import REGISTRY
from tasks.status import Status

log = logging.getLogger("downbeat.worker")

DEAF_SECONDS = 60.0  # with a free slot and due work, but no claim
DEAF_RINGS = 2  # knocks that the conductor has repeated meanwhile


# A child that is forked while this process is inside the database's client inherits that client's
# locks as they are, and nobody to release them: it would hang for ever at its first query.
_NO_FORK = threading.Lock()
os.register_at_fork(
    before=_NO_FORK.acquire, after_in_parent=_NO_FORK.release, after_in_child=_NO_FORK.release
)


class Housekeeper:
    """One thread of the main process, the only one there that talks to the database."""

    def __init__(self, name: str, tasks: Sequence[str], busy: Callable[[], int]) -> None:
        self.tasks = list(tasks)
        self._busy = busy
        # The tasks whose runs wait for nothing but a slot.
        self._unlimited = [n for n in tasks if REGISTRY[n].options.max_running is None]
        self._row = Worker(name=name, tasks=list(tasks), slots=settings.WORKER_PROCESSES)
        self._errands: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._is_leaving = False
        self._is_known = False
        self.is_deaf = False
        self._thread = threading.Thread(target=self._work, name="housekeeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def leave(self) -> None:
        """Take the row away, so that nobody counts on this worker; losses are still told."""
        self._is_leaving = True
        self._errands.put(None)

    def lost(self, process: str, message: str) -> None:
        """Tell that this process of ours is dead, and so is the attempt that it had."""
        self._errands.put(partial(self._record, process, message))

    def hand_back(self, run_id: UUID) -> None:
        """Tell of a knock for a task that this worker does not know: another one may."""
        self._errands.put(partial(runs.make_due_soon, run_id))

    def _work(self) -> None:
        while not self._is_leaving:
            self._answering(self._show_life, "No sign of life")
            self._end_overdue()
            self._run_errands(settings.HEARTBEAT_SECONDS)
        log.info("leaving: what runs may finish, and what does not is given back")
        self._answering(
            lambda: Worker.objects.filter(pk=self._row.pk).delete(),
            "The worker's row stays behind; it counts as dead when it is stale",
        )
        while True:
            self._run_errands(None)

    def _run_errands(self, seconds: float | None) -> None:
        """Those of the next so many seconds (None: for ever), or until it is time to leave."""
        due = None if seconds is None else time.monotonic() + seconds
        while due is None or time.monotonic() < due:
            try:
                errand = self._errands.get(timeout=due and max(0.0, due - time.monotonic()))
            except queue.Empty:
                return
            if errand is None:
                return
            self._answering(errand, "It is left to the conductor")

    @staticmethod
    def _answering(act: Callable[[], object], otherwise: str) -> None:
        """Do it with a connection of its own; what the database does not answer is logged."""
        with _NO_FORK:
            try:
                act()
            except Exception as error:  # whatever it is, this thread is needed on
                log.warning("%s: %s", otherwise, error)
            finally:
                # Children are forked from this process: leave no connection open for them.
                connection.close()

    def _show_life(self) -> None:
        if not self._is_known:
            self._introduce()
        idle = time.monotonic() - BOARD.claimed_at
        self._row.busy = self._busy()
        self._row.claimed_at = Now() - timedelta(seconds=idle)
        self._row.heartbeat_at = Now()  # the database's clock decides who is alive
        self._row.save()
        self._is_known = True
        if (free := self._row.slots - self._row.busy) > 0:
            # Of a backlog not every run is knocked for, and another worker may sit on a knock.
            runs.make_due(self._unlimited, free)
        if idle > DEAF_SECONDS and not self.is_deaf and self._is_needed():
            self._give_up()

    @staticmethod
    def _end_overdue() -> None:
        """End children past their time limit that did not even end themselves; see LiveRun."""
        for pid in BOARD.overdue():
            log.error("Process %d holds the interpreter beyond its time limit: ended.", pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _introduce(self) -> None:
        """Runs that waited for a worker that knows their task need not wait for their ring."""
        day = timedelta(days=1)
        Worker.objects.filter(heartbeat_at__lt=Now() - day).delete()  # of workers that were killed
        fresh = set(self.tasks) - Worker.objects.known_tasks()
        while fresh and runs.make_due(fresh) == runs.BATCH:
            pass

    def _is_needed(self) -> bool:
        """Whether a slot is free while runs that were rung for again and again still wait."""
        if self._row.busy >= self._row.slots:
            return False
        waiting = Run.objects.filter(
            status=Status.QUEUED, task__in=self._unlimited, rings__gt=DEAF_RINGS
        )
        return waiting.exists()

    def _give_up(self) -> None:
        """A consumer that no longer hears is mended by a new process; what runs may finish."""
        log.error("No run was claimed for %g s though some are due: leaving.", DEAF_SECONDS)
        self.is_deaf = True
        os.kill(os.getpid(), signal.SIGTERM)

    @staticmethod
    def _record(process: str, message: str) -> None:
        for hold in runs.holds_of(process):
            if (run := runs.lose(hold, message)) is not None:
                with traces.of_run(run.pk, run.attempt):
                    log.warning("%s attempt %d was lost, now %s", run, run.attempt, run.status)
