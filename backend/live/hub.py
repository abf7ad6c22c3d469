"""All watchers of this process: one ear for knocks, one look at the rows for those that were lost.

A knock only says that a look is worth it. Without Redis, and against lost knocks, the rows are
looked at again and again: one survey for all watchers together.
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import (
    AsyncGenerator,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Never, Protocol
from uuid import UUID

from django.db import InterfaceError, OperationalError, close_old_connections

from accounts.credentials import still_valid
from accounts.viewer import Credential, Viewer
from backend.door.encoding import encode
from backend.door.watches import Wait, Watch
from backend.front.pool import Full
from backend.live.ended import Ended, Leaving, Revoked, TooMany, TooSlow
from backend.live.looking import Look, Looker, Run, Unavailable
from tasks.notifier import GONE, Change, listen_for_changes
from tasks.watch import standing

logger = logging.getLogger("downbeat.live")

SURVEY_SECONDS = 3.0  # between two surveys while knocks come; credentials are looked at as well
AWAY_SECONDS = 1.0  # while they do not
POKED_SECONDS = 0.1  # that somebody who wants a survey now may wait for others
RETRY_SECONDS = 1.0
RECENT = 10_000  # knocks remembered for watches that are being made
GIVE_UP_SECONDS = 3.0  # that a wait may be late when the database does not answer


class Holder(Protocol):
    """Something open that belongs to a viewer."""

    viewer: Viewer

    def end(self, reason: Ended) -> None:
        """Close it."""


class Place:
    """One watch at the hub."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.ready = asyncio.Event()
        self.ready.set()
        self.ended: Ended | None = None

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


@dataclass(frozen=True)
class _Survey:
    """How everything stands that is watched."""

    changes: list[Change]
    viewers: dict[Credential, Viewer]


class Hub:
    """Used from one event loop. A user may have `per_user` watches open at once."""

    def __init__(self, run: Run, *, per_user: int) -> None:
        self._run = run
        self._looker = Looker(run)
        self._per_user = per_user
        self._watching: Counter[UUID] = Counter()
        self._by_run: defaultdict[UUID, set[Place]] = defaultdict(set)
        self._by_owner: defaultdict[UUID, set[Place]] = defaultdict(set)
        self._standing: dict[UUID, dict[UUID, int]] = {}  # revisions of the open runs of owners
        self._holders: set[Holder] = set()
        self._recent: deque[tuple[float, Change]] = deque(maxlen=RECENT)
        self._is_listening = False
        self._is_leaving = False
        self._poke = asyncio.Event()
        self._work: list[asyncio.Task[object]] = []

    def start(self) -> None:
        """Begin to hear and to look."""
        listen = partial(listen_for_changes, self._hear, self._listens)
        self._work = [
            asyncio.create_task(_for_ever(work))
            for work in (listen, self._looker.work, self._survey_again)
        ]

    async def stop(self) -> None:
        """End everything."""
        self.leave()
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    def leave(self) -> None:
        """End all streams, and let all waits answer with what there is."""
        self._is_leaving = True
        for holder in list(self._holders):
            holder.end(Leaving())

    async def follow(self, watch: Watch, since: float | None = None) -> AsyncGenerator[str, None]:
        """The responses of the watch as JSON texts, to its end. Raises Ended.

        `since`: the time of the monotonic clock at which it was asked for; what was heard from then
        on counts, though the watch was still being made.
        """
        place = Place(watch)
        async with aclosing(self._looks(place, since)) as looks:
            async for look in looks:
                for payload in look.payloads:
                    if place.ended is not None:  # while the reader took the one before
                        raise place.ended
                    yield payload

    async def answer(self, wait: Wait) -> str:
        """The one response of a wait, in time whatever happens."""
        place = Place(wait)

        def give_up() -> None:
            wait.give_up()
            place.ready.set()

        timer = asyncio.get_running_loop().call_later(wait.seconds, give_up)
        try:
            async with (
                asyncio.timeout(wait.seconds + GIVE_UP_SECONDS),
                aclosing(self._looks(place)) as looks,
            ):
                async for look in looks:
                    if look.payloads:
                        return look.payloads[0]
        except (TimeoutError, Ended):
            pass  # what was known before the wait is true still
        finally:
            timer.cancel()
        return encode(wait.before.response)

    async def _looks(self, place: Place, since: float | None = None) -> AsyncGenerator[Look, None]:
        feed = place.watch.feed
        with self._placed(place, since):
            while True:
                await place.ready.wait()
                place.ready.clear()
                if place.ended is not None:
                    raise place.ended
                if feed.is_lost:
                    raise TooSlow
                try:
                    look = await self._looker.look(place.watch)
                except Unavailable:
                    await asyncio.sleep(RETRY_SECONDS)
                    place.ready.set()
                    continue
                place.watch.told(look.news)
                yield look
                if look.news.is_over:
                    return
                if look.news.has_more:
                    place.ready.set()

    def check_room(self, viewer: Viewer) -> None:
        """TooMany when this viewer may not watch more; Leaving when nobody may."""
        if self._is_leaving:
            raise Leaving
        if self._watching[viewer.user_id] >= self._per_user:
            raise TooMany

    @contextmanager
    def held(self, holder: Holder) -> Iterator[None]:
        """Something that is ended when its credential opens nothing any more."""
        self._holders.add(holder)
        try:
            yield
        finally:
            self._holders.discard(holder)

    @contextmanager
    def _placed(self, place: Place, since: float | None) -> Iterator[None]:
        self.check_room(place.viewer)
        user, feed = place.viewer.user_id, place.watch.feed
        self._watching[user] += 1
        for run_id in feed.run_ids:
            self._by_run[run_id].add(place)
        if feed.owner_id is not None:
            self._by_owner[feed.owner_id].add(place)
            self._standing.setdefault(feed.owner_id, feed.before)
        self._catch_up(place, since)
        try:
            with self.held(place):
                yield
        finally:
            self._watching[user] -= 1
            if not self._watching[user]:
                del self._watching[user]
            for run_id in feed.run_ids:
                _discard(self._by_run, run_id, place)
            if feed.owner_id is not None and not _discard(self._by_owner, feed.owner_id, place):
                self._standing.pop(feed.owner_id, None)

    def _catch_up(self, place: Place, since: float | None) -> None:
        owner_id = place.watch.feed.owner_id
        if owner_id is None or since is None:
            return  # what is about one run begins with a look
        for at, change in reversed(self._recent):
            if at < since:
                break
            if change.owner_id == owner_id:
                place.hear(change)

    def _listens(self, is_listening: bool) -> None:
        if is_listening:
            self._poke.set()  # what was told while nobody listened is lost
        elif self._is_listening:
            logger.warning("Redis does not answer: watchers are served by looking at the rows.")
        self._is_listening = is_listening

    def _hear(self, change: Change) -> None:
        """A knock."""
        self._recent.append((time.monotonic(), change))
        self._hear_of_run(change)
        if change.owner_id in self._by_owner:
            self._hear_of_owner(change, self._standing[change.owner_id])

    def _hear_of_run(self, change: Change) -> None:
        for place in self._by_run.get(change.run_id, ()):
            place.hear(change)

    def _hear_of_owner(self, change: Change, known: dict[UUID, int]) -> None:
        if change.revision > known.get(change.run_id, 0):
            known[change.run_id] = change.revision
            for place in self._by_owner[change.owner_id]:
                place.hear(change)

    async def _survey_again(self) -> Never:
        while True:
            try:
                async with asyncio.timeout(SURVEY_SECONDS if self._is_listening else AWAY_SECONDS):
                    await self._poke.wait()
                await asyncio.sleep(POKED_SECONDS)
            except TimeoutError:
                pass
            self._poke.clear()
            if not self._holders:
                continue
            owners = list(self._by_owner)
            found = (holder.viewer.credential for holder in self._holders)
            credentials = {each for each in found if each is not None}
            try:
                survey = await self._run(partial(_survey, list(self._by_run), owners, credentials))
            except Full:
                logger.warning("All threads are busy: watchers are looked after later.")
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database does not answer, so watchers wait: %s", error)
            else:
                self._renew(credentials, survey.viewers)
                self._apply(survey.changes, owners)

    def _renew(
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

    def _apply(self, changes: Iterable[Change], owners: Iterable[UUID]) -> None:
        """Let watches know how things stand, as if it had been knocked for each."""
        found: defaultdict[UUID, dict[UUID, int]] = defaultdict(dict)
        for change in changes:
            found[change.owner_id][change.run_id] = change.revision
            self._hear_of_run(change)
        for owner_id in owners:
            if owner_id not in self._by_owner:
                continue
            known = self._standing[owner_id]
            for run_id, revision in found[owner_id].items():
                self._hear_of_owner(Change(run_id, owner_id, revision), known)
            for run_id in known.keys() - found[owner_id].keys():  # open no longer
                self._hear_of_owner(Change(run_id, owner_id, GONE), known)
                del known[run_id]


async def _for_ever(work: Callable[[], Coroutine[object, object, Never]]) -> Never:
    """Begin again after a bug, which would leave all watchers without news."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("The hub of the watchers stumbled.")
            await asyncio.sleep(RETRY_SECONDS)


def _discard(places: dict[UUID, set[Place]], key: UUID, place: Place) -> bool:
    """Take the place out; whether others are left at the key."""
    left = places.get(key, set())
    left.discard(place)
    if not left:
        places.pop(key, None)
    return bool(left)


def _survey(
    run_ids: Collection[UUID], owner_ids: Collection[UUID], credentials: Collection[Credential]
) -> _Survey:
    """In the pool: everything that is watched, as it stands."""
    close_old_connections()
    return _Survey(standing(run_ids, owner_ids), still_valid(credentials))
