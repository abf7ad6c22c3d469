"""Can work flow? (Whether this process lives at all, /healthz, the front answers itself.)"""

import logging
import threading
import time
from collections.abc import Mapping

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.log import log_response
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from tasks import broker
from tasks.models import Worker

log = logging.getLogger("downbeat.health")

FRESH_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
OK = "ok"


class Readiness:
    """What each part says, asked at most once a second however many want to know."""

    def __init__(self, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._fresh_seconds = fresh_seconds
        self._lock = threading.Lock()
        self._answer: Mapping[str, str] = {}
        self._until = -PATIENCE_SECONDS

    def ask(self) -> Mapping[str, str]:
        """A text for each part, `ok` when it is well; without addresses or passwords."""
        # While one thread asks, the others take the last answer, so that a slow broker holds no
        # more threads than one; only an answer that is too old is waited for.
        is_too_old = time.monotonic() >= self._until + PATIENCE_SECONDS
        if self._lock.acquire(blocking=is_too_old):
            try:
                if time.monotonic() >= self._until:
                    self._answer = {**_ask_database(), "broker": _ask_broker()}
                    self._until = time.monotonic() + self._fresh_seconds
            finally:
                self._lock.release()
        return self._answer


def _ask_database() -> dict[str, str]:
    try:
        lives = Worker.objects.alive().exists()
    except DatabaseError as error:
        connection.close()  # the next request gets a new one
        return {"database": _no_answer(error), "worker": "unknown"}
    return {"database": OK, "worker": OK if lives else "no sign of life"}


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
    """200 while a started run would be performed, else 503 with what is missing."""
    parts = READINESS.ask()
    is_ready = all(text == OK for text in parts.values())
    status = OK if is_ready else "unavailable"
    response = JsonResponse({"status": status, **parts}, status=200 if is_ready else 503)
    if not is_ready:  # said here once, lest Django reports each probe as an error
        log_response("not ready: %s", dict(parts), response=response, logger=log, level="debug")
    return response
