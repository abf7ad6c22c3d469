"""Reads of runs that come again and again: the ORM spells each once, and from then on it is asked.

What a viewer may see is said in one place, `visible_to`; the text of its query is the same for all
viewers who see their own runs, so it is kept with marks where their values go.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from accounts.viewer import RUNS_READ, Viewer
from tasks.models import Run
from tasks.rows import fetch

Values = Mapping[str, UUID]
Build = Callable[[Viewer, Values], QuerySet[Run]]


@dataclass(frozen=True)
class _Spelled:
    sql: str
    order: tuple[str | None, ...]
    """Of each parameter: whose value it is; None: its own."""
    params: tuple[Any, ...]


_OWNER = "owner"
_spelled: dict[tuple[Hashable, ...], _Spelled] = {}


def read(
    what: Hashable, build: Build, viewer: Viewer, columns: tuple[str, ...], **values: UUID
) -> list[Run]:
    """The rows of `build(viewer, values)`, with these columns.

    `what` tells its query from others; only the values may differ under the same name.
    """
    if not sees_own(viewer):
        return list(build(viewer, values).only(*columns))
    key = (connection.vendor, what, columns, *values)
    spelled = _spelled.get(key)
    if spelled is None:
        spelled = _spelled[key] = _spell(build, viewer, columns, tuple(values))
    given = {_OWNER: viewer.user_id, **values}
    params = [
        own if name is None else _adapted(given[name])
        for name, own in zip(spelled.order, spelled.params, strict=True)
    ]
    return fetch(spelled.sql, params)


def find(viewer: Viewer, key: UUID, columns: tuple[str, ...]) -> Run | None:
    """The run as this viewer may see it."""
    found = read("find", _by_key, viewer, columns, key=key)
    return found[0] if found else None


def _by_key(viewer: Viewer, values: Values) -> QuerySet[Run]:
    return Run.objects.visible_to(viewer).filter(pk=values["key"])


def sees_own(viewer: Viewer) -> bool:
    """Whether what the viewer sees is a matter of the owner alone."""
    is_plain = viewer.run_id is None and not viewer.is_admin and not viewer.peers
    return is_plain and viewer.may(RUNS_READ)


def _spell(
    build: Build, viewer: Viewer, columns: tuple[str, ...], names: tuple[str, ...]
) -> _Spelled:
    marks = {name: UUID(int=number) for number, name in enumerate((_OWNER, *names), 1)}
    stranger = Viewer(marks[_OWNER], viewer.scopes)
    rows = build(stranger, {name: marks[name] for name in names}).only(*columns)
    sql, params = rows.query.sql_with_params()
    owners = {_adapted(mark): name for name, mark in marks.items()}
    order = tuple(owners.get(value) for value in params)
    assert set(order) >= marks.keys(), sql  # nosec B101 # noqa: S101 - or a value would not count
    return _Spelled(sql, order, params)


def _adapted(value: UUID) -> Any:
    """As the database stores a key."""
    return Run._meta.pk.get_db_prep_value(value, connection)
