"""The verbs of a run as SQL, the same for SQLite and PostgreSQL, and how one is performed.

A verb changes rows of `tasks_run` in ONE conditional statement; what goes with the change (attempt,
event) reads the changed rows as `u`. On PostgreSQL all of it is one statement and one round trip;
SQLite runs the parts in one IMMEDIATE transaction. The clock is always the database's, taken once
per statement, so no machine's own clock decides anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connection, transaction

from tasks.models import Run


@dataclass(frozen=True)
class Verb:
    """`change` is an INSERT or UPDATE of tasks_run; each of `then` selects from `u`."""

    change: str
    then: tuple[str, ...] = ()
    returning: str = "*"


# Words in braces differ by database: {now}, {after}...{seconds} (a time so many seconds from now),
# {least}, {differs} (unequal, null included), {among}...{skip_locked}{end} (a batch of ids).
_POSTGRESQL = {
    "now": "statement_timestamp()",  # not clock_timestamp(): volatile, so no index bound
    "after": "(statement_timestamp() + (",
    "seconds": ") * interval '1 second')",
    "least": "LEAST",
    "differs": "IS DISTINCT FROM",
    "among": "= ANY(ARRAY(",
    "skip_locked": "FOR UPDATE SKIP LOCKED",
    "end": "))",
}
_SQLITE = {
    # Six digits of fraction, as Django writes them: times are compared as texts.
    "now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now')",
    "after": "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', (",
    "seconds": ") || ' seconds')",
    "least": "MIN",
    "differs": "IS NOT",
    "among": "IN (",
    "skip_locked": "",  # one writer at a time
    "end": ")",
}

_EVENT = "INSERT INTO tasks_event (run_id, number, at, kind, attempt, message) SELECT "
_HELD = "id = %(id)s AND status = 'RUNNING' AND attempt = %(attempt)s AND token = %(token)s"
_NO_SIGN = (
    "status = 'RUNNING' AND NOT lease_until BETWEEN {now} AND {after}1.5 * %(lease)s{seconds}"
)
_IS_LOST = "on_lost = 'park' OR failures + 1 >= max_failures"

SUBMIT = Verb(
    """INSERT INTO tasks_run (id, owner_id, task, input, input_hash, idempotency_key, on_lost,
        max_failures, status, revision, attempt, failures, rings, ring_at, created_at)
    VALUES (%(id)s, %(owner_id)s, %(task)s, %(input)s, %(input_hash)s, %(idempotency_key)s,
        %(on_lost)s, %(max_failures)s, 'QUEUED', 1, 0, 0, 0, {after}%(ring)s{seconds}, {now})
    ON CONFLICT (owner_id, task, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING""",
    (_EVENT + "id, revision, {now}, 'QUEUED', NULL, '' FROM u",),
)

CLAIM = Verb(
    """UPDATE tasks_run SET status = 'RUNNING', attempt = attempt + 1, token = %(token)s,
        lease_until = {after}%(lease)s{seconds}, ring_at = NULL, revision = revision + 1,
        started_at = COALESCE(started_at, {now}),
        progress_done = NULL, progress_total = NULL, progress_message = NULL
    WHERE id = %(id)s AND status = 'QUEUED'""",
    (
        """INSERT INTO tasks_attempt (run_id, number, token, worker, started_at)
        SELECT id, attempt, %(token)s, %(worker)s, {now} FROM u""",
        _EVENT + "id, revision, {now}, 'STARTED', attempt, %(worker)s FROM u",
    ),
)

HEARTBEAT = Verb(
    """UPDATE tasks_run SET lease_until = {after}%(lease)s{seconds},
        revision = revision + CASE WHEN progress_done {differs} %(progress_done)s
            OR progress_total {differs} %(progress_total)s
            OR progress_message {differs} %(progress_message)s THEN 1 ELSE 0 END,
        progress_done = %(progress_done)s, progress_total = %(progress_total)s,
        progress_message = %(progress_message)s
    WHERE """
    + _HELD,
    returning="id, revision",
)

FINISH = Verb(
    """UPDATE tasks_run SET status = %(status)s, lease_until = NULL, revision = revision + 1,
        failures = failures + CASE WHEN %(status)s = 'FAILED' THEN 1 ELSE 0 END,
        result = %(result)s, error = %(error)s, finished_at = {now},
        progress_done = CASE WHEN %(progress)s THEN %(progress_done)s ELSE progress_done END,
        progress_total = CASE WHEN %(progress)s THEN %(progress_total)s ELSE progress_total END,
        progress_message =
            CASE WHEN %(progress)s THEN %(progress_message)s ELSE progress_message END
    WHERE """
    + _HELD,
    (
        """UPDATE tasks_attempt SET finished_at = {now}, outcome = %(status)s, error = %(error)s
        FROM u WHERE tasks_attempt.run_id = u.id AND tasks_attempt.number = u.attempt""",
        _EVENT + "id, revision, {now}, %(status)s, attempt, %(message)s FROM u",
    ),
    returning="id, revision, attempt",
)

RECOVER = Verb(
    "UPDATE tasks_run SET lease_until = NULL, revision = revision + 1, failures = failures + 1,"
    f" status = CASE WHEN {_IS_LOST} THEN 'LOST' ELSE 'SCHEDULED' END,"
    f" ring_at = CASE WHEN {_IS_LOST} THEN NULL ELSE {{now}} END,"
    f" finished_at = CASE WHEN {_IS_LOST} THEN {{now}} END,"
    f" error = CASE WHEN {_IS_LOST} THEN %(error)s END"
    f" WHERE id {{among}}SELECT id FROM tasks_run WHERE {_NO_SIGN} ORDER BY id"
    f" LIMIT %(batch)s {{skip_locked}}{{end}} AND {_NO_SIGN}",
    (
        """UPDATE tasks_attempt SET finished_at = {now}, outcome = 'LOST', error = %(error)s
        FROM u WHERE tasks_attempt.run_id = u.id AND tasks_attempt.number = u.attempt""",
        _EVENT
        + """id, revision, {now}, CASE WHEN status = 'LOST' THEN 'LOST' ELSE 'RETRIED' END,
        attempt, %(message)s FROM u""",
    ),
    returning="id, task, status, revision, attempt",
)

START_DUE = Verb(
    """UPDATE tasks_run SET status = 'QUEUED', rings = 0, ring_at = {now}, revision = revision + 1
    WHERE id {among}SELECT id FROM tasks_run WHERE status = 'SCHEDULED' AND ring_at <= {now}
        ORDER BY ring_at, id LIMIT %(batch)s {skip_locked}{end} AND status = 'SCHEDULED'""",
    (_EVENT + "id, revision, {now}, 'QUEUED', NULL, '' FROM u",),
    returning="id, revision",
)

RING = Verb(
    """UPDATE tasks_run SET rings = rings + 1,
        ring_at = {after}{least}(%(ring)s * (1 << {least}(rings, 3)), 5 * %(ring)s){seconds}
    WHERE id {among}SELECT id FROM tasks_run WHERE status = 'QUEUED' AND ring_at <= {now}
        ORDER BY ring_at, id LIMIT %(batch)s {skip_locked}{end} AND status = 'QUEUED'""",
    returning="id, task",
)


def perform(verb: Verb, **params: Any) -> list[Run]:
    """Carry the verb out at once and entirely; the changed runs, as they now stand."""
    values = {name: _adapt(name, value) for name, value in params.items()}
    change, *then = _spelled(verb, connection.vendor)
    if connection.vendor == "postgresql":
        return list(Run.objects.raw(change, values))
    with transaction.atomic():
        changed = list(Run.objects.raw(change, values))
        with connection.cursor() as cursor:
            for run in changed:
                for statement in then:
                    cursor.execute(statement, {**values, "changed": run.pk.hex})
    return changed


@cache
def _spelled(verb: Verb, vendor: str) -> tuple[str, ...]:
    """The verb in the database's own words: one statement, or the change and what follows it."""
    change = f"{verb.change} RETURNING {verb.returning}"
    if vendor == "postgresql":
        parts = [f"u AS ({change})", *(f"t{n} AS ({then})" for n, then in enumerate(verb.then))]
        return (f"WITH {', '.join(parts)} SELECT * FROM u".format_map(_POSTGRESQL),)
    row = "WITH u AS (SELECT * FROM tasks_run WHERE id = %(changed)s) "
    return tuple(text.format_map(_SQLITE) for text in (change, *(row + t for t in verb.then)))


@cache
def _columns() -> Mapping[str, Any]:
    return {field.attname: field for field in Run._meta.concrete_fields}


def _adapt(name: str, value: Any) -> Any:
    """The value as the column of this name stores it; other names are plain."""
    field = _columns().get(name)
    return value if field is None else field.get_db_prep_save(value, connection)
