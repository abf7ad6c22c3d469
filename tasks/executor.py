"""Performs one run in a worker: claim, read the input, call the function, finish."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_json

from tasks import context, files, runs
from tasks.context import Context, Progress
from tasks.exceptions import Failure, Fenced
from tasks.models import Run
from tasks.registry import Task
from tasks.runs import Hold
from tasks.shapes import flaws
from tasks.status import Status
from tasks.text import cleaned

log = logging.getLogger("downbeat.executor")
T = TypeVar("T")

PROGRESS_SECONDS = 0.25  # between two looks at the progress, and so between two writes of it
GRACE_SECONDS = 5.0  # for a fenced function to notice, before its process ends
RETRY_SECONDS = 1.0
RESULT_BYTES = 65_536
DATABASE_AWAY = (OperationalError, InterfaceError)


@dataclass(frozen=True)
class Ending:
    """How a function ended: its result, or why there is none."""

    status: Status
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class LiveRun:
    """The backing of a Context in a worker: a claimed run and its heartbeat thread.

    `end_process` is called when the run was lost to another attempt and the function has not
    stopped within the grace.
    """

    def __init__(self, hold: Hold, end_process: Callable[[], None]) -> None:
        self.hold = hold
        self.progress: Progress | None = None
        self._end_process = end_process
        self._written: Progress | None = None
        self._fenced = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> "LiveRun":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        if self._fenced:
            raise Fenced("Another attempt took this run over: stop, nothing you do now counts.")

    def open(self, file: context.File) -> BinaryIO:
        return files.open_file(file)

    def path(self, file: context.File) -> contextlib.AbstractContextManager[Path]:
        return files.local_path(file)

    def _beat(self) -> None:
        due = time.monotonic() + settings.HEARTBEAT_SECONDS
        try:
            while not self._fenced and not self._done.wait(PROGRESS_SECONDS):
                if time.monotonic() >= due or self.progress != self._written:
                    pause = settings.HEARTBEAT_SECONDS if self._sign() else RETRY_SECONDS
                    due = time.monotonic() + pause
        finally:
            connection.close()  # this thread's own
        if self._fenced and not self._done.wait(GRACE_SECONDS):
            log.error("%s did not stop after it was fenced: its process ends.", self.hold.run_id)
            self._end_process()

    def _sign(self) -> bool:
        """Write one heartbeat; whether it was answered."""
        progress = self.progress
        try:
            self._fenced = not runs.heartbeat(self.hold, progress)
        except Exception as error:
            # Whatever it is, the next one is tried: a lease that nobody recovered heals.
            log.warning("%s: no heartbeat: %s", self.hold.run_id, type(error).__name__)
            connection.close()
            return False
        self._written = progress
        return True


def perform(
    task: Task, run_id: UUID, worker: str, end_process: Callable[[], None]
) -> Status | None:
    """Claim and perform a run; its final status, or None when the knock had nothing to do."""
    run = _claim(run_id, worker)
    if run is None:
        log.info("%s: nothing to do for this knock", run_id)
        return None
    assert run.token is not None  # noqa: S101 - a claimed run has one
    hold, began = Hold(run.pk, run.attempt, run.token), time.monotonic()
    with LiveRun(hold, end_process) as live:
        ending = _ending(task, run, live)
        status = _finish(hold, ending, live.progress)
    seconds = time.monotonic() - began
    log.info("%s attempt %d: %s in %.1f s", run, run.attempt, status or "fenced", seconds)
    return status


def _claim(run_id: UUID, worker: str) -> Run | None:
    token = uuid4()
    try:
        return runs.claim(run_id, worker, token)
    except DATABASE_AWAY:
        connection.close()
    # The claim may have been committed and only its answer lost.
    return _until_answered(
        lambda: runs.claimed_earlier(run_id, token) or runs.claim(run_id, worker, token)
    )


def _ending(task: Task, run: Run, live: LiveRun) -> Ending:
    """Call the function; whatever is raised on the way becomes an ending."""
    try:
        return _call(task, run, live)
    except Failure as failure:
        return _failed(failure.code, failure.message)
    except Fenced:
        return _failed("FENCED", "Another attempt took over.")  # its finish will change nothing
    except BaseException as error:  # even SystemExit ends the run, never the worker
        log.exception("%s %s attempt %d failed", run.task, run.pk, run.attempt)
        # The text of a stranger's exception may carry secrets, so only its name is shown.
        return _failed("TASK_ERROR", f"{type(error).__name__}: the worker's log says more.")


def _call(task: Task, run: Run, live: LiveRun) -> Ending:
    given_files = _until_answered(lambda: _input_files(task, run))
    try:
        given = task.check_input(run.input, given_files)
    except ValidationError as error:
        return _failed("BAD_INPUT", f"The input no longer fits the task: {_first(error)}")
    arguments = {name: getattr(given, name) for name in type(given).model_fields}
    return _succeeded(task, task.function(Context(live), **arguments))


def _input_files(task: Task, run: Run) -> dict[UUID, context.File]:
    named = files.keys_in(run.input, task.input)
    return {key: files.as_input(file) for key, file in files.find(named, run.owner_id).items()}


def _succeeded(task: Task, returned: Any) -> Ending:
    """The result as it will be stored, or a failure that says why it cannot be."""
    if task.result is None:
        if returned is not None:
            return _failed("BAD_RESULT", "The task declares no result but returned one.")
        return Ending(Status.SUCCEEDED)
    if not isinstance(returned, task.result.type):
        return _failed("BAD_RESULT", f"The task returned no {task.result.name}.")
    dump = task.result.type.__pydantic_serializer__.to_python  # a subclass adds nothing to it
    try:
        plain, result = dump(returned), dump(returned, mode="json")
        size = len(to_json(result))
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        return _failed("BAD_RESULT", f"The result is no JSON: {type(error).__name__}.")
    # Both dumps: a model turns infinity inside a free value into null, which would be a lie.
    for path, reason in chain(flaws(plain, task.result), flaws(result, task.result)):
        return _failed("BAD_RESULT", f"The result's {'.'.join(map(str, path))}: {reason}")
    try:
        task.check_result(result)
    except ValidationError as error:
        return _failed("BAD_RESULT", f"The result does not fit {task.result.name}: {_first(error)}")
    if size > RESULT_BYTES:
        message = f"The result has {size} bytes of JSON; at most {RESULT_BYTES} can be kept."
        return _failed("RESULT_TOO_LARGE", message)
    return Ending(Status.SUCCEEDED, result=result)


def _failed(code: str, message: str) -> Ending:
    error = {"code": cleaned(code[:100]), "message": cleaned(message[:2_000])}
    return Ending(Status.FAILED, error=error)


def _first(error: ValidationError) -> str:
    mistake = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}"


def _finish(hold: Hold, ending: Ending, progress: Progress | None) -> Status | None:
    try:
        finished = _finished(hold, ending, progress)
    except Exception:
        log.exception("%s attempt %d: its ending cannot be stored", hold.run_id, hold.attempt)
        ending = _failed("BAD_RESULT", "The database refused the result.")
        finished = _finished(hold, ending, None)
    if not finished:
        log.warning("%s attempt %d was fenced: discarded.", hold.run_id, hold.attempt)
        return None
    return ending.status


def _finished(hold: Hold, ending: Ending, progress: Progress | None) -> bool:
    return _until_answered(
        lambda: runs.finish(
            hold, ending.status, result=ending.result, error=ending.error, progress=progress
        )
    )


def _until_answered(ask: Callable[[], T]) -> T:
    """Ask the database again and again: what was done must not be lost because it is away."""
    while True:
        try:
            return ask()
        except DATABASE_AWAY as error:
            log.warning("The database does not answer (%s); trying again.", type(error).__name__)
            connection.close()
            time.sleep(RETRY_SECONDS)
