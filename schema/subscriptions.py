"""What can be watched: one run, the changes of all, the events of one.

A subscription's resolver only says which feed it is; the door reads that, and executes the
operation for each item of the feed.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Never

import graphene

from accounts.viewer import RUNS_READ
from schema.events import BY_NUMBER, EventEdge
from schema.filters import RunScope, checked_scope
from schema.ids import key_of
from schema.pages import from_cursor, to_cursor
from schema.run import Run, show
from schema.selection import selects_stored
from tasks import models
from tasks.watch import EventFeed, Feed, NoFeed, OwnerFeed, RunFeed


@dataclass
class Source(AsyncIterator[Never]):
    """What graphql-core takes for a stream of events; the door takes `feed` out of it."""

    feed: Feed

    async def __anext__(self) -> Never:
        raise StopAsyncIteration


class Subscription(graphene.ObjectType):
    """Everything that can be watched."""

    run = graphene.Field(
        Run,
        id=graphene.ID(required=True, description="The run's global id."),
        after_revision=graphene.Int(
            description="The revision that is known: begin with a later one."
        ),
        description="A run as it is, then each newer revision, the last one always, until it is "
        "final; one that is final comes once, whatever `afterRevision` says. Null, and the end, "
        "when there is none to see, or no longer.",
    )
    run_changed = graphene.Field(
        Run,
        scope=RunScope(description="Which runs; all of the viewer's when left out."),
        description="Each run of the viewer that changes from now on, also those that are started "
        "later. Read `runs` when connected: what happened before does not come. Null, and the end, "
        "for a credential that may not read runs, or one run only.",
    )
    run_events = graphene.Field(
        EventEdge,
        id=graphene.ID(required=True, description="The run's global id."),
        after=graphene.String(description="A cursor: begin with the event after it."),
        description="The events of a run from the first one on, then those that happen, until the "
        "run is final. Null, and the end, when there is none to see, or no longer.",
    )

    def subscribe_run(self, info: Any, id: str, after_revision: int | None = None) -> Source:
        _ = info.context.signed_in
        key = key_of(id, "Run")
        is_heavy = selects_stored(info)
        return Source(NoFeed() if key is None else RunFeed(key, after_revision, is_heavy))

    def subscribe_run_changed(self, info: Any, scope: Any = None) -> Source:
        viewer = info.context.signed_in
        if not viewer.may(RUNS_READ) or viewer.run_id is not None:
            return Source(NoFeed())
        owners = (viewer.user_id, *viewer.peers)
        feed = OwnerFeed(owners, checked_scope(scope or {}), selects_stored(info))
        return Source(feed.begin())

    def subscribe_run_events(self, info: Any, id: str, after: str | None = None) -> Source:
        _ = info.context.signed_in
        number = 0 if after is None else from_cursor(after, BY_NUMBER)
        key = key_of(id, "Run")
        return Source(NoFeed() if key is None else EventFeed(key, number))

    def resolve_run(self, info: Any, **_: Any) -> models.Run | None:
        return _shown(self, info)

    def resolve_run_changed(self, info: Any, **_: Any) -> models.Run | None:
        return _shown(self, info)

    def resolve_run_events(self, info: Any, **_: Any) -> dict[str, Any] | None:
        event: models.Event | None = self
        if event is None:
            return None
        return {"cursor": to_cursor(event.number, BY_NUMBER), "node": event}


def _shown(run: models.Run | None, info: Any) -> models.Run | None:
    """The item of the feed, as a root field answers with it."""
    show(info, [] if run is None else [run])
    return run
