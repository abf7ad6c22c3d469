"""How a verb of tasks.statements is performed: the same text for SQLite and PostgreSQL.

On PostgreSQL the change and all that follows it are one statement and one round trip; SQLite runs
the parts in one IMMEDIATE transaction. The clock is always the database's, taken once per
statement, so no machine's own clock decides anything.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction

from tasks import failpoints
from tasks.failpoints import Point
from tasks.models import Run
from tasks.rows import fetch


@dataclass(frozen=True)
class Verb:
    """`change` is an INSERT or UPDATE of tasks_run; each of `then` selects from `u`.

    `returning` names columns, never all: a migration may bring one while this process lives. What
    it tells beside them is an attribute of Run.
    """

    change: str
    then: tuple[str, ...] = ()
    returning: str = field(kw_only=True)


# What is said of a run that is asked for, and PostgreSQL's types; `place` counts them from 0.
_ASKED = {
    "place": "integer",
    "id": "uuid",
    "task": "text",
    "input": "jsonb",
    "input_hash": "text",
    "idempotency_key": "text",
    "on_lost": "text",
    "max_failures": "smallint",
    "is_gated": "boolean",
    "is_unique": "boolean",
    "priority": "smallint",
    "tags": "jsonb",
    "run_at": "timestamptz",
    "expires_at": "timestamptz",
    "rerun_of": "uuid",
}
_typed = ", ".join(f"{name} {kind}" for name, kind in _ASKED.items())
_extracted = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in _ASKED)

# Words in braces differ by database: {now}, {epoch} (now in seconds),
# {after}...{seconds} (a time so many seconds from now),
# {least} and {most} (of what is not null), {differs} (unequal, null included),
# {texts} (those of a JSON list),
# {among}...{locked or skip_locked}{end} (a batch of rows), {in}...{in_end} (a JSON list of ids),
# {asked} (the rows of a JSON list of runs, by the names above),
# {lines} (the rows of a JSON list: value, place) and {part}...{part_end} (a text of such a value),
# {time}, {key} and {json} (the type of a parameter that may be null),
# {never} (later than every time).
_POSTGRESQL = {
    "asked": f"jsonb_to_recordset(%(runs)s::jsonb) AS asked({_typed})",
    "now": "statement_timestamp()",  # not clock_timestamp(): volatile, so no index bound
    "epoch": "extract(epoch from statement_timestamp())",
    "after": "(statement_timestamp() + (",
    "seconds": ") * interval '1 second')",
    "least": "LEAST",
    "most": "GREATEST",
    "texts": "SELECT jsonb_array_elements_text(%(tasks)s::jsonb)",
    "differs": "IS DISTINCT FROM",
    "among": "= ANY(ARRAY(",
    "locked": "FOR UPDATE",
    "skip_locked": "FOR UPDATE SKIP LOCKED",
    "end": "))",
    "in": "= ANY(ARRAY(SELECT jsonb_array_elements_text(",
    "in_end": "::jsonb)::uuid))",
    "lines": "jsonb_array_elements(%(lines)s::jsonb) WITH ORDINALITY AS line(value, place)",
    "part": "(line.value ->> ",
    "part_end": ")",
    "time": "::timestamptz",
    "key": "::uuid",
    "json": "::jsonb",
    "never": "'infinity'::timestamptz",
}
_SQLITE = {
    "asked": f"(SELECT {_extracted} FROM json_each(%(runs)s)) AS asked",
    # Six digits of fraction, as Django writes them: times are compared as texts.
    "now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now')",
    "epoch": "(julianday('now') - 2440587.5) * 86400",
    "after": "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', (",
    "seconds": ") || ' seconds')",
    "least": "MIN",
    "most": "MAX",
    "texts": "SELECT value FROM json_each(%(tasks)s)",
    "differs": "IS NOT",
    "among": "IN (",
    "locked": "",  # one writer at a time
    "skip_locked": "",
    "end": ")",
    "in": "IN (SELECT value FROM json_each(",
    "in_end": "))",
    "lines": "(SELECT value, key + 1 AS place FROM json_each(%(lines)s)) AS line",
    "part": "json_extract(line.value, '$.' || ",
    "part_end": ")",
    "time": "",
    "key": "",
    "json": "",
    "never": "'9999'",
}


def perform(verb: Verb, **params: Any) -> list[Run]:
    """Carry the verb out at once and entirely; the changed runs, as they now stand.

    Tried once more when the database gave way to somebody else (a deadlock, a lock that was not
    to be had in time), unless a transaction around it has been spoilt by that.
    """
    values = {name: _adapt(name, value) for name, value in params.items()}
    change, *then = _spelled(verb, connection.vendor)
    try:
        return _execute(change, then, values)
    except OperationalError as error:
        if connection.in_atomic_block or not _gave_way(error):
            raise
    return _execute(change, then, values)


def _execute(change: str, then: Sequence[str], values: dict[str, Any]) -> list[Run]:
    if connection.vendor == "postgresql":
        return fetch(change, values)
    with transaction.atomic():
        changed = fetch(change, values)
        with connection.cursor() as cursor:
            for run in changed:
                for statement in then:
                    cursor.execute(statement, {**values, "changed": run.pk.hex})
        failpoints.hit(Point.VERB_UNCOMMITTED)
    return changed


def as_asked(runs: Iterable[Mapping[str, Any]]) -> str:
    """The JSON list of runs that {asked} reads, each with what is named there but its place."""
    rows = [
        {"place": place, **{name: _in_json(name, value) for name, value in run.items()}}
        for place, run in enumerate(runs)
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"), default=str)


def _in_json(name: str, value: Any) -> Any:
    """As the column of this name stores it; what JSON has, too, stays as it is."""
    return _adapt(name, value) if _ASKED[name] in ("uuid", "timestamptz") else value


def ask(question: str, **params: Any) -> tuple[Any, ...]:
    """The one row that answers a question in the words of above."""
    words = _words(connection.vendor)
    with connection.cursor() as cursor:
        values = {name: _adapt(name, value) for name, value in params.items()}
        cursor.execute(question.format_map(words), values)
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def find(run_ids: Collection[UUID], columns: tuple[str, ...]) -> dict[UUID, Run]:
    """These columns of the runs that exist, for whoever asks: it is for him to say who sees them.

    The ORM would build the query each time, for more than it costs to ask it.
    """
    if not run_ids:
        return {}
    ids = json.dumps([run_id.hex for run_id in run_ids])
    return {run.pk: run for run in fetch(_finding(columns, connection.vendor), {"ids": ids})}


@cache
def _finding(columns: tuple[str, ...], vendor: str) -> str:
    found = f"SELECT {', '.join(columns)} FROM tasks_run WHERE id {{in}}%(ids)s{{in_end}}"
    return found.format_map(_words(vendor))


def _words(vendor: str) -> Mapping[str, str]:
    return _POSTGRESQL if vendor == "postgresql" else _SQLITE


def _gave_way(error: OperationalError) -> bool:
    """Deadlock (40P01), lock timeout (55P03), or SQLite's busy: nothing was written."""
    code = getattr(error.__cause__, "sqlstate", None)
    return code in ("40P01", "55P03") or "database is locked" in str(error)


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
