"""What is open in this process: who watches which runs, and by what credential they came in."""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

from accounts.viewer import Credential, Viewer
from backend.door.watches import Watch
from backend.live.ended import Ended, Leaving, Revoked, TooMany
from tasks.notifier import GONE, Change

RECENT = 10_000  # knocks remembered for watches that are being made
END_SECONDS = 1.0  # for a reader to take the end of its stream


class Holder(Protocol):
    """Something open that belongs to a viewer."""

    viewer: Viewer

    def end(self, reason: Ended) -> None:
        """Close it."""


class Place:
    """One watch in the register. `cut` is called when its end is not taken in time."""

    def __init__(self, watch: Watch, cut: Callable[[], None] | None = None) -> None:
        self.watch = watch
        self.ready = asyncio.Event()
        self.ready.set()
        self.ended: Ended | None = None
        self._cut = cut
        self._cutting: asyncio.TimerHandle | None = None

    @property
    def viewer(self) -> Viewer:
        return self.watch.viewer

    @viewer.setter
    def viewer(self, viewer: Viewer) -> None:
        self.watch.viewer = viewer

    def hear(self, change: Change) -> None:
        """A knock for one of its runs."""
        if self.watch.feed.hear(change.run_id, change.revision):
            self.ready.set()

    def end(self, reason: Ended) -> None:
        self.ended = reason
        self.ready.set()
        if self._cut is not None and self._cutting is None:
            self._cutting = asyncio.get_running_loop().call_later(END_SECONDS, self._cut)

    def leave(self) -> None:
        """Nobody follows it any more."""
        if self._cutting is not None:
            self._cutting.cancel()


class Register:
    """Used from one event loop. A user may have `per_user` watches open at once."""

    def __init__(self, *, per_user: int) -> None:
        self._per_user = per_user
        self._watching: Counter[str] = Counter()
        self._by_run: defaultdict[UUID, set[Place]] = defaultdict(set)
        self._by_owner: defaultdict[UUID, set[Place]] = defaultdict(set)
        self._standing: dict[UUID, dict[UUID, int]] = {}  # revisions of the open runs of owners
        self._holders: set[Holder] = set()
        self._is_open, self._is_empty = asyncio.Event(), asyncio.Event()
        self._is_empty.set()
        self._recent: deque[tuple[float, Change]] = deque(maxlen=RECENT)
        self._is_leaving = False

    @property
    def is_empty(self) -> bool:
        return not self._holders

    async def until_open(self) -> None:
        """Until anything is open."""
        await self._is_open.wait()

    async def until_quiet(self, seconds: float) -> None:
        """Until nothing has been open for so many seconds."""
        while True:
            await self._is_empty.wait()
            try:
                async with asyncio.timeout(seconds):
                    await self._is_open.wait()
            except TimeoutError:
                return

    @property
    def run_ids(self) -> list[UUID]:
        """The runs that are watched."""
        return list(self._by_run)

    @property
    def owner_ids(self) -> list[UUID]:
        """The owners all of whose runs are watched."""
        return list(self._by_owner)

    @property
    def credentials(self) -> set[Credential]:
        """By what everybody came in."""
        found = (holder.viewer.credential for holder in self._holders)
        return {credential for credential in found if credential is not None}

    def check_room(self, viewer: Viewer) -> None:
        """TooMany when this viewer may not watch more; Leaving when nobody may."""
        if self._is_leaving:
            raise Leaving
        if self._watching[viewer.counted_as] >= self._per_user:
            raise TooMany

    @contextmanager
    def held(self, holder: Holder) -> Iterator[None]:
        """Something that is ended when its credential opens nothing any more."""
        self._holders.add(holder)
        self._is_empty.clear()
        self._is_open.set()
        try:
            yield
        finally:
            self._holders.discard(holder)
            if not self._holders:
                self._is_open.clear()
                self._is_empty.set()

    @contextmanager
    def placed(self, place: Place, since: float | None) -> Iterator[None]:
        """The watch is told of what changes, also of what did since that monotonic time."""
        self.check_room(place.viewer)
        user, feed = place.viewer.counted_as, place.watch.feed
        self._watching[user] += 1
        for run_id in feed.run_ids:
            self._by_run[run_id].add(place)
        for owner_id in feed.owner_ids:
            self._by_owner[owner_id].add(place)
            self._standing.setdefault(owner_id, feed.before(owner_id))
        if feed.owner_ids and since is not None:
            self._catch_up(place, feed.owner_ids, since)
        try:
            with self.held(place):
                yield
        finally:
            place.leave()
            self._watching[user] -= 1
            if not self._watching[user]:
                del self._watching[user]
            for run_id in feed.run_ids:
                _discard(self._by_run, run_id, place)
            for owner_id in feed.owner_ids:
                if not _discard(self._by_owner, owner_id, place):
                    self._standing.pop(owner_id, None)

    def _catch_up(self, place: Place, owner_ids: Collection[UUID], since: float) -> None:
        for at, change in reversed(self._recent):
            if at < since:
                break
            if change.owner_id in owner_ids:
                place.hear(change)

    def leave(self) -> None:
        """End everything, and let nothing more come in."""
        self._is_leaving = True
        for holder in list(self._holders):
            holder.end(Leaving())

    def hear(self, change: Change) -> None:
        """A knock."""
        self._recent.append((time.monotonic(), change))
        self._hear_of_run(change)
        if change.owner_id in self._by_owner:
            self._hear_of_owner(change)

    def _hear_of_run(self, change: Change) -> None:
        for place in self._by_run.get(change.run_id, ()):
            place.hear(change)

    def _hear_of_owner(self, change: Change) -> None:
        known = self._standing[change.owner_id]
        if change.revision > known.get(change.run_id, 0):
            known[change.run_id] = change.revision
            for place in self._by_owner[change.owner_id]:
                place.hear(change)

    def renew(
        self, credentials: Collection[Credential], viewers: Mapping[Credential, Viewer]
    ) -> None:
        """Let everything open know its viewer as the credential now is, or end it."""
        for holder in list(self._holders):
            credential = holder.viewer.credential
            if credential is None or credential not in credentials:
                continue
            if credential in viewers:
                holder.viewer = viewers[credential]
            else:
                holder.end(Revoked())

    def apply(self, changes: Iterable[Change], owners: Iterable[UUID]) -> None:
        """How everything stands that is watched: as if it had been knocked for each change."""
        found: defaultdict[UUID, dict[UUID, int]] = defaultdict(dict)
        for change in changes:
            found[change.owner_id][change.run_id] = change.revision
            self._hear_of_run(change)
        for owner_id in owners:
            if owner_id not in self._by_owner:
                continue
            for run_id, revision in found[owner_id].items():
                self._hear_of_owner(Change(run_id, owner_id, revision))
            known = self._standing[owner_id]
            for run_id in known.keys() - found[owner_id].keys():  # open no longer
                self._hear_of_owner(Change(run_id, owner_id, GONE))
                del known[run_id]


def _discard(places: dict[UUID, set[Place]], key: UUID, place: Place) -> bool:
    """Take the place out; whether others are left at the key."""
    left = places.get(key, set())
    left.discard(place)
    if not left:
        places.pop(key, None)
    return bool(left)
