"""Asks the toy schema over HTTP, through Django's whole middleware."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"

Post = Callable[..., HttpResponse]


@pytest.fixture(autouse=True)
def _toy_urls(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.backend.door.toy"


@pytest.fixture
def post(client: Client) -> Post:
    """Sends a body to /graphql: bytes as they are, a text as a query, else as JSON."""

    def post(
        body: Any,
        *,
        accept: str | None = None,
        content_type: str = JSON,
        path: str = "/graphql",
        **headers: str,
    ) -> HttpResponse:
        if isinstance(body, str):
            body = {"query": body}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if accept is not None:
            headers["accept"] = accept
        response: HttpResponse = client.generic(  # type: ignore[assignment]
            "POST", path, data, headers=headers, CONTENT_TYPE=content_type
        )
        return response

    return post


def content(response: HttpResponse) -> Any:
    return json.loads(response.content)


def codes(response: HttpResponse) -> list[str]:
    return [error["extensions"]["code"] for error in content(response)["errors"]]
