"""A browser gets a page that needs nothing else and trusts nothing."""

import base64
import hashlib
import html
import json
import re

import pytest
from django.test import Client
from pytest_django import Settings

from backend.door.documents import Documents
from schema.build import schema

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


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


def test_its_queries_are_valid_in_this_service(page: str) -> None:
    documents = Documents(schema().graphql_schema, introspection=True)
    bodies = re.findall(r"-d '(\{.*?\})'</code>", html.unescape(page))
    assert len(bodies) == 5
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
