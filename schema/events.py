"""The events of a run: the type, its connection, its filter."""

from typing import Any
from uuid import UUID

import graphene
from django.db.models import Q, QuerySet
from graphene import relay
from graphene_django import DjangoObjectType

from accounts.viewer import RUNS_READ
from schema.core import run_type
from schema.enums import EventKind, LogLevel
from schema.grouped import RunRows
from schema.ids import to_number
from schema.pages import Cut, Order, Page, PageInfo
from schema.scalars import DateTime
from tasks import models

BY_NUMBER = Order("events", "number", to_number)


class Event(DjangoObjectType):
    """A fact about a run; it never changes."""

    class Meta:
        model = models.Event
        interfaces = (relay.Node,)
        fields = ()

    number = graphene.Int(
        required=True, description="The run's revision at which it happened: it rises, with gaps."
    )
    at = DateTime(required=True, description="When it happened.")
    kind = graphene.Field(EventKind, required=True, description="What it tells.")
    attempt = graphene.Int(description="The number of the attempt it belongs to, if to one.")
    level = graphene.Field(LogLevel, description="How serious it is; null for all but log lines.")
    message = graphene.String(required=True, description="A text for people; may be empty.")
    run = graphene.Field(run_type, required=True, description="The run it tells of.")

    def resolve_id(self, info: Any) -> str:
        return f"{self.run_id}:{self.number}"

    def resolve_message(self, info: Any) -> Any:
        return info.context.charge(self.message)

    def resolve_run(self, info: Any) -> models.Run | None:
        run: models.Run | None = info.context.run(self.run_id)
        return run


class EventEdge(graphene.ObjectType):
    """An event in a list, with its place."""

    cursor = graphene.String(required=True, description="For `after` and `before`.")
    node = graphene.Field(Event, required=True, description="The event.")


class EventConnection(graphene.ObjectType):
    """A page of events, the first one first."""

    edges = graphene.Field(
        graphene.List(graphene.NonNull(EventEdge)),
        required=True,
        description="The events with cursors.",
    )
    nodes = graphene.Field(
        graphene.List(graphene.NonNull(Event)), required=True, description="The events."
    )
    page_info = graphene.Field(PageInfo, required=True, description="Where the page lies.")


class EventFilter(graphene.InputObjectType):
    """Which events; all that is given must hold."""

    kinds = graphene.List(graphene.NonNull(EventKind), description="Of one of these kinds.")
    min_level = graphene.Field(
        LogLevel,
        description="No log lines less serious than this. An event that is no log line stays.",
    )


def events_of(info: Any, run_id: UUID, wanted: Any, page: dict[str, Any]) -> Page[models.Event]:
    """A page of the run's events; nothing for a credential that may not read runs."""
    kinds = wanted.get("kinds")
    level = wanted.get("min_level")
    name = ("events", None if kinds is None else frozenset(kinds), level)
    rows = _filtered(readable(info, models.Event.objects.all()), kinds, level)
    return Page(RunRows(info.context, run_id, name, rows), Cut.of(BY_NUMBER, **page))


def readable(info: Any, rows: QuerySet[Any]) -> QuerySet[Any]:
    """The rows that belong to shown runs: a start-only credential sees its start and no more."""
    return rows if info.context.signed_in.may(RUNS_READ) else rows.none()


def _filtered(rows: QuerySet[models.Event], kinds: Any, level: Any) -> QuerySet[models.Event]:
    if kinds is not None:
        rows = rows.filter(kind__in={kind.value for kind in kinds})
    if level is not None:
        rows = rows.filter(Q(level=None) | Q(level__gte=level.value))
    return rows
