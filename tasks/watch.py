"""What watchers of runs are still to be told, read for many watchers at once.

A feed belongs to one watcher and knows what that one has been told. Three steps, so that rows are
read in a thread while knocks come in elsewhere: `ask` takes what is to be looked at, `Rows` reads
it for all feeds together, `answer` says what is new; and once the watcher has that, `told`.
"""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from django.utils import timezone

from accounts.keys import first_key
from accounts.viewer import Viewer
from tasks import sql
from tasks.models import Event, Run
from tasks.notifier import GONE, Change
from tasks.rows import LIGHT, WHOLE
from tasks.status import OPEN

RUNS_AT_ONCE = 100  # that one look tells of to one watcher
HEAVY_AT_ONCE = 10  # when their input and result are read, which may be large
EVENTS_AT_ONCE = 100
BACKLOG = 1_000  # runs that one watcher of many may be behind; then it is cut off
REMEMBERED = 1_000  # runs whose last told revision a watcher of many remembers
STANDING = 10_000  # open runs of all watched owners that are looked at without a knock
IDS_AT_ONCE = 10_000  # in one query: SQLite takes 32,766 parameters where it takes few
RECENT = timedelta(minutes=1)


class Rows:
    """The rows that a batch of feeds asks for, each read once, whoever sees it."""

    def __init__(self) -> None:
        self._light: set[UUID] = set()
        self._heavy: set[UUID] = set()
        self._runs: dict[UUID, Run] | None = None
        self._events: dict[tuple[UUID, int], list[Event]] = {}

    def want(self, run_ids: Iterable[UUID], *, is_heavy: bool) -> None:
        """Announce runs; heavy ones come with what may be large, their input and result."""
        (self._heavy if is_heavy else self._light).update(run_ids)

    def run(self, run_id: UUID, viewer: Viewer | None) -> Run | None:
        """The announced run, if this viewer may see it."""
        if self._runs is None:
            light = sql.find(self._light - self._heavy, LIGHT)
            self._runs = light | sql.find(self._heavy, WHOLE)
        run = self._runs.get(run_id)
        return run if run is not None and run.is_visible_to(viewer) else None

    def events(self, run_id: UUID, after: int) -> list[Event]:
        """The next events of a run that was seen, at most EVENTS_AT_ONCE."""
        key = (run_id, after)
        if key not in self._events:
            later = Event.objects.filter(run_id=run_id, number__gt=after).order_by("number")
            self._events[key] = list(later[:EVENTS_AT_ONCE])
        return self._events[key]


@dataclass(frozen=True)
class News:
    """What a watcher is told now: nothing, or items in their order; with `is_over`, all of it.

    An item is a Run, an Event, or None for what is not, or no longer, to be seen. `revision` is the
    run's up to which this is all there was.
    """

    items: list[Any]
    is_over: bool = False
    has_more: bool = False
    revision: int = 0

    def up_to(self, count: int) -> "News":
        """The first of the items; the others are told later."""
        return News(self.items[:count], has_more=True)


class Feed(ABC):
    """What one watcher is still to be told."""

    @property
    def run_ids(self) -> Collection[UUID]:
        """The runs it is about."""
        return ()

    @property
    def owner_ids(self) -> Collection[UUID]:
        """Whose runs it is about, all of them."""
        return ()

    def before(self, owner_id: UUID) -> dict[UUID, int]:
        """The revisions of this owner's runs when it was asked for: where its news begin."""
        return {}

    @property
    def is_lost(self) -> bool:
        """Whether it is too far behind to ever be told everything."""
        return False

    @abstractmethod
    def hear(self, run_id: UUID, revision: int) -> bool:
        """A knock for one of its runs; whether a look is worth it."""

    @abstractmethod
    def ask(self, rows: Rows) -> Any:
        """Announce what is to be read; what `answer` needs to know of this moment."""

    @abstractmethod
    def answer(self, question: Any, rows: Rows, viewer: Viewer) -> News:
        """What is new for this viewer. Reads, and changes nothing of the feed."""

    def told(self, news: News) -> None:  # noqa: B027 - most have nothing to remember
        """The watcher has these news."""

    def failed(self, question: Any) -> None:  # noqa: B027
        """The look came to nothing, or told a part only, and will be repeated."""


class NoFeed(Feed):
    """What is not there: told once."""

    def hear(self, run_id: UUID, revision: int) -> bool:
        return False

    def ask(self, rows: Rows) -> None:
        return None

    def answer(self, question: None, rows: Rows, viewer: Viewer) -> News:
        return News([None], is_over=True)


@dataclass
class RunFeed(Feed):
    """One run: as it is, then each newer revision that is met, until it is final."""

    run_id: UUID
    after: int | None = None
    is_heavy: bool = True
    _seen: int = 0  # the run's revision at the last look; `after` may be ahead of it

    @property
    def run_ids(self) -> Collection[UUID]:
        return (self.run_id,)

    def hear(self, run_id: UUID, revision: int) -> bool:
        return revision > self._seen

    def ask(self, rows: Rows) -> None:
        rows.want((self.run_id,), is_heavy=self.is_heavy)

    def answer(self, question: None, rows: Rows, viewer: Viewer) -> News:
        run = rows.run(self.run_id, viewer)
        if run is None or run.is_final:  # a final run is told once, whatever was known of it
            return News([run], is_over=True)
        is_newer = self.after is None or run.revision > self.after
        return News([run] if is_newer else [], revision=run.revision)

    def told(self, news: News) -> None:
        self._seen = max(self._seen, news.revision)
        if news.items:
            self.after = news.revision


@dataclass
class EventFeed(Feed):
    """The events of one run after a number, until the run is final and all are told."""

    run_id: UUID
    after: int = 0
    _seen: int = 0  # the run's revision at the last look

    @property
    def run_ids(self) -> Collection[UUID]:
        return (self.run_id,)

    def hear(self, run_id: UUID, revision: int) -> bool:
        return revision > self._seen

    def ask(self, rows: Rows) -> None:
        rows.want((self.run_id,), is_heavy=False)

    def answer(self, question: None, rows: Rows, viewer: Viewer) -> News:
        run = rows.run(self.run_id, viewer)  # read before its events, so none of them is missed
        if run is None:
            return News([None], is_over=True)
        events = rows.events(run.pk, self.after)
        has_more = len(events) == EVENTS_AT_ONCE
        if has_more:
            return News(list(events), has_more=True)
        return News(list(events), is_over=run.is_final, revision=run.revision)

    def told(self, news: News) -> None:
        for event in news.items:
            if event is not None:
                self.after = event.number
        self._seen = max(self._seen, news.revision)


@dataclass(frozen=True)
class Scope:
    """Which runs, by what never changes, so that a watcher never loses one."""

    tasks: frozenset[str] | None = None
    tags: frozenset[str] = frozenset()

    def covers(self, run: Run) -> bool:
        return (self.tasks is None or run.task in self.tasks) and self.tags <= set(run.tags)


@dataclass
class OwnerFeed(Feed):
    """All runs of some owners in a scope: each change from now on."""

    owners: Collection[UUID]
    scope: Scope = field(default_factory=Scope)
    is_heavy: bool = True
    _before: dict[UUID, dict[UUID, int]] = field(default_factory=dict, init=False)
    _behind: dict[UUID, int] = field(default_factory=dict)
    _told: "OrderedDict[UUID, int]" = field(default_factory=OrderedDict)

    @property
    def owner_ids(self) -> Collection[UUID]:
        return self.owners

    def before(self, owner_id: UUID) -> dict[UUID, int]:
        return self._before.get(owner_id, {})

    def begin(self) -> Self:
        """Remember how the owners' runs stand now."""
        for change in standing((), self.owners):
            self._before.setdefault(change.owner_id, {})[change.run_id] = change.revision
        return self

    @property
    def is_lost(self) -> bool:
        return len(self._behind) > BACKLOG

    def hear(self, run_id: UUID, revision: int) -> bool:
        if revision <= self._told.get(run_id, 0):
            return False
        self._behind[run_id] = max(revision, self._behind.get(run_id, 0))
        return True

    def ask(self, rows: Rows) -> dict[UUID, int]:
        most = HEAVY_AT_ONCE if self.is_heavy else RUNS_AT_ONCE
        asked = {key: self._behind.pop(key) for key in list(self._behind)[:most]}
        rows.want(asked, is_heavy=self.is_heavy)
        return asked

    def answer(self, question: dict[UUID, int], rows: Rows, viewer: Viewer) -> News:
        found = (rows.run(run_id, viewer) for run_id in question)
        seen = [run for run in found if run is not None and self.scope.covers(run)]
        fresh = [run for run in seen if run.revision > self._told.get(run.pk, 0)]
        return News(fresh, has_more=bool(self._behind))

    def told(self, news: News) -> None:
        for run in news.items:
            self._told[run.pk] = run.revision
            self._told.move_to_end(run.pk)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    def failed(self, question: dict[UUID, int]) -> None:
        for run_id, revision in question.items():
            self.hear(run_id, revision)


@dataclass
class WaitFeed(Feed):
    """Runs that somebody waits for: over once each is final, or newer than what was known of it."""

    known: dict[UUID, int | None]
    """By run: the revision above which it is waited for; None: until it is final."""
    is_due: bool = False
    """Whether the time to wait is up."""

    @property
    def run_ids(self) -> Collection[UUID]:
        return self.known

    def hear(self, run_id: UUID, revision: int) -> bool:
        return True  # it may be final, whatever revision is waited for

    def ask(self, rows: Rows) -> bool:
        rows.want(self.known, is_heavy=False)  # looked at often; the answer reads more if need be
        return self.is_due

    def answer(self, question: bool, rows: Rows, viewer: Viewer) -> News:
        found = {run_id: rows.run(run_id, viewer) for run_id in self.known}
        is_over = question or all(map(self._is_met, self.known, found.values()))
        return News([found] if is_over else [], is_over=is_over)

    def _is_met(self, run_id: UUID, run: Run | None) -> bool:
        after = self.known[run_id]
        return run is None or run.is_final or (after is not None and run.revision > after)


def standing(run_ids: Collection[UUID], owner_ids: Collection[UUID]) -> list[Change]:
    """How watched runs stand, without a knock: three queries for all watchers together, or a few
    more for very many runs.

    Of each of `run_ids`, GONE for what is deleted; of the owners, their open and recent runs, the
    newest STANDING of them.
    """
    ids = list(run_ids)
    found: list[tuple[UUID, UUID, int]] = []
    for first in range(0, len(ids), IDS_AT_ONCE):
        some = Run.objects.filter(pk__in=ids[first : first + IDS_AT_ONCE])
        found += some.values_list("pk", "owner_id", "revision")
    there = {run_id for run_id, _, _ in found}
    # Nobody needs the owner of a run that is gone: only watchers of the run itself ask for it.
    gone = [Change(run_id, run_id, GONE) for run_id in run_ids if run_id not in there]
    runs = Run.objects.filter(owner_id__in=owner_ids).order_by("-pk")
    for lively in (
        runs.filter(status__in=[status.value for status in OPEN]),
        runs.filter(pk__gt=first_key(timezone.now() - RECENT)),
    ):
        found += lively.values_list("pk", "owner_id", "revision")[:STANDING]
    return [*(Change(*each) for each in found), *gone]
