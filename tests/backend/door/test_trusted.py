"""With a list of trusted documents nothing else is executed, whoever names them however."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import clear_url_caches, path

from accounts.models import User
from accounts.viewer import Viewer
from backend.door.execute import Door
from backend.door.http import GraphQLView
from backend.door.trusted import TrustedDocuments
from tests.backend.door import toy
from tests.backend.door.conftest import JSON, Post, codes, content

HELLO, OTHER = "query Hello { hello }", "{ viewer }"
DIGEST = hashlib.sha256(HELLO.encode()).hexdigest()
APOLLO = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [{"id": "one", "name": "Hello", "type": "query", "body": HELLO}],
}


@pytest.fixture
def _trusting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    door = Door(toy.SCHEMA, introspection=False, trusted=TrustedDocuments({"one": HELLO}))
    monkeypatch.setattr(toy, "urlpatterns", [path("graphql", GraphQLView(door))])
    clear_url_caches()
    yield
    clear_url_caches()


@pytest.mark.parametrize("manifest", [{"one": HELLO}, APOLLO])
def test_a_list_is_read_as_build_tools_write_it(tmp_path: Path, manifest: Any) -> None:
    (tmp_path / "trusted.json").write_text(json.dumps(manifest))
    trusted = TrustedDocuments.load(tmp_path / "trusted.json")
    assert trusted.text("one", None) == trusted.text(DIGEST, None) == HELLO
    assert trusted.text(f"sha256:{DIGEST}", None) == trusted.text(None, HELLO) == HELLO


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"a": 1}', '{"operations": [1]}', '{"operations": [{"id": "a"}]}']
)
def test_what_is_no_list_stops_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "trusted.json").write_text(text)
    with pytest.raises(ImproperlyConfigured, match=r"trusted\.json"):
        TrustedDocuments.load(tmp_path / "trusted.json")
    with pytest.raises(ImproperlyConfigured, match=r"nothing\.json"):
        TrustedDocuments.load(tmp_path / "nothing.json")


@pytest.mark.usefixtures("_trusting")
@pytest.mark.parametrize(
    "body",
    [
        {"documentId": "one"},
        {"documentId": f"sha256:{DIGEST}"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": DIGEST}}},
        {"query": HELLO},
        {"documentId": "one", "query": OTHER},  # the list says what `one` is
    ],
)
def test_a_trusted_document_is_executed(post: Post, body: Any) -> None:
    response = post(body)
    assert response.status_code == 200
    assert "hello" in content(response)["data"]


@pytest.mark.usefixtures("_trusting")
@pytest.mark.parametrize(
    "body",
    [
        {"query": OTHER},
        {"query": HELLO + " "},
        {"query": "{ __schema { types { name } } }"},
        {"documentId": "two"},
        {"documentId": "two", "query": HELLO},
        {"extensions": {"persistedQuery": {"sha256Hash": "0" * 64}}, "query": OTHER},
    ],
)
def test_any_other_is_refused(post: Post, body: Any) -> None:
    response = post(body)
    assert (response.status_code, codes(response)) == (400, ["DOCUMENT_NOT_TRUSTED"])


@pytest.mark.usefixtures("_trusting")
def test_staff_may_send_others(viewer: Viewer) -> None:
    client = Client()
    client.force_login(User.objects.get())
    ask = {"query": "{ __typename hello }"}
    assert client.post("/graphql", ask, JSON).status_code == 400
    User.objects.update(is_staff=True)
    client.force_login(User.objects.get())
    assert client.post("/graphql", ask, JSON).json()["data"]["__typename"] == "Query"


@pytest.mark.parametrize(
    "body", [{"documentId": "one"}, {"extensions": {"persistedQuery": {"sha256Hash": "a"}}}]
)
def test_without_a_list_a_name_alone_says_nothing(post: Post, body: Any) -> None:
    response = post(body)
    assert (response.status_code, codes(response)) == (400, ["BAD_REQUEST"])
    assert "keeps no documents" in content(response)["errors"][0]["message"]


@pytest.mark.parametrize("document_id", [1, ["one"], {}])
def test_what_is_no_name_is_refused(post: Post, document_id: Any) -> None:
    assert post({"documentId": document_id, "query": HELLO}).status_code == 400
