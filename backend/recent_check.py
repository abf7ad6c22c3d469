"""A database connection that was checked a moment ago is not checked again.

Django checks each before the first query of a request, which is a round trip of its own. A server
that went away within that moment fails one request of each thread with UNAVAILABLE, as it fails
those that come while it is away.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection

TRUST_SECONDS = 2.0


class _Check(threading.local):
    """Of this thread's connection."""

    at = float("-inf")  # of the monotonic clock: when it was found to work
    is_trusted = False  # in this work, without a check


_check = _Check()


def watch() -> None:
    """Begin to, in place of Django's own receivers: they forget a check before it can be noted."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    request_started.connect(_begin)
    request_finished.connect(_end)


@contextmanager
def unit_of_work() -> Iterator[None]:
    """Around work that is no request: before and after, what is broken or too old is closed."""
    _begin()
    try:
        yield
    finally:
        _end()


def _begin(**_: Any) -> None:
    close_old_connections()
    _check.is_trusted = time.monotonic() - _check.at < TRUST_SECONDS
    if _check.is_trusted:
        connection.health_check_done = True  # type: ignore[attr-defined]


def _end(**_: Any) -> None:
    if connection.connection is None or connection.errors_occurred:
        _check.at = float("-inf")
    elif connection.health_check_done and not _check.is_trusted:  # type: ignore[attr-defined]
        _check.at = time.monotonic()
    close_old_connections()
