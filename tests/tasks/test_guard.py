"""The rows' own lock allows exactly the moves of the table, whoever writes."""

import itertools
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.viewer import Viewer
from tasks import guard
from tasks.models import Run
from tasks.status import FINAL, MOVES, Status
from tests.tasks.holding import fresh, start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

STORED = sorted(MOVES)


def allows(run: Run, **columns: Any) -> bool:
    """Whether this UPDATE goes through; undone in either case."""
    try:
        with transaction.atomic():
            Run.objects.filter(pk=run.pk).update(**columns)
            transaction.set_rollback(True)
    except IntegrityError:
        return False
    return True


def test_every_status_is_in_the_table_but_the_derived_one() -> None:
    assert set(MOVES) == set(Status) - {Status.CANCELING}
    assert {status for status, moves in MOVES.items() if not moves} == FINAL


def test_the_database_allows_exactly_the_moves_of_the_table(
    viewer: Viewer, forge: Callable[..., None]
) -> None:
    run = start(viewer)
    for old in STORED:
        forge(run, status=old)
        for new in STORED:
            attempt = run.attempt + (old == "QUEUED" and new == "RUNNING")
            expected = new in MOVES[old] or (new == old and old not in FINAL)
            assert allows(run, status=new, attempt=attempt) is expected, (old, new)


@pytest.mark.parametrize("status", sorted(FINAL))
@pytest.mark.parametrize(
    "columns", [{"result": {"a": 1}}, {"revision": 99}, {"failures": 9}, {"lease_until": None}]
)
def test_a_final_row_cannot_be_changed_at_all(
    viewer: Viewer, forge: Callable[..., None], status: str, columns: dict[str, Any]
) -> None:
    run = start(viewer)
    forge(run, status=status)
    assert not allows(run, **columns)


def test_attempt_revision_key_and_token_keep_their_rules(
    viewer: Viewer, forge: Callable[..., None]
) -> None:
    run = start(viewer)
    assert not allows(run, revision=0)
    assert not allows(run, attempt=1)
    assert not allows(run, status="RUNNING", attempt=2)
    assert allows(run, status="RUNNING", attempt=1, token=uuid4())
    assert not allows(run, id=uuid4())
    forge(run, status="RUNNING", attempt=1, token=uuid4())
    assert not allows(run, token=uuid4())
    assert not allows(run, token=None)
    assert not allows(run, attempt=2)
    assert allows(run, status="QUEUED", token=None)


def test_a_final_row_cannot_be_replaced(viewer: Viewer, forge: Callable[..., None]) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("INSERT OR REPLACE is SQLite's")
    run = start(viewer)
    forge(run, status="SUCCEEDED")
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match="exists"):
        cursor.execute(
            "INSERT OR REPLACE INTO tasks_run SELECT * FROM tasks_run WHERE id = %s", [run.pk.hex]
        )
    assert fresh(run).status == "SUCCEEDED"


def test_the_guard_is_made_anew_as_often_as_one_likes(viewer: Viewer) -> None:
    run = start(viewer)
    for _ in itertools.repeat(None, 2):
        guard.install("default")
    assert not allows(run, revision=0)
