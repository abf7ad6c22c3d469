"""A GraphQL request with a token passes by what is for browsers, and misses nothing by it."""

import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.test import Client
from pytest_django import Settings

from accounts import tokens
from accounts.models import User

QUERY = {"query": "{ viewer { displayName } }"}


class _LongWay(Exception):
    """The request went by the sessions."""


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    def taken(*_: object) -> None:
        raise _LongWay

    monkeypatch.setattr(SessionMiddleware, "process_request", taken)
    return Client()


@pytest.fixture
def bearer(db: None) -> dict[str, str]:
    user = User.objects.create(username="ada")
    text = tokens.create_token(user.pk).text
    return {"authorization": f"Bearer {text}"}


def test_a_token_takes_the_short_way(client: Client, bearer: dict[str, str]) -> None:
    answer = client.post("/graphql", QUERY, "application/json", headers=bearer)
    assert answer.json() == {"data": {"viewer": {"displayName": "ada"}}}


@pytest.mark.django_db
def test_a_false_token_is_refused_there_too(client: Client) -> None:
    false = {"authorization": "Bearer dbt_false"}
    answer = client.post("/graphql", QUERY, "application/json", headers=false)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_all_else_goes_the_long_way(client: Client, bearer: dict[str, str]) -> None:
    with pytest.raises(_LongWay):
        client.post("/graphql", QUERY, "application/json")
    with pytest.raises(_LongWay):
        client.get("/graphql", headers=bearer)
    with pytest.raises(_LongWay):
        client.post("/graphql/", QUERY, "application/json", headers=bearer)
    with pytest.raises(_LongWay):
        client.post("/admin/", headers=bearer)


@pytest.mark.parametrize("public", [None, "https://downbeat.test"])
def test_a_foreign_host_is_refused(
    client: Client, bearer: dict[str, str], settings: Settings, public: str | None
) -> None:
    settings.PUBLIC_URL = public
    foreign = {**bearer, "host": "evil.example"}
    answer = client.post("/graphql", QUERY, "application/json", headers=foreign)
    assert answer.status_code == 400


def test_listed_origins_may_read_the_answer(
    client: Client, bearer: dict[str, str], settings: Settings
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    for origin, allowed in (("https://app.example", "https://app.example"), ("https://b.c", None)):
        headers = {**bearer, "origin": origin}
        answer = client.post("/graphql", QUERY, "application/json", headers=headers)
        assert answer.status_code == 200
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert "origin" in answer.headers["vary"].lower()
