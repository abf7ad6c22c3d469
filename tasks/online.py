"""Migrations of indexes while runs come and go.

Else PostgreSQL lets nobody write to a table for as long as an index of it is built. A migration of
these says `atomic = False`, so it may be cut off in the middle: each may be repeated then. SQLite
has one writer at a time in any case.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db.migrations import AddIndex, RemoveIndex


class AddIndexOnline(AddIndexConcurrently):
    """AddIndex that keeps no writer waiting."""

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        kind = AddIndexConcurrently if _is_postgresql(schema_editor) else AddIndex
        with _building(schema_editor, self.index.name) as is_needed:
            if is_needed:
                kind.database_forwards(self, app_label, schema_editor, *states)

    def database_backwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        with _patience(schema_editor):
            _drop(schema_editor, self.index.name)


class RemoveIndexOnline(RemoveIndexConcurrently):
    """RemoveIndex that keeps no writer waiting."""

    name: str

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        with _patience(schema_editor):
            _drop(schema_editor, self.name)

    def database_backwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        kind = RemoveIndexConcurrently if _is_postgresql(schema_editor) else RemoveIndex
        with _building(schema_editor, self.name) as is_needed:
            if is_needed:
                kind.database_backwards(self, app_label, schema_editor, *states)


@contextmanager
def _building(schema_editor: Any, name: str) -> Iterator[bool]:
    """Whether the index is to be built, with no other of its name in the way."""
    if _stands(schema_editor, name):
        yield False
        return
    with _patience(schema_editor):
        _drop(schema_editor, name)  # one whose building was cut off stays behind, invalid
        yield True


def _stands(schema_editor: Any, name: str) -> bool:
    """Whether it was built to the end already, by a migration that was cut off later."""
    if schema_editor.collect_sql:
        return False
    question = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = %s"
    if _is_postgresql(schema_editor):
        question = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid"
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(question, [name])
        return cursor.fetchone() is not None


@contextmanager
def _patience(schema_editor: Any) -> Iterator[None]:
    """Without the limits of requests: a large index takes minutes, and waits for old readers."""
    limits = ("statement_timeout", "lock_timeout") if _is_postgresql(schema_editor) else ()
    for limit in limits:
        schema_editor.execute(f"SET {limit} = 0")
    try:
        yield
    finally:
        for limit in limits:
            schema_editor.execute(f"RESET {limit}")


def _drop(schema_editor: Any, name: str) -> None:
    concurrently = "CONCURRENTLY " if _is_postgresql(schema_editor) else ""
    schema_editor.execute(f"DROP INDEX {concurrently}IF EXISTS {schema_editor.quote_name(name)}")


def _is_postgresql(schema_editor: Any) -> bool:
    return bool(schema_editor.connection.vendor == "postgresql")
