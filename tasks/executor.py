"""Performs one claimed run in a worker: read the input, call the function, finish."""

import contextlib
import logging
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_json

from tasks import context, files, runs, traces
from tasks.board import BOARD
from tasks.context import Context, Progress
from tasks.exceptions import Canceled, Failure, Fenced, Released, Retry, TimeLimit
from tasks.live import RELEASED, LiveRun, until_answered
from tasks.models import Run
from tasks.registry import Task
from tasks.runs import Ending, Hold
from tasks.shapes import flaws
from tasks.status import Outcome, Status
from tasks.text import cleaned

log = logging.getLogger("downbeat.executor")

RESULT_BYTES = 65_536
BACKOFF_MOST = 600.0  # seconds between two attempts, before the jitter
MONTH = 31 * 86_400.0


def perform(task: Task, run: Run, end_process: Callable[[], None], place: int = 0) -> Status | None:
    """Perform a run that this process has claimed; what it became, or None: it was fenced."""
    BOARD.claim()
    assert run.token is not None  # nosec B101 # noqa: S101 - a claimed run has one
    hold, began = Hold(run.pk, run.attempt, run.token), time.monotonic()
    with traces.of_run(run.pk, run.attempt):
        with LiveRun(hold, task, end_process, place) as live:
            ending = _ending(task, run, live)
            live.returned()
            status = None if ending is None else _last_words(hold, ending, live)
        seconds = time.monotonic() - began
        log.info("%s attempt %d: %s in %.1f s", run, run.attempt, status or "fenced", seconds)
    return status


def _ending(task: Task, run: Run, live: LiveRun) -> Ending | None:
    """Call the function; whatever is raised on the way becomes an ending. None: fenced."""
    try:
        return _call(task, run, live)
    except Failure as failure:
        return _failed(failure.code, failure.message)
    except Retry as retry:
        delay = _backoff(task, run) if retry.in_seconds is None else retry.in_seconds
        return _again("RETRY", retry.message, delay)
    except Fenced:
        return None
    except Canceled:
        return Ending(Status.CANCELED, Outcome.CANCELED)
    except Released:
        return RELEASED
    except BaseException as error:  # even SystemExit ends the run, never the worker
        log.exception("%s %s attempt %d failed", run.task, run.pk, run.attempt)
        return _raised(task, run, error)


def _raised(task: Task, run: Run, error: BaseException) -> Ending:
    if isinstance(error, TimeLimit):
        code, message = "TIME_LIMIT", str(error)
    else:
        # The text of a stranger's exception may carry secrets, so only its name is shown.
        code, message = "TASK_ERROR", f"{type(error).__name__}: the worker's log says more."
    if isinstance(error, task.options.retry_on):
        # A time limit interrupts anywhere, as a death does.
        is_cut_off = isinstance(error, TimeLimit)
        return _again(code, message, _backoff(task, run), cut_off=is_cut_off)
    return _failed(code, message)


def _backoff(task: Task, run: Run) -> float:
    """Seconds before the next attempt: doubling, give or take a quarter, so that many part ways."""
    delay = min(task.options.backoff * 2.0**run.failures, BACKOFF_MOST)
    return delay * random.uniform(0.75, 1.25)  # nosec B311 # noqa: S311 - no secret


def _call(task: Task, run: Run, live: LiveRun) -> Ending:
    given_files = until_answered(lambda: _input_files(task, run))
    try:
        given = task.check_input(run.input, given_files)
    except ValidationError as error:
        return _failed("BAD_INPUT", f"The input no longer fits the task: {_first(error)}")
    arguments = {name: getattr(given, name) for name in type(given).model_fields}
    with _soft_limit(task.options.soft_time_limit):
        returned = task.function(Context(live), **arguments)
    return _succeeded(task, returned)


@contextlib.contextmanager
def _soft_limit(seconds: float | None) -> Iterator[None]:
    """Raise TimeLimit inside after so many seconds, even out of a sleep.

    Only a process's main thread can be interrupted so; a worker's child calls its tasks there.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise TimeLimit(f"It ran longer than its soft time limit of {seconds:g} s.")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _input_files(task: Task, run: Run) -> dict[UUID, context.File]:
    named = files.keys_in(run.input, task.input)
    return {key: files.as_input(file) for key, file in files.find(named, run.owner_id).items()}


def _succeeded(task: Task, returned: Any) -> Ending:
    """The result as it will be stored, or a failure that says why it cannot be."""
    if task.result is None:
        if returned is not None:
            return _failed("BAD_RESULT", "The task declares no result but returned one.")
        return Ending(Status.SUCCEEDED, Outcome.SUCCEEDED)
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
    return Ending(Status.SUCCEEDED, Outcome.SUCCEEDED, result=result)


def _failed(code: str, message: str, *, retryable: bool = False) -> Ending:
    error = {
        "code": cleaned(code[:100]),
        "message": cleaned(message[:2_000]),
        "retryable": retryable,
    }
    return Ending(Status.FAILED, Outcome.FAILED, error=error)


def _again(code: str, message: str, delay: float, *, cut_off: bool = False) -> Ending:
    """Another attempt after so many seconds, if the row has budget left; else the failure."""
    delay = min(max(float(delay), 0.0), MONTH)
    failure = _failed(code, message, retryable=True)
    return replace(failure, status=Status.SCHEDULED, delay=delay, cut_off=cut_off)


def _first(error: ValidationError) -> str:
    mistake = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}"


def _last_words(hold: Hold, ending: Ending, live: LiveRun) -> Status | None:
    try:
        until_answered(live.flush)
    except Exception:
        log.exception("%s attempt %d: some log lines cannot be kept", hold.run_id, hold.attempt)
    return _finish(hold, ending, live.progress)


def _finish(hold: Hold, ending: Ending, progress: Progress | None) -> Status | None:
    try:
        status = until_answered(lambda: runs.finish(hold, ending, progress))
    except Exception:
        log.exception("%s attempt %d: its ending cannot be stored", hold.run_id, hold.attempt)
        refused = _failed("BAD_RESULT", "The database refused the result.")
        status = until_answered(lambda: runs.finish(hold, refused))
    if status is None:
        log.warning("%s attempt %d was fenced: discarded.", hold.run_id, hold.attempt)
    return status
