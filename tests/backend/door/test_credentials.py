"""Who asks: a bearer token, the session of a page of ours, or nobody."""

from typing import Any, Never

import pytest
from django.conf import settings
from django.db import InterfaceError
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts import credentials
from accounts.identity_provider import ProviderAway
from accounts.models import ApiToken, User
from accounts.tokens import create_token
from accounts.viewer import ACT_AS, Viewer
from tests.backend.door.conftest import JSON, Post, codes, content
from tests.backend.door.toy import Root

CSRF = "aB3" * 10 + "xy"  # 32 letters, as Django's secrets are


@pytest.fixture(autouse=True)
def _count_from_zero() -> None:
    Root.counted = 0


def test_nobody_is_signed_in_without_a_credential(post: Post) -> None:
    assert content(post("{ viewer }")) == {"data": {"viewer": None}}


def test_a_token_signs_in(post: Post, viewer: Viewer) -> None:
    token = create_token(User.objects.get().pk).text
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
    token = create_token(User.objects.get().pk).text
    found = ApiToken.objects.get()
    found.revoked_at = found.created_at
    found.save()
    assert post("{ viewer }", authorization=f"Bearer {token}").status_code == 401


@pytest.fixture
def page(viewer: Viewer) -> Client:
    """A browser's page that is signed in by a session."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get())
    client.cookies["csrftoken"] = CSRF
    return client


def ask(client: Client, **headers: str) -> Any:
    return client.post("/graphql", {"query": "{ viewer }"}, JSON, headers=headers)


def test_a_session_signs_in_a_page_of_ours(page: Client, viewer: Viewer) -> None:
    response = ask(page, x_csrftoken=CSRF, origin="http://testserver")
    assert content(response) == {"data": {"viewer": str(viewer.user_id)}}


@pytest.mark.parametrize(
    "headers",
    [{}, {"x_csrftoken": CSRF[::-1]}, {"x_csrftoken": CSRF, "origin": "https://evil.example"}],
    ids=["no proof", "a wrong proof", "another origin"],
)
def test_a_session_without_proof_of_the_page_is_403(page: Client, headers: dict[str, str]) -> None:
    response = ask(page, **headers)
    assert (response.status_code, codes(response)) == (403, ["FORBIDDEN"])
    assert b"X-CSRFToken" in response.content


def test_a_session_that_has_ended_signs_nobody_in(page: Client) -> None:
    page.session.flush()
    assert content(ask(page)) == {"data": {"viewer": None}}


def test_a_session_of_an_old_password_signs_nobody_in(page: Client) -> None:
    user = User.objects.get()
    user.set_password("another")
    user.save()
    assert content(ask(page, x_csrftoken=CSRF)) == {"data": {"viewer": None}}


def test_a_cookie_that_is_no_key_asks_nobody(
    page: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    page.cookies[settings.SESSION_COOKIE_NAME] = "x\x00'--"
    with django_assert_num_queries(0):
        assert content(ask(page)) == {"data": {"viewer": None}}


def test_a_token_goes_before_a_session_and_needs_no_proof(page: Client, viewer: Viewer) -> None:
    grace = User.objects.create(username="grace")
    response = ask(page, authorization=f"Bearer {create_token(grace.pk).text}")
    assert content(response) == {"data": {"viewer": str(grace.pk)}}


def test_nobody_needs_no_proof() -> None:
    response = ask(Client(enforce_csrf_checks=True))
    assert response.status_code == 200


def test_a_database_that_is_down_is_503_for_a_token(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Never:
        raise InterfaceError("no route to 10.0.0.1")

    monkeypatch.setattr(credentials, "from_authorization", fail)
    response = post("{ hello }", authorization="Bearer x")
    assert (response.status_code, codes(response)) == (503, ["UNAVAILABLE"])
    assert b"10.0.0.1" not in response.content


INTROSPECT = {"query": "{ __schema { queryType { name } } }"}


@pytest.mark.parametrize("path", ["/graphql", "/closed"])
@pytest.mark.parametrize("is_staff", [True, False])
def test_where_introspection_is_off_it_is_for_staff(
    page: Client, path: str, is_staff: bool
) -> None:
    User.objects.update(is_staff=is_staff)
    headers = {"x_csrftoken": CSRF}
    for _ in range(2):  # fresh, and out of the cache
        answer = page.post(path, INTROSPECT, JSON, headers=headers).json()
        assert ("data" in answer) is (is_staff or path == "/graphql")
    guess = page.post(path, {"query": "{ hullo }"}, JSON, headers=headers).content
    assert (b"Did you mean" in guess) is (is_staff or path == "/graphql")
    sdl = page.get("/schema.graphql" if path == "/graphql" else "/closed.graphql")
    assert sdl.status_code == (200 if is_staff or path == "/graphql" else 404)
    assert page.get(path, headers={"accept": "text/html"}).status_code == 200


def test_what_staff_introspected_is_not_for_others(page: Client, post: Post) -> None:
    User.objects.update(is_staff=True)
    assert page.post("/closed", INTROSPECT, JSON, headers={"x_csrftoken": CSRF}).json()["data"]
    assert codes(post(INTROSPECT, path="/closed")) == ["GRAPHQL_VALIDATION_FAILED"]


def test_a_token_acts_for_a_subject(post: Post, viewer: Viewer) -> None:
    bearer = f"Bearer {create_token(viewer.user_id, [ACT_AS]).text}"
    acted = content(post("{ viewer }", authorization=bearer, act_as="grace"))["data"]["viewer"]
    assert acted == str(User.objects.get(subject="grace").pk)


@pytest.mark.parametrize("headers", [{"act_as": "grace"}, {"act_as": ""}])
def test_act_as_without_a_token_is_401(post: Post, headers: dict[str, str]) -> None:
    response = post("mutation { count(by: 1) }", **headers)
    assert (response.status_code, Root.counted) == (401, 0)


def test_an_identity_provider_that_is_away_is_503(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Never:
        raise ProviderAway("Its keys cannot be fetched.")

    monkeypatch.setattr(credentials, "from_authorization", fail)
    response = post("{ hello }", authorization="Bearer a.b.c")
    assert (response.status_code, codes(response)) == (503, ["UNAVAILABLE"])
    assert response.headers["Retry-After"] == "10"
