"""Who asks: a bearer token or nobody; cookies open nothing."""

from typing import Any, Never

import pytest
from django.db import InterfaceError
from django.test import Client

from accounts.models import ApiToken, User
from accounts.tokens import create_token
from accounts.viewer import Viewer
from backend.door import http
from tests.backend.door.conftest import JSON, Post, codes, content
from tests.backend.door.toy import Root


@pytest.fixture(autouse=True)
def _count_from_zero() -> None:
    Root.counted = 0


def test_nobody_is_signed_in_without_a_credential(post: Post) -> None:
    assert content(post("{ viewer }")) == {"data": {"viewer": None}}


def test_a_token_signs_in(post: Post, viewer: Viewer) -> None:
    token = create_token(User.objects.get())
    response = post("{ viewer }", authorization=f"Bearer {token}")
    assert content(response) == {"data": {"viewer": str(viewer.user_id)}}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "credential", ["Bearer wrong", "Bearer", "Basic YTpi", "", " ", "Bearer a,Bearer b", "\xff"]
)
def test_a_bad_credential_is_401_and_runs_nothing(post: Post, credential: str) -> None:
    response = post("mutation { count(by: 1) }", authorization=credential)
    assert (response.status_code, codes(response)) == (401, ["UNAUTHENTICATED"])
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert Root.counted == 0


def test_a_revoked_token_is_401(post: Post, viewer: Viewer) -> None:
    token = create_token(User.objects.get())
    found = ApiToken.objects.get()
    found.revoked_at = found.created_at
    found.save()
    assert post("{ viewer }", authorization=f"Bearer {token}").status_code == 401


def test_a_session_cookie_opens_nothing(post: Post, client: Client, viewer: Viewer) -> None:
    client.force_login(User.objects.get())
    assert content(post("{ viewer }")) == {"data": {"viewer": None}}


def test_no_csrf_token_is_asked_for_because_no_cookie_counts() -> None:
    strict = Client(enforce_csrf_checks=True)
    response: Any = strict.post("/graphql", {"query": "{ hello }"}, JSON)
    assert response.status_code == 200


def test_a_database_that_is_down_is_503_for_a_token(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_header: str | None) -> Never:
        raise InterfaceError("no route to 10.0.0.1")

    monkeypatch.setattr(http, "viewer_from_authorization", fail)
    response = post("{ hello }", authorization="Bearer x")
    assert (response.status_code, codes(response)) == (503, ["UNAVAILABLE"])
    assert b"10.0.0.1" not in response.content
