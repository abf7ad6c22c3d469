"""An SPA on another origin, as its browser speaks to the service."""

import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.test import Client
from pytest_django import Settings

from accounts.models import User

ORIGIN = "https://app.example"
PASSWORD = "correct horse battery"
BASE = "/_allauth/browser/v1"
JSON = "application/json"


@pytest.fixture(autouse=True)
def _settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    # Django reads CSRF_TRUSTED_ORIGINS once.
    listed = property(lambda _: {ORIGIN})
    monkeypatch.setattr(CsrfViewMiddleware, "allowed_origins_exact", listed)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # in no time


@pytest.fixture
def mail(settings: Settings) -> None:
    """As with EMAIL_URL and SIGN_UP=true."""
    settings.ROOT_URLCONF = "tests.backend.people.open_urls"
    settings.SIGN_UP = True
    settings.ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.APP_URL = ORIGIN
    settings.DEFAULT_FROM_EMAIL = "downbeat@app.example"
    settings.HEADLESS_FRONTEND_URLS = {
        name: url.replace("None", ORIGIN) for name, url in settings.HEADLESS_FRONTEND_URLS.items()
    }


class Spa:
    """One browser. `address` is the machine it is on."""

    def __init__(self, address: str = "203.0.113.7") -> None:
        self.browser = Client(enforce_csrf_checks=True, REMOTE_ADDR=address)

    @property
    def cookies(self) -> Any:
        return self.browser.cookies

    @property
    def session(self) -> str:
        """The session's key; empty without one."""
        morsel = self.cookies.get("sessionid")
        return morsel.value if morsel else ""

    def csrf(self) -> str:
        token: str = self.browser.get("/csrf", headers={"origin": ORIGIN}).json()["csrfToken"]
        return token

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """The answer to JSON, or to bytes as they are, with the proof that a page of ours sends."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body)
        proof = {"origin": ORIGIN, "x_csrftoken": self.csrf()} if method != "GET" else {}
        response: HttpResponse = self.browser.generic(  # type: ignore[assignment]
            method,
            path if path.startswith("/") else f"{BASE}/{path}",
            data,
            content_type=headers.pop("content_type", JSON),
            headers={**proof, **headers},
        )
        return response

    def post(self, path: str, **body: Any) -> HttpResponse:
        return self.send("POST", path, body)

    def sign_in(self, password: str = PASSWORD, **who: str) -> HttpResponse:
        return self.post("auth/login", password=password, **(who or {"username": "ada"}))

    def sign_out(self) -> HttpResponse:
        return self.send("DELETE", "auth/session")

    def is_signed_in(self) -> bool:
        return self.send("GET", "auth/session").status_code == 200

    def graphql(self, query: str = "{ viewer { displayName } }") -> Any:
        return content(self.send("POST", "/graphql", {"query": query}))


def content(response: Any) -> Any:
    assert response.headers["Content-Type"].split(";")[0] == JSON, response.content[:300]
    return json.loads(response.content)


def code(response: Any) -> tuple[int, str]:
    """The status, and the first error's code."""
    answer = content(response)
    assert answer["status"] == response.status_code
    return response.status_code, answer["errors"][0]["code"]


@pytest.fixture
def ada(db: None) -> User:
    """A user whom an operator has made."""
    return User.objects.create_user("ada", "Ada@example.org", PASSWORD)


@pytest.fixture
def spa() -> Spa:
    return Spa()
