"""What every suite shares: users and viewers, and the private servers of tests.stacks."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections

from accounts.models import User
from accounts.viewer import SCOPES, Viewer
from backend.logs import Formatter
from tasks import guard
from tasks.models import Run

logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each poll hides what failed

pytest_plugins = ["tests.stacks.fixtures"]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite in a file of this session: threads share it as processes do in service."""
    database = connections.databases["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture
def make_viewer(db: None) -> Callable[..., Viewer]:
    """Makes a user of this name and the viewer behind a token with these scopes."""

    def make(name: str = "ada", scopes: tuple[str, ...] = SCOPES) -> Viewer:
        user, _ = User.objects.get_or_create(username=name)
        return Viewer(user.pk, frozenset(scopes))

    return make


@pytest.fixture
def forge(db: None) -> Callable[..., None]:
    """`forge(run, column=value)`: writes what no verb would write, past the guard of the rows."""

    def forge(run: Run, **columns: Any) -> None:
        trigger = "tasks_run_guard"
        table = " ON tasks_run" if connection.vendor == "postgresql" else ""
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TRIGGER {trigger}{table}")
        try:
            Run.objects.filter(pk=run.pk).update(**columns)
        finally:
            guard.install("default")

    return forge


class _Keeper(logging.Handler):
    """Keeps each line as the service would write it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(Formatter(as_json=True, debug=False))
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def log_lines() -> Iterator[list[dict[str, Any]]]:
    """The lines of the log that come meanwhile, read from their JSON."""
    keeper = _Keeper()
    logging.getLogger().addHandler(keeper)
    yield keeper.lines
    logging.getLogger().removeHandler(keeper)


@pytest.fixture
def viewer(make_viewer: Callable[..., Viewer]) -> Viewer:
    return make_viewer()
