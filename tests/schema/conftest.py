"""Runs operations against the schema as the door does, without HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from graphql import graphql_sync

from accounts.viewer import Viewer
from schema.build import schema
from schema.context import RequestContext
from tasks import broker, notifier
from tasks.models import File

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask() -> Ask:
    """`ask(query, viewer, **variables)`: the answer as a client reads it."""

    def ask(query: str, viewer: Viewer | None = None, **variables: Any) -> dict[str, Any]:
        context = RequestContext(viewer, "https://downbeat.test")
        done = graphql_sync(
            schema().graphql_schema, query, variable_values=variables, context_value=context
        )
        answer: dict[str, Any] = done.formatted  # type: ignore[assignment]
        return answer

    return ask


@pytest.fixture
def ready_file(db: None) -> Callable[[Viewer], File]:
    """Makes a file of this viewer whose bytes are there, as far as the row says."""

    def make(viewer: Viewer) -> File:
        now = timezone.now()
        return File.objects.create(
            owner_id=viewer.user_id, name="a.csv", content_type="text/csv", size=1,
            upload_until=now, ready_at=now, storage_name="a",
        )  # fmt: skip

    return make


@pytest.fixture(autouse=True)
def _silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker.Knocker, "_start", lambda self: None)
    monkeypatch.setattr(notifier.Herald, "_start", lambda self: None)
