"""Which runs: the filter of lists and of what is done to many at once; the scope of watchers."""

from collections.abc import Collection
from typing import Any

import graphene
from django.db import connection
from django.db.models import BooleanField, CharField, F, Func, Q, QuerySet, Value

from schema.enums import RunStatus
from schema.errors import bad_user_input
from schema.scalars import DateTime
from tasks import models
from tasks.exceptions import Problem, Refused
from tasks.status import FINAL, OPEN, Status
from tasks.submission import TAGS
from tasks.text import is_text
from tasks.watch import Scope

TASKS = 100  # that one filter may name


class RunFilter(graphene.InputObjectType):
    """Which runs; all that is given must hold."""

    tasks = graphene.List(graphene.NonNull(graphene.String), description="Of one of these tasks.")
    tags = graphene.List(
        graphene.NonNull(graphene.String),
        description=f"With all of these tags; at most {TAGS}.",
    )
    statuses = graphene.List(graphene.NonNull(RunStatus), description="In one of these statuses.")
    is_final = graphene.Boolean(description="Over, or not.")
    created_from = DateTime(description="Asked for at this time or later.")
    created_before = DateTime(description="Asked for before this time.")


class RunScope(graphene.InputObjectType):
    """Which runs, by what never changes, so that a watcher never loses one."""

    tasks = graphene.List(graphene.NonNull(graphene.String), description="Of one of these tasks.")
    tags = graphene.List(
        graphene.NonNull(graphene.String),
        description=f"With all of these tags; at most {TAGS}.",
    )


class _HasTag(Func):
    """Whether a list of texts has this one, for a database that cannot search JSON (SQLite)."""

    template = "EXISTS (SELECT 1 FROM json_each(%(expressions)s)"
    arg_joiner = ") WHERE value = "
    output_field = BooleanField()


def filtered(rows: QuerySet[models.Run], wanted: Any) -> QuerySet[models.Run]:
    """Those of the runs that the filter wants, or Refused when it names too much."""
    if (tasks := wanted.get("tasks")) is not None:
        _check(len(tasks), TASKS, "tasks")
        rows = rows.filter(task__in=[task for task in tasks if is_text(task)])
    if (tags := wanted.get("tags")) is not None:
        _check(len(tags), TAGS, "tags")
        rows = rows.filter(_carries(tags)) if all(map(is_text, tags)) else rows.none()
    if (statuses := wanted.get("statuses")) is not None:
        rows = rows.filter(models.shown_as({Status(status) for status in statuses}))
    if (is_final := wanted.get("is_final")) is not None:
        statuses = FINAL if is_final else OPEN
        rows = rows.filter(status__in=sorted(status.value for status in statuses))
    if (start := wanted.get("created_from")) is not None:
        rows = rows.filter(created_at__gte=start)
    if (end := wanted.get("created_before")) is not None:
        rows = rows.filter(created_at__lt=end)
    return rows


def checked_scope(wanted: Any) -> Scope:
    """The scope of a watcher; BAD_USER_INPUT when it names too much."""
    tasks, tags = wanted.get("tasks"), wanted.get("tags")
    try:
        _check(len(tasks or ()), TASKS, "tasks", "scope")
        _check(len(tags or ()), TAGS, "tags", "scope")
    except Refused as refused:
        raise bad_user_input(str(refused)) from None
    return Scope(None if tasks is None else frozenset(tasks), frozenset(tags or ()))


def _check(number: int, limit: int, what: str, argument: str = "filter") -> None:
    if number > limit:
        problem = Problem(f"A {argument} may name at most {limit} {what}.", path=(argument, what))
        raise Refused([problem])


def _carries(tags: Collection[str]) -> Q:
    """All of the tags, in words that let an index serve where there is one."""
    if connection.features.supports_json_field_contains:
        return Q(tags__contains=list(tags)) if tags else Q()
    return Q(*(_HasTag(F("tags"), Value(tag, CharField())) for tag in set(tags)))
