"""Answers a knock: performs the run that it tells of, and then, for a moment, others that wait.

Of a backlog only so many runs are knocked for (see tasks.submission). In return, who takes a run
while others of its task wait owes them a knock. As long as runs are short it takes the next one
itself, which costs a fraction of a knock. When its turn is over it knocks, so that whatever is
urgent, and every other task, waits no longer for that than for one run.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection
from structlog.contextvars import bound_contextvars

from tasks import broker, executor, failpoints, pulse, runs
from tasks.board import BOARD
from tasks.failpoints import Point
from tasks.live import DATABASE_AWAY, until_answered
from tasks.models import Run
from tasks.registry import Task
from tasks.runs import Claimant
from tasks.status import Status

log = logging.getLogger("downbeat.executor")

TURN_SECONDS = 0.1


def answer(
    task: Task, run_id: UUID, worker: str, end_process: Callable[[], None], place: int = 0
) -> list[Status | None]:
    """Claim the run of a knock, or the next of its task, and perform it; then others in its turn.

    What became of each that it performed; None: it was fenced.
    """
    with bound_contextvars(task=task.name, worker=worker):
        if BOARD.is_releasing:
            broker.make_due([run_id])  # for another worker
            return []
        ended, turn = [], _Turn(task)
        run = _claim(task, worker, run_id)
        if run is None:
            log.info("%s: nothing to do for this knock", run_id)
        while run is not None:
            with turn.given_to(run):
                ended.append(executor.perform(task, run, end_process, place))
            if not turn.goes_on:
                turn.end()
                break
            run = _claim(task, worker)
        return ended


def _claim(task: Task, worker: str, run_id: UUID | None = None) -> Run | None:
    """The run of the knock, or else the next of its task."""
    claimant = Claimant(task.name, worker, task.options.max_running)
    failpoints.hit(Point.CLAIM_BEFORE)
    try:
        run = None if run_id is None else runs.claim(run_id, claimant)
        return run or runs.claim_next(claimant)
    except DATABASE_AWAY:
        connection.close()
    # The claim may have been committed and only its answer lost.
    return until_answered(
        lambda: (
            runs.claimed_earlier(run_id, claimant.token)
            or (None if run_id is None else runs.claim(run_id, claimant))
        )
    )


class _Turn:
    """How long one knock counts, and whether a knock is owed for what waits."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._is_limited = task.options.max_running is not None
        self._over_at = time.monotonic() + TURN_SECONDS
        self._owes = False

    @property
    def goes_on(self) -> bool:
        """Whether another run may be taken."""
        return self._owes and time.monotonic() < self._over_at and not BOARD.is_releasing

    @contextmanager
    def given_to(self, run: Run) -> Iterator[None]:
        """Perform the run inside; if it lasts, what waits is knocked for meanwhile."""
        # The knocks for a task at its limit are spent: who ends a run calls the next.
        self._owes = run.has_next or self._is_limited
        if self._is_limited or not run.has_next:
            yield
            return
        watch = pulse.PULSE  # looked up now: a fork makes a new one
        watch.follow(self)
        try:
            yield
        finally:
            watch.leave(self)

    def beat(self) -> None:
        """Called by the pulse's thread while a run goes on."""
        if time.monotonic() < self._over_at:
            return
        try:
            self._call_next()
        except DATABASE_AWAY as error:  # this thread has more to look after: at the next tick
            log.warning("What waits is not knocked for yet: %s", error)
            connection.close()

    def end(self) -> None:
        """What is owed still is paid."""
        until_answered(self._call_next)

    def _call_next(self) -> None:
        """Knock for the next that waits, if that is owed; if it is lost, the ring comes later."""
        if not self._owes:
            return
        waiting = runs.next_of(self._task.name)
        if waiting is not None:
            broker.KNOCKER.knock(broker.Knock.of(waiting))
        self._owes = False
