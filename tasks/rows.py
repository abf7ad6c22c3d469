"""Rows of runs as a statement brings them, made into models at once.

The ORM's own ways cost several times as much: of what asking for a run by its id takes, most is
spent on building the query, and much of the rest on finding out anew how its columns are read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connection
from django.db.models.base import ModelState
from django.db.models.expressions import Col

from tasks.models import Run

# What a client can see of a run; its input and result may be large, and are read only if wanted.
LIGHT = (
    *("id", "owner_id", "task", "status", "revision", "attempt", "cancel_requested_at"),
    *("progress_done", "progress_total", "progress_message", "error", "may_have_repeated"),
    *("idempotency_key", "rerun_of", "priority", "tags", "run_at", "expires_at"),
    *("created_at", "started_at", "finished_at"),
)
WHOLE = (*LIGHT, "input", "result")

Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class _Shape:
    """How rows of these columns become runs."""

    names: tuple[str, ...]
    """Of the columns, in their order."""
    converters: tuple[tuple[str, Convert], ...]
    """How a column is read that comes otherwise than a model has it."""


_shapes: dict[tuple[str, str], _Shape] = {}  # by vendor and statement


def fetch(sql: str, params: Mapping[str, Any] | Sequence[Any]) -> list[Run]:
    """The runs that the statement brings; what it leaves out is deferred."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        shape = _shapes.get((connection.vendor, sql))
        if shape is None:
            names = tuple(column[0] for column in cursor.description)
            shape = _shapes[connection.vendor, sql] = _shape(connection.vendor, names)
        rows = cursor.fetchall()
    alias = connection.alias
    return [_run(row, shape, alias) for row in rows]


def _run(row: Sequence[Any], shape: _Shape, alias: str) -> Run:
    """Made as Django makes one from a pickle: without signals, and nothing is set twice."""
    values = dict(zip(shape.names, row, strict=True))
    for name, convert in shape.converters:
        if values[name] is not None:
            values[name] = convert(values[name])
    state = ModelState()
    state.adding, state.db = False, alias
    run = Run.__new__(Run)
    run.__dict__ = {"_state": state, **values}
    return run


@cache
def _shape(vendor: str, names: tuple[str, ...]) -> _Shape:
    fields = {field.attname: field for field in Run._meta.concrete_fields}
    converters = []
    for name in names:
        if name not in fields:
            continue  # told beside the columns, and plain
        column = fields[name].get_col("tasks_run")
        steps = connection.ops.get_db_converters(column) + column.get_db_converters(connection)
        if steps:
            converters.append((name, _in_turn(steps, column)))
    return _Shape(names, tuple(converters))


def _in_turn(steps: Sequence[Callable[..., Any]], column: Col) -> Convert:
    def convert(value: Any) -> Any:
        for step in steps:
            value = step(value, column, connection)
        return value

    return convert
