"""The second lock on a run's row: a trigger that lets no statement break the life of a run.

It refuses what the verbs of tasks.statements never do. It cannot replace their fences: who holds a
run is known by the statement alone. Made anew after each migration, because SQLite drops a table's
triggers when it rebuilds the table.
"""

from typing import Any

from django.db import connections

from tasks.status import MOVES

_TABLE = "tasks_run"


def install(using: str, **_: Any) -> None:
    """Make the triggers of this database what this code says; a handler of post_migrate."""
    connection = connections[using]
    if _TABLE not in connection.introspection.table_names():
        return  # migrated back to nothing
    statements = {"postgresql": _postgresql, "sqlite": _sqlite}[connection.vendor]()
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _broken(differs: str) -> str:
    """What an UPDATE may not do, as a condition on OLD and NEW; a final status has no moves."""
    moves = " OR ".join(
        f"(OLD.status = '{old}' AND NEW.status IN ({_words({old, *news})}))"
        for old, news in MOVES.items()
        if news
    )
    return f"""NOT ({moves})
        OR NEW.id <> OLD.id OR NEW.revision < OLD.revision
        OR (OLD.status = 'RUNNING' AND NEW.status = 'RUNNING'
            AND (NEW.token {differs} OLD.token))
        OR (NEW.attempt <> OLD.attempt AND NOT (NEW.attempt = OLD.attempt + 1
            AND OLD.status = 'QUEUED' AND NEW.status = 'RUNNING'))"""


def _words(statuses: Any) -> str:
    return ", ".join(f"'{status}'" for status in sorted(statuses))


def _postgresql() -> list[str]:
    return [
        """CREATE OR REPLACE FUNCTION tasks_run_guard() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'run %: % to % is no move of a run (attempt % to %, revision % to %)',
                OLD.id, OLD.status, NEW.status, OLD.attempt, NEW.attempt,
                OLD.revision, NEW.revision USING ERRCODE = 'integrity_constraint_violation';
        END $$""",
        f"""CREATE OR REPLACE TRIGGER tasks_run_guard BEFORE UPDATE ON {_TABLE} FOR EACH ROW
        WHEN ({_broken("IS DISTINCT FROM")}) EXECUTE FUNCTION tasks_run_guard()""",
    ]


def _sqlite() -> list[str]:
    return [
        "DROP TRIGGER IF EXISTS tasks_run_guard",
        f"""CREATE TRIGGER tasks_run_guard BEFORE UPDATE ON {_TABLE} FOR EACH ROW
        WHEN {_broken("IS NOT")}
        BEGIN SELECT RAISE(ABORT, 'this is no move of a run'); END""",
        "DROP TRIGGER IF EXISTS tasks_run_guard_replace",
        # INSERT OR REPLACE would turn a final row back without any UPDATE.
        f"""CREATE TRIGGER tasks_run_guard_replace BEFORE INSERT ON {_TABLE} FOR EACH ROW
        WHEN EXISTS (SELECT 1 FROM {_TABLE} WHERE id = NEW.id)
        BEGIN SELECT RAISE(ABORT, 'this run exists'); END""",
    ]
