"""The verbs of a run once it is asked for: claim, heartbeat, log, finish, recover, cancel, ring.

Every write by a worker is fenced by (RUNNING, attempt, token): who does not hold the run changes
nothing. The SQL is in tasks.statements.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.viewer import Viewer
from tasks import broker, changes, failpoints, notifier, sql, statements
from tasks.context import LogLine, Progress
from tasks.failpoints import Point
from tasks.models import Attempt, Run
from tasks.status import FINAL, Outcome, Priority, Status

BATCH = 200
OVERDUE_SECONDS = 30  # a conductor sees to what is due within a second or two
HANDED_BACK = 10  # times that a run is rung for at once because its knock met a stranger
WORKER_LOST = {
    "code": "WORKER_LOST",
    "message": "The worker died; the outcome is unknown.",
    "retryable": False,
}


@dataclass(frozen=True)
class Hold:
    """What proves that one attempt holds a run."""

    run_id: UUID
    attempt: int
    token: UUID

    def as_params(self) -> dict[str, Any]:
        return {"id": self.run_id, "attempt": self.attempt, "token": self.token}


@dataclass(frozen=True)
class Ending:
    """How an attempt ended, as its worker sees it; the row may know better (see HAND_BACK).

    `status` is SUCCEEDED, FAILED or CANCELED, or SCHEDULED (another attempt after `delay` seconds)
    or QUEUED (released: another worker may have it at once).
    """

    status: Status
    outcome: Outcome
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    delay: float = 0.0
    cut_off: bool = False
    """Whether the function was interrupted, so that nobody knows how far it came."""


@dataclass(frozen=True)
class Claimant:
    """Who claims: a process, with a token made beforehand so that a lost answer can be found again.

    `limit` is how many runs of the task may be RUNNING at once; None: any number.
    """

    task: str
    worker: str
    limit: int | None = None
    token: UUID = field(default_factory=uuid4)


def claim(run_id: UUID, claimant: Claimant) -> Run | None:
    """Take this queued run; None when somebody else has it, it is over, or the limit is reached."""
    return _claim(statements.CLAIM, claimant, id=run_id)


def claim_next(claimant: Claimant) -> Run | None:
    """Take the queued run of the task that comes next; None when there is none to take."""
    return _claim(statements.CLAIM_NEXT, claimant, task=claimant.task)


def _claim(verb: sql.Verb, claimant: Claimant, **which: Any) -> Run | None:
    with contextlib.nullcontext() if claimant.limit is None else _alone(claimant.task):
        claimed = changes.perform(
            verb,
            is_passing=True,  # most runs are short
            token=claimant.token,
            worker=claimant.worker[:200],
            lease=settings.LEASE_SECONDS,
            limit=claimant.limit,
            **which,
        )
    if claimed:
        failpoints.hit(Point.CLAIM_COMMITTED)
    return claimed[0] if claimed else None


@contextlib.contextmanager
def _alone(task: str) -> Iterator[None]:
    """A transaction in which nobody else counts the running runs of this task."""
    with transaction.atomic():
        if connection.vendor == "postgresql":  # SQLite has one writer at a time anyway
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [task])
        yield


@contextlib.contextmanager
def _locked(run_id: UUID) -> Iterator[None]:
    """A transaction that has the run's row to itself before its statement looks at the effects.

    Else an effect that begins in the same moment would be missed: PostgreSQL reads the row again
    after waiting for it, but not what the statement has read of other tables.
    """
    with transaction.atomic():
        _lock(run_id)
        yield


def _lock(run_id: UUID) -> None:
    """Keep the run's row for this transaction, once those that have it now are over."""
    if connection.features.has_select_for_no_key_update:  # SQLite has one writer at a time anyway
        Run.objects.filter(pk=run_id).select_for_update(no_key=True).only("id").first()


def claimed_earlier(run_id: UUID | None, token: UUID) -> Run | None:
    """The run that a claim whose answer was lost did take.

    The run of the knock, if there was one, is locked first, because that claim's commit may still
    be in flight.
    """
    with transaction.atomic():
        if run_id is not None:
            _lock(run_id)
        return Run.objects.filter(status=Status.RUNNING, token=token).first()


def heartbeat(hold: Hold, progress: Progress | None) -> Run | None:
    """Prolong the lease and write the progress; None when the run is no longer held.

    The run tells whether a cancel was asked for.
    """
    failpoints.hit(Point.HEARTBEAT_BEFORE)
    done = changes.perform(
        statements.HEARTBEAT, lease=settings.LEASE_SECONDS, **hold.as_params(), **_spread(progress)
    )
    failpoints.hit(Point.HEARTBEAT_COMMITTED)
    return done[0] if done else None


def log(hold: Hold, lines: Sequence[LogLine]) -> bool:
    """Keep log lines as events; False when the run is no longer held."""
    values = [{"level": int(line.level), "message": line.message} for line in lines]
    written = changes.perform(
        statements.LOG, count=len(values), lines=json.dumps(values), **hold.as_params()
    )
    return bool(written)


def finish(hold: Hold, ending: Ending, progress: Progress | None = None) -> Status | None:
    """End the attempt; what the run became, or None when it is no longer held: nothing was written.

    A finish whose answer was lost may be repeated: the attempt's own row tells that it was ours.
    """
    failpoints.hit(Point.FINISH_BEFORE)
    told = {
        "status": ending.status.value,
        "outcome": ending.outcome.value,
        "error": ending.error,
        "message": ending.error["message"] if ending.error else "",
        "progress": progress is not None,
        **hold.as_params(),
        **_spread(progress),
    }
    if ending.status in FINAL:
        done = changes.perform(statements.FINISH, result=ending.result, **told)
    else:
        with _locked(hold.run_id):
            done = changes.perform(
                statements.HAND_BACK, delay=ending.delay, cut_off=ending.cut_off, **told
            )
    failpoints.hit(Point.FINISH_COMMITTED)
    if done:
        return Status(done[0].status)
    return ending.status if _ended_by(hold, ending.outcome) else None


def _ended_by(hold: Hold, outcome: Outcome) -> bool:
    return Attempt.objects.filter(
        run_id=hold.run_id, number=hold.attempt, token=hold.token, outcome=outcome
    ).exists()


def _spread(progress: Progress | None) -> dict[str, Any]:
    done, total, message = progress or (None, None, None)
    return {"progress_done": done, "progress_total": total, "progress_message": message}


def recover() -> list[Run]:
    """Take runs away from workers without a sign of life: again if that may be, else LOST."""
    failpoints.hit(Point.RECOVER_BEFORE)
    recovered = changes.perform(
        statements.RECOVER,
        lease=settings.LEASE_SECONDS,
        batch=BATCH,
        error=WORKER_LOST,
        outcome=Outcome.LOST.value,
        message="The worker gave no sign of life.",
    )
    if recovered:
        failpoints.hit(Point.RECOVER_COMMITTED)
    return recovered


def lose(hold: Hold, message: str) -> Run | None:
    """The same at once, for the run of a process that is known to be dead."""
    failpoints.hit(Point.LOSS_BEFORE)
    with _locked(hold.run_id):
        lost = changes.perform(
            statements.LOSE,
            error=WORKER_LOST,
            outcome=Outcome.LOST.value,
            message=message,
            **hold.as_params(),
        )
    failpoints.hit(Point.LOSS_COMMITTED)
    return lost[0] if lost else None


def holds_of(worker: str) -> list[Hold]:
    """The hold of the attempt that this worker process has not ended, if there is one."""
    attempts = Attempt.objects.filter(
        run__status=Status.RUNNING, run__attempt=F("number"), worker=worker, outcome=None
    )
    return [Hold(attempt.run_id, attempt.number, attempt.token) for attempt in attempts]


def cancel(viewer: Viewer, run_ids: Iterable[UUID]) -> list[Run]:
    """Ask to cancel those of the viewer's own open runs that nobody has asked for; as they are now.

    An admin's are everybody's. A waiting run is CANCELED at once; a running one is asked to stop.
    """
    ids = json.dumps([run_id.hex for run_id in run_ids])
    owner_id = None if viewer.is_admin else viewer.user_id
    asked = changes.perform(statements.CANCEL, ids=ids, owner_id=owner_id)
    failpoints.hit(Point.CANCEL_COMMITTED)
    for run in asked:
        if run.status == Status.RUNNING:
            transaction.on_commit(partial(notifier.HERALD.cancel, run.pk))
    return asked


@dataclass(frozen=True)
class Vitals:
    """The database's clock in seconds, the running runs, and how many of their leases passed."""

    clock: float
    running: int
    expired: int


def vitals() -> Vitals:
    """One look at what recovery has to judge."""
    clock, running, expired = sql.ask(statements.VITALS, lease=settings.LEASE_SECONDS)
    return Vitals(float(clock), running, expired)


def is_overdue() -> bool:
    """Whether something waits so long for a conductor that none can be at work."""
    (is_overdue,) = sql.ask(
        statements.OVERDUE, patience=OVERDUE_SECONDS, lease=settings.LEASE_SECONDS
    )
    return bool(is_overdue)


def make_due(tasks: Iterable[str] | None = None, most: int = BATCH) -> int:
    """Let the next ring knock for so many queued runs, of these tasks or all; how many."""
    names = None if tasks is None else json.dumps(list(tasks))
    return len(sql.perform(statements.MAKE_DUE, tasks=names, batch=most))


def make_next_due(task: str, limit: int) -> None:
    """Let it knock for the next runs of a task with a limit, as many as may start.

    Knocks that came while the limit was reached are spent, and who ends a run may die before it
    calls the next.
    """
    sql.perform(statements.MAKE_NEXT_DUE, task=task, limit=limit)


def make_due_soon(run_id: UUID) -> None:
    """A worker that does not know the task had the knock: try another, but not without end."""
    Run.objects.filter(pk=run_id, status=Status.QUEUED, rings__lt=HANDED_BACK).update(
        ring_at=Now() + timedelta(seconds=1)
    )


def next_of(task: str) -> Run | None:
    """The queued run of this task that comes next."""
    in_time = Q(attempt__gt=0) | Q(expires_at=None) | Q(expires_at__gt=Now())
    waiting = Run.objects.filter(in_time, status=Status.QUEUED, task=task)
    return waiting.only("id", "task", "priority").order_by("-priority", "id").first()


def expire() -> int:
    """End the runs that did not start in time; how many."""
    return len(changes.perform(statements.EXPIRE, batch=BATCH))


def start_due() -> int:
    """Queue the runs whose time has come; how many."""
    started = len(changes.perform(statements.START_DUE, batch=BATCH))
    if started:
        failpoints.hit(Point.DUE_COMMITTED)
    return started


def ring(priority: Priority) -> int:
    """Knock again for queued runs that nobody claimed; how many. Raises the broker's error."""
    due = sql.perform(
        statements.RING, ring=settings.RING_SECONDS, batch=BATCH, priority=priority.value
    )
    if due:
        failpoints.hit(Point.RING_COMMITTED)
        try:
            broker.publish([broker.Knock.of(run) for run in due])
        except Exception:
            broker.make_due(run.pk for run in due)
            raise
    return len(due)
