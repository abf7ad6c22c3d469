"""Everything that can be refused or go wrong around a run, as one tree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class DownbeatError(Exception):
    """The base of every error that Downbeat itself raises."""


class DeclarationError(DownbeatError):
    """A task is declared wrongly; the message names the file and the fix."""


class RefusalCode(StrEnum):
    """Why a request was refused; the words of ErrorCode in the SDL."""

    BAD_USER_INPUT = "BAD_USER_INPUT"
    NOT_FOUND = "NOT_FOUND"
    FORBIDDEN = "FORBIDDEN"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    RUN_IS_FINAL = "RUN_IS_FINAL"
    RUN_NOT_FINAL = "RUN_NOT_FINAL"
    TASK_RETIRED = "TASK_RETIRED"
    UPLOAD_INCOMPLETE = "UPLOAD_INCOMPLETE"
    UPLOAD_EXPIRED = "UPLOAD_EXPIRED"
    UPLOAD_MISMATCH = "UPLOAD_MISMATCH"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a request: where (a path of Python names and list positions) and why."""

    message: str
    code: RefusalCode = RefusalCode.BAD_USER_INPUT
    path: tuple[str | int, ...] = ()


class Refused(DownbeatError):
    """A request was refused by a rule; nothing was written."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class Failure(DownbeatError):
    """Raised by a task that cannot succeed: ends the run as FAILED with this code and message.

    Both are shown to the run's readers, so they must be fit for their eyes. `code` is an
    UPPER_SNAKE_CASE word that a client can branch on.
    """

    def __init__(self, message: str, *, code: str = "FAILED") -> None:
        super().__init__(message)
        self.message = str(message)
        self.code = str(code)


class Retry(DownbeatError):
    """Raised by a task that wants another attempt, after `in_seconds` or the task's own backoff.

    It spends one of the task's retries; when none is left, the run ends as FAILED with `message`.
    """

    def __init__(self, message: str = "Try again.", *, in_seconds: float | None = None) -> None:
        super().__init__(message)
        if in_seconds is not None and not (
            isinstance(in_seconds, int | float) and 0 <= in_seconds < math.inf
        ):
            raise ValueError("Retry(in_seconds=...) takes a number of seconds from 0.")
        self.message = str(message)
        self.in_seconds = in_seconds


class TimeLimit(DownbeatError):
    """Raised inside a task when its soft_time_limit has passed: finish at once, or clean up."""


class Stopped(BaseException):
    """This attempt must stop now. No Exception, so that no `except Exception` keeps it going."""


class Fenced(Stopped):
    """This worker no longer holds the run: another attempt may be under way."""


class Canceled(Stopped):
    """Somebody asked to cancel the run."""


class Released(Stopped):
    """The worker shuts down: the run goes back to be performed by another one."""
