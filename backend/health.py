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

from tasks import broker
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
        self._answer = State({}, [])
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
    """A text for each part, `ok` when it is well, and the tasks that no living worker takes."""

    parts: Mapping[str, str]
    without_worker: Sequence[str]

    @property
    def is_ready(self) -> bool:
        """A task without a worker waits; the others flow, so the service is ready."""
        return all(text == OK for text in self.parts.values())


def _look() -> State:
    parts, missing = _ask_database()
    return State({**parts, "broker": _ask_broker()}, missing)


def _ask_database() -> tuple[dict[str, str], list[str]]:
    try:
        living = list(Worker.objects.alive().values_list("tasks", flat=True))
    except DatabaseError as error:
        connection.close()  # the next request gets a new one
        return {"database": _no_answer(error), "worker": "unknown"}, []
    missing = [name for name in REGISTRY if not any(name in tasks for tasks in living)]
    return {"database": OK, "worker": OK if living else "no sign of life"}, missing


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

    `tasks_without_worker` names the tasks whose runs wait, in either case.
    """
    state = READINESS.ask()
    content = {
        "status": OK if state.is_ready else "unavailable",
        **state.parts,
        "tasks_without_worker": state.without_worker,
    }
    response = JsonResponse(content, status=200 if state.is_ready else 503)
    if not state.is_ready:  # said here once, lest Django reports each probe as an error
        parts = dict(state.parts)
        log_response("not ready: %s", parts, response=response, logger=log, level="debug")
    return response
