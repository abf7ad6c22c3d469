"""Can work flow? (Whether this process lives at all, /healthz, the front answers itself.)"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.log import log_response
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tasks import broker, runs
from tasks.models import Worker
from tasks.registry import REGISTRY

log = logging.getLogger("downbeat.health")

FRESH_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
OK = "ok"


class Readiness:
    """What each part says, asked at most once a second however many want to know."""

    def __init__(self, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._fresh_seconds = fresh_seconds
        self._lock = threading.Lock()
        self._answer = State({}, [], None)
        self._until = -PATIENCE_SECONDS

    def ask(self) -> "State":
        """What is well and what is not; without addresses or passwords."""
        # While one thread asks, the others take the last answer, so that a slow broker holds no
        # more threads than one; only an answer that is too old is waited for.
        is_too_old = time.monotonic() >= self._until + PATIENCE_SECONDS
        if self._lock.acquire(blocking=is_too_old):
            try:
                if time.monotonic() >= self._until:
                    self._answer = _look()
                    self._until = time.monotonic() + self._fresh_seconds
            finally:
                self._lock.release()
        return self._answer


@dataclass(frozen=True)
class State:
    """A text for each part, `ok` when it is well, and the tasks that no living worker takes.

    `is_overdue`: whether something was due so long ago that no conductor can be at work; None when
    nobody knows.
    """

    parts: Mapping[str, str]
    without_worker: Sequence[str]
    is_overdue: bool | None

    @property
    def is_ready(self) -> bool:
        """What waits for a worker that knows it, or for a conductor, waits; the others flow."""
        return all(text == OK for text in self.parts.values())


def _look() -> State:
    found, broker_says = _ask_database(), _ask_broker()
    # What is due waits for the broker, too: then it says nothing of the conductors.
    is_overdue = found.is_overdue if broker_says == OK else None
    return State({**found.parts, "broker": broker_says}, found.without_worker, is_overdue)


def _ask_database() -> State:
    try:
        living = list(Worker.objects.alive().values_list("tasks", flat=True))
        is_overdue = runs.is_overdue()
    except DatabaseError as error:
        connection.close()  # the next request gets a new one
        return State({"database": _no_answer(error), "worker": "unknown"}, [], None)
    missing = [name for name in REGISTRY if not any(name in tasks for tasks in living)]
    parts = {"database": OK, "worker": OK if living else "no sign of life"}
    return State(parts, missing, is_overdue)


def _ask_broker() -> str:
    try:
        broker.ping()
    except Exception as error:  # each client library raises kinds of its own
        return _no_answer(error)
    return OK


def _no_answer(error: Exception) -> str:
    """The kind alone goes out; the message may name hosts and users and goes to the log."""
    log.warning("not ready: %s", error)
    return f"no answer: {type(error).__name__}"


READINESS = Readiness()


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """200 while started runs would be performed, else 503 with what is missing.

    In either case `tasks_without_worker` names the tasks whose runs wait, and `conductor` tells
    when retries, planned starts or recoveries wait for a conductor that does not come.
    """
    state = READINESS.ask()
    content = {
        "status": OK if state.is_ready else "unavailable",
        **state.parts,
        "conductor": {None: "unknown", False: OK, True: "work is overdue"}[state.is_overdue],
        "tasks_without_worker": state.without_worker,
    }
    response = JsonResponse(content, status=200 if state.is_ready else 503)
    if not state.is_ready:  # said here once, lest Django reports each probe as an error
        parts = dict(state.parts)
        log_response("not ready: %s", parts, response=response, logger=log, level="debug")
    return response
