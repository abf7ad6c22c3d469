"""The backing of a Context in a worker: a run that is held, and what the pulse does for it."""

import contextlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError, connection

from tasks import context, effects, failpoints, files, pulse, runs, saving
from tasks.board import BOARD
from tasks.context import FileWriter, LogLine, Progress
from tasks.exceptions import Canceled, Failure, Fenced, Released, Retry, Stopped
from tasks.failpoints import Point
from tasks.models import Effect
from tasks.registry import Task
from tasks.runs import Ending, Hold
from tasks.status import Level, Outcome, Status

log = logging.getLogger("downbeat.live")
T = TypeVar("T")

FENCED_GRACE_SECONDS = 5.0  # for a fenced function to notice, before its process ends
RELEASE_GRACE_SECONDS = 1.0
RETRY_SECONDS = 1.0
LIMIT_SLACK_SECONDS = 5.0  # before the main process ends a child that did not end itself
LINES = 1_000  # that one attempt may write
# InternalError: a server that was demoted is read-only until its successor takes over.
DATABASE_AWAY = (OperationalError, InterfaceError, InternalError)


@dataclass(frozen=True)
class _Stop:
    """Why the function must stop, and what is done at `deadline` (monotonic) if it has not."""

    reason: Stopped
    deadline: float
    ending: Ending | None  # None: there is nothing to write, the run is somebody else's


class LiveRun:
    """A held run. The pulse writes heartbeats, progress and log lines, and hears of cancels.

    `end_process` is called when the function does not stop in time; `place` is this process's in
    its worker's pool.
    """

    def __init__(
        self, hold: Hold, task: Task, end_process: Callable[[], None], place: int = 0
    ) -> None:
        self._place = place
        self.hold = hold
        self.progress: Progress | None = None
        self.is_due = True
        self._task = task
        self._end_process = end_process
        self._written: Progress | None = None
        self._stop: _Stop | None = None
        self._cancels = BOARD.cancels
        self._lines: deque[LogLine] = deque()
        self._line_count = 0
        self._writing = threading.Lock()
        self._ending = threading.Lock()
        self._has_returned = False
        self._is_forced = False
        now, limit = time.monotonic(), task.options.time_limit
        self._sign_at = now + settings.HEARTBEAT_SECONDS
        self._over_at = None if limit is None else now + limit

    def __enter__(self) -> "LiveRun":
        if self._over_at is not None:
            # For a function that holds the interpreter, so that no thread can end the process.
            BOARD.watch(self._place, self._over_at + LIMIT_SLACK_SECONDS)
        self._pulse = pulse.PULSE  # looked up now: a fork makes a new one
        self._pulse.follow(self)
        return self

    def __exit__(self, *exc: object) -> None:
        self._pulse.leave(self)

    def returned(self) -> None:
        """The function is over, one way or another: from now on nothing is forced."""
        with self._ending:
            self._has_returned = True
        BOARD.watch(self._place, None)

    def check(self) -> None:
        if self._stop is not None:
            raise self._stop.reason

    def report(self, progress: Progress) -> None:
        self.progress = progress
        self.is_due = self._stop is not None  # and with the next tick

    def log(self, line: LogLine) -> None:
        self._line_count += 1
        if self._line_count <= LINES:
            self._lines.append(line)
        elif self._line_count == LINES + 1:
            text = f"More than {LINES} lines in one attempt: the rest is not kept."
            self._lines.append(LogLine(text, Level.WARNING))

    def effect(self, key: str, act: Callable[[str], Any]) -> Any:
        self.check()
        if (done := until_answered(lambda: effects.done(self.hold, key))) is not None:
            return done.value
        if (done := until_answered(lambda: self._begin(key))) is not None:
            return done.value
        failpoints.hit(Point.EFFECT_BEGUN)
        try:
            value = act(f"{self.hold.run_id}:{key}")
        except (Failure, Retry):  # the author's word that nothing happened
            until_answered(lambda: effects.withdraw(self.hold, key))
            raise
        failpoints.hit(Point.EFFECT_ACTED)
        kept = _is_json(value)
        until_answered(lambda: effects.complete(self.hold, key, value if kept else None))
        failpoints.hit(Point.EFFECT_COMPLETED)
        if not kept:
            raise TypeError(f"The effect {key!r} was done, but what it returned is no JSON value.")
        return value

    def _begin(self, key: str) -> Effect | None:
        self.check()  # each time: while the database was away the run may have been given back
        return effects.begin(self.hold, key)

    def once(self, key: str, act: Callable[[], Any]) -> Any:
        self.check()
        return effects.once(self.hold, key, act)

    def open(self, file: context.File) -> BinaryIO:
        return files.open_file(file)

    def path(self, file: context.File) -> contextlib.AbstractContextManager[Path]:
        return files.local_path(file)

    @contextlib.contextmanager
    def save(self, name: str, content_type: str) -> Iterator[FileWriter]:
        self.check()
        with saving.staging() as path:
            with FileWriter(path, settings.UPLOAD_SIZE) as writer:
                yield writer
            file = saving.store(self.hold, path, name, content_type)
        try:
            until_answered(lambda: saving.keep(self.hold, file))
        except BaseException:
            saving.discard(file)
            raise
        writer.saved_as(files.as_input(file))

    def flush(self) -> None:
        """Write the log lines that wait; they stay waiting while the database is away."""
        with self._writing:
            while lines := list(self._lines):
                if not runs.log(self.hold, lines):
                    return  # fenced: the heartbeat says so
                for _ in lines:
                    self._lines.popleft()

    def beat(self) -> None:
        """One look, by the pulse's thread: is anything to be written, or must the function stop?"""
        if self._is_forced:
            return
        now, self.is_due = time.monotonic(), True
        if now >= self._sign_at or self._has_news():
            pause = settings.HEARTBEAT_SECONDS if self._sign() else RETRY_SECONDS
            self._sign_at = time.monotonic() + pause
        self._hear_release(now)
        if self._over_at is not None and now >= self._over_at:
            self._force(time_limit_ending(self._task), "ran into its time limit")
        elif self._stop is not None and now >= self._stop.deadline:
            self._force(self._stop.ending, f"did not stop ({self._stop.reason})")

    def _has_news(self) -> bool:
        is_fenced = self._stop is not None and self._stop.ending is None
        return not is_fenced and (
            self.progress != self._written
            or bool(self._lines)
            or (self._cancels != BOARD.cancels and self._stop is None)
        )

    def _sign(self) -> bool:
        """Write one heartbeat and the log lines; whether the database answered."""
        progress, self._cancels = self.progress, BOARD.cancels
        try:
            run = runs.heartbeat(self.hold, progress)
            if run is not None:
                self.flush()
        except Exception as error:
            # Whatever it is, the next one is tried: a lease that nobody recovered heals.
            log.warning("%s: no heartbeat: %s", self.hold.run_id, error)
            connection.close()
            return False
        self._written = progress
        if run is None:
            self._must_stop(
                Fenced("Another attempt took this run over: stop, nothing you do now counts."),
                FENCED_GRACE_SECONDS,
                None,
            )
        elif run.cancel_requested_at is not None and self._stop is None:
            ending = Ending(Status.CANCELED, Outcome.CANCELED)
            self._must_stop(Canceled("canceled"), settings.CANCEL_GRACE_SECONDS, ending)
        return True

    def _hear_release(self, now: float) -> None:
        at = BOARD.release_at
        if at is not None and now >= at and self._stop is None:
            self._must_stop(Released("released"), RELEASE_GRACE_SECONDS, RELEASED)

    def _must_stop(self, reason: Stopped, grace: float, ending: Ending | None) -> None:
        if self._stop is None or self._stop.ending is not None:
            self._stop = _Stop(reason, time.monotonic() + grace, ending)
            self.is_due = True

    def _force(self, ending: Ending | None, why: str) -> None:
        """The function did not stop: write the ending in its place and end its process."""
        self._is_forced = True
        with self._ending:
            if self._has_returned:
                return
            log.warning("%s %s: its process ends.", self.hold.run_id, why)
            try:
                if ending is not None:
                    until_answered(lambda: runs.finish(self.hold, ending, self.progress))
            finally:
                self._end_process()


RELEASED = Ending(
    Status.QUEUED,
    Outcome.RELEASED,
    cut_off=True,
    # Kept only if the run may not be performed again: cut off, it is then LOST.
    error={
        "code": "WORKER_STOPPED",
        "message": "The worker shut down in the middle; the outcome is unknown.",
        "retryable": False,
    },
)


def time_limit_ending(task: Task) -> Ending:
    """Another attempt if one that was cut off may have one, else the failure."""
    message = f"It ran longer than its time limit of {task.options.time_limit:g} s."
    error = {"code": "TIME_LIMIT", "message": message, "retryable": True}
    return Ending(Status.SCHEDULED, Outcome.FAILED, error=error, cut_off=True)


def until_answered(ask: Callable[[], T]) -> T:
    """Ask the database again and again: what was done must not be lost because it is away."""
    while True:
        try:
            return ask()
        except DATABASE_AWAY as error:
            log.warning("The database does not answer (%s); trying again.", error)
            connection.close()
            time.sleep(RETRY_SECONDS)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
