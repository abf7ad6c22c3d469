"""Runs operations against the schema as the door does, without HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from graphql import graphql_sync

from accounts.viewer import Viewer
from schema.build import schema
from schema.context import RequestContext
from tasks import broker, notifier

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


@pytest.fixture(autouse=True)
def _silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker.Knocker, "_start", lambda self: None)
    monkeypatch.setattr(notifier.Herald, "_start", lambda self: None)
