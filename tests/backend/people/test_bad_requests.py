"""Whatever is sent to where people sign in: the answer is JSON, says why, and writes nothing."""

import json
from typing import Any, Never

import pytest
from django.contrib.sessions.models import Session
from django.db import InterfaceError, OperationalError
from pytest_django import Settings

from accounts.models import User
from backend.people.adapter import Adapter
from backend.people.guard import TEXT_LENGTH
from tests.backend.people.conftest import BASE, JSON, PASSWORD, Spa, code, content

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("mail", "ada")]

PATHS = [
    "auth/login",
    "auth/signup",
    "auth/session",
    "auth/password/request",
    "auth/password/reset",
    "auth/email/verify",
    "account/password/change",
    "config",
]
LOGIN = {"username": "ada", "password": PASSWORD}
FORM = "application/x-www-form-urlencoded"
BOUNDARY = "multipart/form-data; boundary=b"
BODIES: dict[str, tuple[bytes, str, int]] = {
    "broken": (b'{"username": "ada"', JSON, 400),
    "a list": (b"[]", JSON, 400),
    "a text": (b'"x"', JSON, 400),
    "null": (b"null", JSON, 400),
    "NaN": (b'{"a": NaN}', JSON, 400),
    "two": (b"{}{}", JSON, 400),
    "deep": (b"[" * 100_000 + b"]" * 100_000, JSON, 400),
    "deep inside": (b'{"password": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001, JSON, 400),
    "no UTF-8": (b'{"username": "\xff"}', JSON, 400),
    "half a pair": (b'{"username": "\\ud800", "password": "x"}', JSON, 400),
    "a number": (b'{"username": 1, "password": true}', JSON, 400),
    "a list for a text": (b'{"username": ["ada"], "password": {"a": 1}}', JSON, 400),
    "a null for a text": (b'{"username": null, "password": null}', JSON, 400),
    "many digits": (b'{"a": ' + b"1" * 5_000 + b"}", JSON, 400),
    "a long password": (
        json.dumps({"username": "ada", "password": "x" * (TEXT_LENGTH + 1)}).encode(), JSON, 400,
    ),
    "a long name": (
        json.dumps({"username": "x" * 200_000, "password": "x"}).encode(), JSON, 400,
    ),
    "a long key": (json.dumps({"x" * 100_000: 1}).encode(), JSON, 400),
    "a form": (b"username=ada&password=x", FORM, 415),
    "parts": (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--', BOUNDARY, 415),
    "plain": (json.dumps(LOGIN).encode(), "text/plain", 415),
    "no type": (json.dumps(LOGIN).encode(), "", 415),
    "other JSON": (json.dumps(LOGIN).encode(), "application/vnd.api+json", 415),
}  # fmt: skip


def rows() -> tuple[int, int, str]:
    return User.objects.count(), Session.objects.count(), User.objects.get().password


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_none(spa: Spa, path: str, name: str) -> None:
    body, content_type, status = BODIES[name]
    before = rows()
    answer = spa.send("POST", path, body, content_type=content_type)
    if path in ("auth/session", "config"):
        status = 405
    assert answer.status_code == status
    answered = content(answer)
    assert answered["status"] == status
    assert answered["errors"][0]["message"]
    assert len(answer.content) < 1_000
    assert rows() == before


def test_too_much_is_refused_before_it_is_read(spa: Spa, settings: Settings) -> None:
    body = b" " * (settings.REQUEST_SIZE + 1)
    for content_type in (JSON, FORM):
        answer = spa.send("POST", "auth/login", body, content_type=content_type)
        assert answer.status_code == 400
        assert json.loads(answer.content)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "POST"])
def test_a_method_that_means_nothing(spa: Spa, path: str, method: str) -> None:
    before = rows()
    answer = spa.send(method, path, LOGIN)
    if (method, path) == ("DELETE", "auth/session") or answer.status_code == 400:
        assert method in ("DELETE", "POST")
        return
    if method == "POST" and path not in ("auth/session", "config"):
        assert answer.status_code in (200, 400, 401)
        return
    assert code(answer) == (405, "method_not_allowed")
    assert method not in answer.headers["Allow"]
    assert rows() == before


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"username": "ada"},
        {"password": PASSWORD},
        {"username": "ada\0", "password": PASSWORD},
        {"username": "ada", "password": f"{PASSWORD}\0"},
        {"email": "\0@example.org", "password": PASSWORD},
        {"email": "ada", "password": PASSWORD},
        {"email": f"{'a' * 300}@example.org", "password": PASSWORD},
        {"username": "ada", "email": "ada@example.org", "password": PASSWORD},
        {"username": "' OR 1=1 --", "password": PASSWORD},
        {"username": "\U0001f600" * 100, "password": "\u202e"},
        {"phone": "+4912345678", "password": PASSWORD},
        {"": "", "password": PASSWORD},
        {"username": "ada", "password": "x" * TEXT_LENGTH},
    ],
)
def test_credentials_that_are_none(spa: Spa, fields: dict[str, str]) -> None:
    answer = spa.send("POST", "auth/login", fields)
    assert answer.status_code == 400
    assert content(answer)["errors"]
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    "path",
    [
        "/_allauth/",
        f"{BASE}/",
        f"{BASE}/auth/login/",
        f"{BASE}/auth/phone/verify",
        f"{BASE}/auth/code/request",
        f"{BASE}/auth/code/confirm",
        f"{BASE}/auth/reauthenticate",
        f"{BASE}/account/email",
        f"{BASE}/account/phone",
        "/_allauth/app/v1/auth/login",
        "/_allauth/app/v1/config",
        "/_allauth/openapi.json",
        "/_allauth/\0",
        "/_allauth/%ff/..%2f",
        "/_allauth/" + "x" * 8_000,
    ],
)
def test_there_is_nothing_else(spa: Spa, path: str) -> None:
    for method in ("GET", "POST"):
        assert code(spa.send(method, path, {})) == (404, "not_found")


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_503(
    spa: Spa, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    answer = _failing(spa, monkeypatch, error("no route to 10.0.0.1"))
    assert code(answer) == (503, "unavailable")
    assert b"10.0.0.1" not in answer.content


def test_a_bug_is_masked(
    spa: Spa, monkeypatch: pytest.MonkeyPatch, log_lines: list[dict[str, Any]]
) -> None:
    answer = _failing(spa, monkeypatch, ZeroDivisionError("the secret of 10.0.0.1"))
    assert code(answer) == (500, "internal")
    assert b"10.0.0.1" not in answer.content
    reference = content(answer)["errors"][0]["message"].split()[-1].strip(".")
    assert reference in [line["trace_id"] for line in log_lines]


def _failing(spa: Spa, monkeypatch: pytest.MonkeyPatch, error: Exception) -> Any:
    def fail(*_: object, **__: object) -> Never:
        raise error

    monkeypatch.setattr(Adapter, "authenticate", fail)
    return spa.sign_in()
