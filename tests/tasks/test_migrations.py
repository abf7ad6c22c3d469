"""Yesterday's code goes on writing while a migration brings today's columns."""

import pytest
from django.db import connection
from django.db.migrations import AddField
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

from accounts.viewer import Viewer
from tasks.models import Run
from tests.tasks.holding import hold, start

FIRST_SUBMIT = """INSERT INTO tasks_run (id, owner_id, task, input, input_hash, on_lost,
    max_failures, status, revision, attempt, failures, rings, ring_at, created_at)
SELECT %s, owner_id, task, input, input_hash, on_lost, max_failures, 'QUEUED', 1, 0, 0, 0,
    created_at, created_at FROM tasks_run"""


def test_a_later_column_may_be_null_or_has_a_default_in_the_database() -> None:
    migrations = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    added = [
        (name, operation.name, operation.field)
        for (app, name), migration in migrations.items()
        if app == "tasks"
        for operation in migration.operations
        if isinstance(operation, AddField)
    ]
    assert len(added) > 10
    for name, column, field in added:
        assert field.null or field.db_default is not NOT_PROVIDED, f"{name}: {column}"


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
def test_a_run_that_the_first_release_wrote_is_performed_by_today(viewer: Viewer) -> None:
    key = start(viewer).pk
    new = key.__class__(int=key.int + 1)
    with connection.cursor() as cursor:
        cursor.execute(FIRST_SUBMIT, [new if connection.vendor == "postgresql" else new.hex])
    run = Run.objects.get(pk=new)
    assert (run.tags, run.priority, run.is_gated, run.may_have_repeated) == ([], 1, False, False)
    assert hold(run).attempt == 1
