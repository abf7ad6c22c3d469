"""A connection is checked now and then, not for each request, and anew after an error."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, connections

from accounts.models import User
from backend import recent_check

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Each check of this thread's connection; it begins as one that was never checked."""
    made: list[bool] = []
    wrapper = connections["default"]
    usable = wrapper.is_usable

    def is_usable() -> bool:
        made.append(usable())
        return made[-1]

    monkeypatch.setattr(wrapper, "is_usable", is_usable)
    monkeypatch.setattr(wrapper, "health_check_enabled", True)
    wrapper.ensure_connection()  # a new one needs no check
    recent_check.watch()
    recent_check._check.at = float("-inf")
    yield made
    request_started.disconnect(recent_check._begin)
    request_finished.disconnect(recent_check._end)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def request(work: Callable[[], Any]) -> None:
    """As Django's handler does it."""
    request_started.send(None)
    work()
    request_finished.send(None)


def query() -> None:
    User.objects.count()


def test_without_it_each_request_checks(
    checks: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_check, "TRUST_SECONDS", 0.0)
    for _ in range(3):
        request(query)
    assert checks == [True] * 3


def test_a_busy_thread_checks_once_in_a_while(
    checks: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        request(query)
    assert checks == [True]
    monkeypatch.setattr(recent_check, "TRUST_SECONDS", 0.0)
    request(query)
    assert checks == [True, True]


def test_a_request_without_a_query_is_no_check(checks: list[bool]) -> None:
    request(lambda: None)
    request(query)
    assert checks == [True]


def test_an_error_is_followed_by_a_check(checks: list[bool]) -> None:
    request(query)

    def fail() -> None:
        connection.errors_occurred = True

    request(fail)
    assert checks == [True, True]  # at once: Django closes what is broken
    request(query)
    assert checks == [True, True, True]


def test_what_is_no_request_is_checked_as_seldom(checks: list[bool]) -> None:
    for _ in range(3):
        with recent_check.unit_of_work():
            query()
    assert checks == [True]
    request(query)
    assert checks == [True]


def test_the_server_itself_checks_so_seldom(
    checks: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the handler that serves requests, and whatever else listens to its signals."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import RequestFactory

    handler, paths = WSGIHandler(), ["/readyz"] * 3
    for path in paths:
        environ = RequestFactory().get(path, headers={"host": "localhost"}).environ
        handler(environ, lambda status, headers: None).close()  # type: ignore[arg-type]
    assert checks == [True]
