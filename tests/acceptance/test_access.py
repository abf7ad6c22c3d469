"""The requests of docs/access.md do what the page says."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import COUNT, Client
from tests.stacks.service import Service

pytestmark = pytest.mark.xdist_group("embedded")

TEXT = (Path(__file__).parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
GRAPHQL = re.findall(r"```graphql\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def client(embedded_service: Service) -> Client:
    return Client(embedded_service)


def block(word: str) -> str:
    (found,) = (text for text in GRAPHQL if word in text)
    return str(found)


def ask(service: Service, token: str, query: str, headers: Any = None, **variables: Any) -> Any:
    answer = service.http.post(
        "/graphql",
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Bearer {token}", **(headers or {})},
    )
    content = answer.json()
    assert "errors" not in content, content
    return content["data"]


def test_a_token_is_made_and_starts_its_one_task(client: Client) -> None:
    made = client.ask(block("createApiToken"))["createApiToken"]
    assert (made["errors"], made["apiToken"]["prefix"]) == ([], made["token"][:10])
    given = {"input": {"text": "to be"}}
    started = ask(client.service, made["token"], COUNT, **given)["countWords"]
    assert started["errors"] == []
    assert ask(client.service, made["token"], "{ runs { nodes { id } } }")["runs"]["nodes"] == []


def test_a_watch_token_shows_its_run(client: Client) -> None:
    run = client.ask(COUNT, input={"text": "to be or not"})["countWords"]["run"]["id"]
    made = client.ask(block("createWatchToken"), id=run)["createWatchToken"]
    assert made["errors"] == []
    shown = ask(client.service, made["token"], "{ viewer { id } runs { nodes { id } } }")
    assert shown == {"viewer": None, "runs": {"nodes": [{"id": run}]}}


def test_a_service_acts_for_its_users(client: Client) -> None:
    service = client.service
    token = service.manage("api_token", "portal", "--scope", "users:act-as").split()[-1]
    (line,) = re.findall(r"```console\n\$ (curl.*?)```", TEXT, re.DOTALL)
    words = shlex.split(line.replace("\\\n", " "))
    headers = dict(word.split(": ", 1) for word in words if re.match(r"[\w-]+: ", word))
    body = json.loads(words[words.index("-d") + 1])
    assert headers["Authorization"] == "Bearer $TOKEN"
    answer = ask(service, token, body["query"], {"Act-As": headers["Act-As"]})
    assert answer == {"viewer": {"displayName": "user-17"}}


def test_the_limits_are_told(client: Client) -> None:
    limits = client.ask(block("requestsPerMinute"))["limits"]
    assert limits["requestsPerMinute"] == 6_000
    assert all(isinstance(value, int | float) for value in limits.values())
