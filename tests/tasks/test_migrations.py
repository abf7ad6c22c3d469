"""Yesterday's code goes on writing while a migration brings today's columns."""

import io
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations import (
    AddConstraint,
    AddField,
    AddIndex,
    CreateModel,
    RemoveIndex,
    RunPython,
)
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import NOT_PROVIDED

from accounts.viewer import Viewer
from tasks import runs
from tasks.models import Run
from tasks.online import AddIndexOnline, RemoveIndexOnline
from tests.tasks.holding import SUCCESS, hold, let_lease_pass, start

FIRST_SUBMIT = """INSERT INTO tasks_run (id, owner_id, task, input, input_hash, on_lost,
    max_failures, status, revision, attempt, failures, rings, ring_at, created_at)
SELECT %s, owner_id, task, input, input_hash, on_lost, max_failures, 'QUEUED', 1, 0, 0, 0,
    created_at, created_at FROM tasks_run"""


# Yesterday's code lives with these; indexes may go, too.
HARMLESS = {CreateModel, AddField, AddConstraint, RunPython, AddIndexOnline, RemoveIndexOnline}
BEFORE_ONLINE = {"0001_initial", "0002_life_of_a_run", "0003_owner_waiting", "0004_admin_lists"}
# Read one by one: a constraint that was made again, and columns that may be longer or null since.
LOOKED_AT = {
    ("tasks", "0002_life_of_a_run", "AlterField"),
    ("tasks", "0004_admin_lists", "AlterField"),
    ("tasks", "0004_admin_lists", "RemoveConstraint"),
}


def migrations() -> Iterator[tuple[str, str, Operation]]:
    """Each operation of our own migrations, with the app's and the migration's names."""
    found = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    for (app, name), migration in sorted(found.items()):
        if app in ("accounts", "tasks"):
            for operation in migration.operations:
                yield app, name, operation


def test_a_migration_takes_nothing_away_that_yesterdays_code_needs() -> None:
    others = {
        (app, name, type(operation).__name__)
        for app, name, operation in migrations()
        if type(operation) not in HARMLESS
        and not (isinstance(operation, AddIndex | RemoveIndex) and name in BEFORE_ONLINE)
    }
    assert others == LOOKED_AT


def test_a_later_column_may_be_null_or_has_a_default_in_the_database() -> None:
    added = [
        (f"{app} {name}: {operation.name}", operation.field)
        for app, name, operation in migrations()
        if isinstance(operation, AddField)
    ]
    assert len(added) > 10
    for where, field in added:
        assert field.null or field.db_default is not NOT_PROVIDED, where


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
def test_a_column_of_tomorrows_code_disturbs_no_verb(viewer: Viewer) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tasks_run ADD COLUMN of_tomorrow text")
    try:
        first, second = start(viewer), start(viewer)
        assert runs.finish(hold(first), SUCCESS) == "SUCCEEDED"
        hold(second)
        let_lease_pass(second)
        assert [run.pk for run in runs.recover()] == [second.pk]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE tasks_run DROP COLUMN of_tomorrow")


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, "tasks_run")
    return {name for name, each in constraints.items() if each["index"]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
def test_a_migration_of_indexes_may_be_cut_off_and_repeated(viewer: Viewer) -> None:
    """And taken back; a run is there all the time."""
    start(viewer)
    today = indexes()
    try:
        call_command("migrate", "tasks", "0004", verbosity=0)
        before = indexes()
        assert before != today
        call_command("migrate", "tasks", verbosity=0)
        assert indexes() == today
        MigrationRecorder(connection).record_unapplied("tasks", "0005_newest_of_an_owner")
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX run_of_owner")
    finally:
        call_command("migrate", "tasks", verbosity=0)
    assert indexes() == today
    assert Run.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer in any case")
@pytest.mark.parametrize("direction", [[], ["--backwards"]])
def test_no_writer_waits_for_an_index(direction: list[str]) -> None:
    told = io.StringIO()
    call_command("sqlmigrate", "tasks", "0005", *direction, stdout=told)
    changes = [line for line in told.getvalue().splitlines() if " INDEX " in line]
    assert len(changes) >= 6
    assert all("INDEX CONCURRENTLY" in line for line in changes), changes


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
@pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite it is built, or it is not")
def test_an_index_that_was_left_invalid_is_built_again(viewer: Viewer) -> None:
    def is_valid() -> bool:
        with connection.cursor() as cursor:
            text = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'run_of_owner'::regclass"
            cursor.execute(text)
            return bool(cursor.fetchone()[0])

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = 'run_of_owner'::regclass"
        )
    assert not is_valid()
    MigrationRecorder(connection).record_unapplied("tasks", "0005_newest_of_an_owner")
    call_command("migrate", "tasks", verbosity=0)
    assert is_valid()


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
