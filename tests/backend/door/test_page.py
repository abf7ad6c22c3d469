"""A browser gets GraphiQL, or lines to copy: a page that needs no other host and trusts none."""

import base64
import hashlib
import html
import json
import re
from pathlib import Path

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from backend.door.documents import Documents
from schema.build import schema

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture(autouse=True)
def _not_built(settings: Settings) -> None:
    settings.GRAPHIQL_PAGE = None


@pytest.fixture
def page(client: Client) -> str:
    response = client.get("/graphql", headers={"accept": BROWSER, "host": "testserver"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return response.content.decode()


def test_its_lines_name_the_host_that_was_asked(page: str) -> None:
    assert "curl -s http://testserver/graphql" in page
    assert 'href="/schema.graphql"' in page
    assert "manage.py api_token you" in page


def test_it_says_how_to_build_graphiql(page: str) -> None:
    assert "<code>make web</code>" in page
    assert "Node" in page


def test_its_queries_are_valid_in_this_service(page: str) -> None:
    documents = Documents(schema().graphql_schema)
    bodies = re.findall(r"-d '(\{.*?\})'</code>", html.unescape(page))
    assert len(bodies) == 6
    for body in bodies:
        assert documents.get(json.loads(body)["query"])


def test_its_policy_allows_its_own_style_and_nothing_else(client: Client) -> None:
    response = client.get("/graphql", headers={"accept": BROWSER})
    policy = response.headers["Content-Security-Policy"]
    style = re.search(r"<style>(.*?)</style>", response.content.decode(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "<script" not in response.content.decode()
    assert "style=" not in response.content.decode()


def test_a_hostile_address_is_escaped(client: Client, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://<img src=x onerror=alert(1)>"
    text = client.get("/graphql", headers={"accept": BROWSER}).content.decode()
    assert "<img" not in text


@pytest.mark.parametrize("accept", ["*/*", "", "application/json", "text/html;q=0"])
def test_programs_do_not_get_it(client: Client, accept: str) -> None:
    assert client.get("/graphql", headers={"accept": accept}).status_code == 405


@pytest.fixture
def graphiql(client: Client, settings: Settings) -> HttpResponse:
    """The answer where `make web` has built this page."""
    settings.GRAPHIQL_PAGE = "<!doctype html><title>GraphiQL</title>"
    response: HttpResponse = client.get("/graphql", headers={"accept": BROWSER})  # type: ignore[assignment]
    return response


def test_graphiql_is_served_where_it_is_built(graphiql: HttpResponse) -> None:
    assert graphiql.content == b"<!doctype html><title>GraphiQL</title>"
    assert graphiql.headers["content-type"] == "text/html; charset=utf-8"
    assert graphiql.headers["cache-control"] == "no-store"
    assert "Accept" in graphiql.headers["vary"]


def test_graphiql_gets_the_cookie_that_its_requests_give_back(graphiql: HttpResponse) -> None:
    assert len(graphiql.cookies["csrftoken"].value) >= 32
    assert not graphiql.cookies["csrftoken"]["httponly"]


def test_graphiqls_policy_names_no_host_but_its_own(graphiql: HttpResponse) -> None:
    directives = graphiql.headers["Content-Security-Policy"].split("; ")
    assert {name: values for name, *values in map(str.split, directives)} == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "worker-src": ["'self'"],
        "connect-src": ["'self'", "ws://testserver"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'", "data:"],
        "img-src": ["'self'", "data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    }


@pytest.mark.parametrize(
    ("public_url", "connect"),
    [
        ("https://downbeat.example.org", "'self' wss://downbeat.example.org"),
        ("http://127.0.0.1:8055", "'self' ws://127.0.0.1:8055"),
        ("http://[::1]:8000", "'self'"),
    ],
)
def test_graphiql_may_open_a_websocket_where_its_page_is(
    client: Client, settings: Settings, public_url: str, connect: str
) -> None:
    settings.GRAPHIQL_PAGE = "GraphiQL"
    settings.PUBLIC_URL = public_url
    policy = client.get("/graphql", headers={"accept": BROWSER}).headers["Content-Security-Policy"]
    assert f"; connect-src {connect}; " in policy


def test_assets_are_kept_for_ever_by_who_got_them(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "graphiql-C0ffee.js").write_text("1")
    settings.STATICFILES_DIRS = [("web", tmp_path)]
    asset = client.head("/static/web/graphiql-C0ffee.js")
    assert asset.status_code == 200
    assert asset.headers["content-type"].startswith("text/javascript")
    assert "immutable" in asset.headers["cache-control"]
    foreign = client.head("/static/admin/css/base.css")
    assert "immutable" not in foreign.headers["cache-control"]


def test_where_introspection_is_off_it_says_for_whom_graphiql_is(client: Client) -> None:
    response = client.get("/closed", headers={"accept": BROWSER})
    text = response.content.decode()
    assert 'href="/admin/login/?next=/graphql"' in text
    assert "/schema.graphql" not in text
    assert "make web" not in text
