"""What the tests of the admin ask, and read from its pages."""

import html
import re
from typing import Any
from uuid import UUID

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

RUNS, FILES, WORKERS = "/admin/tasks/run/", "/admin/tasks/file/", "/admin/tasks/worker/"


def page(client: Client, path: str) -> str:
    """The page's HTML."""
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code, answer.headers)
    return answer.content.decode()


def keys(client: Client, path: str) -> list[UUID]:
    """The rows of a list, in order."""
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code, answer.headers)
    return [row.pk for row in answer.context["cl"].result_list]


def act(client: Client, path: str, action: str, *rows: Any, **data: str) -> list[str]:
    """What was said when this action was done to these rows."""
    chosen = [str(row.pk) for row in rows]
    given = {"action": action, "_selected_action": chosen, "index": 0, **data}
    answer = client.post(path, given, follow=True)
    assert [status for _, status in answer.redirect_chain] == [302]
    return [str(message) for message in answer.context["messages"]]


def cost(client: Client, path: str) -> int:
    """How many queries the page takes; none of them counts or sorts without an end."""
    with CaptureQueriesContext(connection) as queries:
        page(client, path)
    for query in queries:
        if re.search(r"COUNT\(", query["sql"]):
            assert "LIMIT" in query["sql"], query["sql"]
    return len(queries)


def text_of(markup: str) -> str:
    """The words of a page, without tags."""
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", markup).split()))
