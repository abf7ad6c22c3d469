"""The hub tells what changes by knocks, and what they leave out by looking at the rows."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import QuerySet

from accounts.viewer import Viewer
from backend.door.execute import Door
from backend.door.requests import GraphQLRequest
from backend.door.watches import Subscription, Wait
from backend.front.pool import Full, Pool
from backend.live import hub as hubs
from backend.live import survey
from backend.live.ended import Ended, Leaving, TooMany, TooSlow
from backend.live.hub import Hub
from schema.context import RequestContext
from tasks import runs, watch
from tasks.context import Progress
from tasks.models import Run
from tasks.notifier import Change
from tests.backend.live.conftest import PER_USER, Knocks
from tests.schema.asking import gid, hold_of, start, work

InThread = Callable[..., Awaitable[Any]]
SECONDS = 10.0

WATCH = "subscription($id: ID!, $after: Int) { run(id: $id, afterRevision: $after) { revision } }"
CHANGED = "subscription($scope: RunScope) { runChanged(scope: $scope) { id revision } }"
EVENTS = "subscription($id: ID!) { runEvents(id: $id) { node { number } } }"
START = 'mutation { countWords(input: {text: "a"}, waitSeconds: %s) { run { status } } }'
REVISION = '{"data":{"run":{"revision":%d}}}'


class Follower:
    """One watch that is followed, and what it has been told."""

    def __init__(self, hub: Hub, watch: Subscription) -> None:
        self._payloads = hub.follow(watch, time.monotonic())

    async def next(self) -> str:
        async with asyncio.timeout(SECONDS):
            return await anext(self._payloads)

    async def ends(self) -> None:
        """Nothing more is to come."""
        async with asyncio.timeout(SECONDS):
            with pytest.raises(StopAsyncIteration):
                await anext(self._payloads)

    async def ends_by(self, reason: type[Ended]) -> None:
        async with asyncio.timeout(SECONDS):
            with pytest.raises(reason):
                await anext(self._payloads)

    async def close(self) -> None:
        await self._payloads.aclose()


Follow = Callable[..., Awaitable[Follower]]


@pytest.fixture
def open_(door: Door, viewer: Viewer, in_thread: InThread) -> Callable[..., Awaitable[Any]]:
    """What the door makes of an operation of the viewer."""

    def open_(query: str, **variables: Any) -> Awaitable[Any]:
        request = GraphQLRequest(query, variables, None)
        return in_thread(door.execute, request, RequestContext(viewer, "http://testserver"))

    return open_


@pytest.fixture
async def follow(hub: Hub, open_: Callable[..., Awaitable[Any]]) -> AsyncIterator[Follow]:
    followers: list[Follower] = []

    async def follow(query: str, **variables: Any) -> Follower:
        watch = await open_(query, **variables)
        assert isinstance(watch, Subscription)
        followers.append(Follower(hub, watch))
        return followers[-1]

    yield follow
    for follower in followers:
        await follower.close()


async def quiet(follower: Follower, seconds: float = 0.3) -> "asyncio.Task[str]":
    """Nothing comes for a while; what comes next."""
    task = asyncio.ensure_future(follower.next())
    await asyncio.sleep(seconds)
    assert not task.done(), task
    return task


async def now(in_thread: InThread, run: Run) -> Change:
    fresh = await in_thread(Run.objects.get, pk=run.pk)
    return Change(run.pk, run.owner_id, fresh.revision)


async def test_a_knock_brings_the_new_revision(
    follow: Follow, knocks: Knocks, viewer: Viewer, in_thread: InThread
) -> None:
    run = await in_thread(start, viewer)
    follower = await follow(WATCH, id=gid(run))
    assert await follower.next() == REVISION % 1
    held = await in_thread(hold_of, run)
    await knocks.say(await now(in_thread, run))
    assert await follower.next() == REVISION % 2
    await in_thread(runs.heartbeat, held, Progress(1, 2, None))
    await in_thread(runs.heartbeat, held, Progress(2, 2, None))
    await knocks.say(await now(in_thread, run))
    assert await follower.next() == REVISION % 4  # 3 was coalesced


async def test_knocks_that_are_doubled_reordered_or_invented_bring_nothing(
    follow: Follow, knocks: Knocks, viewer: Viewer, in_thread: InThread
) -> None:
    run = await in_thread(start, viewer)
    follower = await follow(WATCH, id=gid(run))
    await follower.next()
    await in_thread(hold_of, run)
    for revision in (2, 2, 1, 2):
        await knocks.say(Change(run.pk, run.owner_id, revision))
    assert await follower.next() == REVISION % 2
    for revision in (1, 2, 2, 99):
        await knocks.say(Change(run.pk, run.owner_id, revision))
    (await quiet(follower)).cancel()


async def test_what_is_over_tells_nothing_more_of_a_look_that_was_had(
    follow: Follow, hub: Hub, viewer: Viewer, in_thread: InThread
) -> None:
    run = await in_thread(start, viewer)
    await in_thread(work, run)
    follower = await follow(EVENTS, id=gid(run))
    await follower.next()
    hub.leave()
    await follower.ends_by(Leaving)


@pytest.mark.parametrize("query", [WATCH, CHANGED], ids=["run", "runChanged"])
async def test_a_change_right_after_the_subscribing_is_told_without_redis(
    follow: Follow, knocks: Knocks, viewer: Viewer, in_thread: InThread, query: str
) -> None:
    run = await in_thread(start, viewer)
    await knocks.be_away()
    follower = await follow(query, **({} if query == CHANGED else {"id": gid(run)}))
    coming = asyncio.ensure_future(follower.next())
    await asyncio.sleep(0)  # it is placed
    await in_thread(work, run)
    told = await coming
    while '"revision":3' not in told:
        told = await follower.next()


async def test_knocks_are_heard_only_while_somebody_watches_and_for_a_while_after(
    follow: Follow,
    knocks: Knocks,
    viewer: Viewer,
    in_thread: InThread,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(survey, "SURVEY_SECONDS", 0.2)
    monkeypatch.setattr(hubs, "LINGER_SECONDS", 0.5)

    async def follow_one() -> None:
        run = await in_thread(start, viewer)
        follower = await follow(WATCH, id=gid(run))
        assert await follower.next() == REVISION % 1
        await in_thread(work, run)
        assert await follower.next() == REVISION % 3  # no knock says so, but a survey
        await follower.ends()

    await asyncio.sleep(0.1)
    assert not knocks.is_heard
    for _ in range(2):
        await follow_one()
        assert (knocks.is_heard, knocks.times_heard) == (True, 1)
    async with asyncio.timeout(SECONDS):
        while knocks.is_heard:
            await asyncio.sleep(0.05)
    await follow_one()
    assert (knocks.is_heard, knocks.times_heard) == (True, 2)


@pytest.mark.parametrize("is_away", [False, True], ids=["Redis there", "Redis away"])
@pytest.mark.parametrize("query", [WATCH, CHANGED, EVENTS], ids=["run", "runChanged", "runEvents"])
async def test_a_lost_knock_loses_nothing(
    follow: Follow,
    knocks: Knocks,
    viewer: Viewer,
    in_thread: InThread,
    monkeypatch: pytest.MonkeyPatch,
    query: str,
    is_away: bool,
) -> None:
    monkeypatch.setattr(survey, "SURVEY_SECONDS", 0.2)
    monkeypatch.setattr(survey, "AWAY_SECONDS", 0.2)
    run = await in_thread(start, viewer)
    variables = {} if query == CHANGED else {"id": gid(run)}
    follower = await follow(query, **variables)
    if is_away:
        await knocks.be_away()
    if query == CHANGED:
        coming = await quiet(follower, 0.6)  # until it is known how all stands
    else:
        await follower.next()
        coming = asyncio.ensure_future(follower.next())
    await in_thread(work, run)
    told = await coming
    while "3" not in told.replace(gid(run), ""):
        told = await follower.next()
    if query == CHANGED:
        other = await in_thread(start, viewer)
        assert gid(other) in await follower.next()
    else:
        await follower.ends()


async def test_while_knocks_come_the_rows_are_looked_at_seldom(
    follow: Follow, viewer: Viewer, in_thread: InThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    standing = watch.standing

    def counted(run_ids: Any, owner_ids: Any) -> Any:
        looks.append(len(run_ids))
        return standing(run_ids, owner_ids)

    monkeypatch.setattr(survey, "standing", counted)
    monkeypatch.setattr(survey, "SURVEY_SECONDS", 0.4)
    followers = [await follow(WATCH, id=gid(await in_thread(start, viewer))) for _ in range(20)]
    for follower in followers:
        await follower.next()
    del looks[:]
    await asyncio.sleep(1.0)
    assert 1 <= len(looks) <= 3  # one survey for all of them
    assert set(looks) == {20}


async def test_a_new_connection_to_redis_is_followed_by_a_look(
    follow: Follow, knocks: Knocks, viewer: Viewer, in_thread: InThread
) -> None:
    run = await in_thread(start, viewer)
    follower = await follow(WATCH, id=gid(run))
    await follower.next()
    await asyncio.sleep(0.3)
    await in_thread(work, run)
    began = time.monotonic()
    await knocks.come_back()
    assert await follower.next() == REVISION % 3
    assert time.monotonic() - began < survey.SURVEY_SECONDS


async def test_a_watcher_of_many_is_told_of_none_that_stood_before(
    follow: Follow, knocks: Knocks, viewer: Viewer, in_thread: InThread
) -> None:
    old = [await in_thread(start, viewer) for _ in range(3)]
    one, other = await follow(CHANGED), await follow(CHANGED, scope={"tags": ["night"]})
    tasks = [await quiet(follower, 0.4) for follower in (one, other)]
    night = await in_thread(start, viewer, tags=("night",))
    await knocks.say(await now(in_thread, night))
    assert [gid(night) in await task for task in tasks] == [True, True]
    await in_thread(hold_of, old[0])
    await knocks.say(await now(in_thread, old[0]))
    assert gid(old[0]) in await one.next()
    (await quiet(other)).cancel()


async def test_one_look_serves_many_watchers(
    follow: Follow,
    knocks: Knocks,
    viewer: Viewer,
    in_thread: InThread,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = [await in_thread(start, viewer) for _ in range(4)]
    followers = [await follow(WATCH, id=gid(run)) for run in made for _ in range(5)]
    for follower in followers:
        await follower.next()
    reads: list[int] = []
    in_bulk = QuerySet.in_bulk

    def counted(self: Any, ids: Any) -> Any:
        reads.append(len(ids))
        return in_bulk(self, ids)

    monkeypatch.setattr(QuerySet, "in_bulk", counted)
    for run in made:
        await in_thread(hold_of, run)
    changes = [await now(in_thread, run) for run in made]
    tasks = [asyncio.ensure_future(follower.next()) for follower in followers]
    await asyncio.sleep(0.1)
    for change in changes:
        await knocks.say(change)
    assert set(await asyncio.gather(*tasks)) == {REVISION % 2}
    assert sum(reads) <= 2 * len(made)  # a look may be under way when the last knocks come


async def test_a_database_that_is_away_delays_and_loses_nothing(
    follow: Follow,
    knocks: Knocks,
    viewer: Viewer,
    in_thread: InThread,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubs, "RETRY_SECONDS", 0.1)
    run = await in_thread(start, viewer)
    follower = await follow(WATCH, id=gid(run))
    await follower.next()
    await in_thread(work, run)

    def fail(*_: Any) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as away:
        away.setattr(watch.Rows, "run", fail)
        away.setattr(survey, "standing", fail)
        await knocks.say(Change(run.pk, run.owner_id, 3))
        coming = await quiet(follower)
    assert await coming == REVISION % 3
    await follower.ends()


async def test_a_pool_without_room_delays_and_loses_nothing(
    follow: Follow, hub: Hub, viewer: Viewer, in_thread: InThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await in_thread(start, viewer)
    follower = await follow(WATCH, id=gid(run))

    def full(_job: Any) -> Any:
        raise Full

    with monkeypatch.context() as busy:
        busy.setattr(hub._looker, "_in_pool", full)
        coming = await quiet(follower)
    assert await coming == REVISION % 1


async def test_a_bug_in_the_hub_is_logged_and_the_hub_goes_on(
    follow: Follow,
    hub: Hub,
    knocks: Knocks,
    viewer: Viewer,
    in_thread: InThread,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(hubs, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(survey, "SURVEY_SECONDS", 0.1)
    run = await in_thread(start, viewer)
    follower = await follow(WATCH, id=gid(run))
    await follower.next()

    def stumble(*_: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(survey, "standing", stumble)
        await asyncio.sleep(0.3)
    assert "stumbled" in caplog.text
    await in_thread(work, run)
    assert await follower.next() == REVISION % 3


async def test_a_slow_reader_gets_the_last_revision_and_costs_one_message(
    follow: Follow, knocks: Knocks, viewer: Viewer, in_thread: InThread
) -> None:
    run = await in_thread(start, viewer)
    follower = await follow(WATCH, id=gid(run))
    assert await follower.next() == REVISION % 1
    held = await in_thread(hold_of, run)
    for step in range(50):
        await in_thread(runs.heartbeat, held, Progress(step, 50, None))
        await knocks.say(Change(run.pk, run.owner_id, 3 + step))
    assert await follower.next() == REVISION % 52
    (await quiet(follower)).cancel()


async def test_a_watcher_that_falls_too_far_behind_is_cut_off(
    follow: Follow,
    knocks: Knocks,
    viewer: Viewer,
    in_thread: InThread,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "BACKLOG", 2)
    follower = await follow(CHANGED)
    first = await quiet(follower)
    for _ in range(2):
        await knocks.say(await now(in_thread, await in_thread(start, viewer)))
    await first
    await follower.next()
    for _ in range(4):
        await knocks.say(await now(in_thread, await in_thread(start, viewer)))
    await follower.ends_by(TooSlow)


async def test_a_user_has_so_many_watches_and_no_more(
    follow: Follow, hub: Hub, viewer: Viewer, in_thread: InThread
) -> None:
    run = await in_thread(start, viewer)
    followers = [await follow(WATCH, id=gid(run)) for _ in range(PER_USER)]
    for follower in followers:
        await follower.next()
    one_more = await follow(WATCH, id=gid(run))
    await one_more.ends_by(TooMany)
    await followers[0].close()
    assert await (await follow(WATCH, id=gid(run))).next() == REVISION % 1


async def test_a_hub_that_leaves_ends_watches_and_lets_waits_answer(
    follow: Follow,
    hub: Hub,
    viewer: Viewer,
    in_thread: InThread,
    open_: Callable[..., Awaitable[Any]],
) -> None:
    run = await in_thread(start, viewer)
    follower = await follow(WATCH, id=gid(run))
    await follower.next()
    wait = await open_(START % 20)
    assert isinstance(wait, Wait)
    answer = asyncio.ensure_future(hub.answer(wait))
    await asyncio.sleep(0.1)
    hub.leave()
    await follower.ends_by(Leaving)
    async with asyncio.timeout(SECONDS):
        assert '"QUEUED"' in await answer
    await (await follow(WATCH, id=gid(run))).ends_by(Leaving)


async def test_a_wait_ends_with_the_run(
    hub: Hub, knocks: Knocks, in_thread: InThread, open_: Callable[..., Awaitable[Any]]
) -> None:
    answer = asyncio.ensure_future(hub.answer(await open_(START % 20)))
    run = await in_thread(Run.objects.get)
    await in_thread(work, run)
    await knocks.say(await now(in_thread, run))
    async with asyncio.timeout(SECONDS):
        assert '"SUCCEEDED"' in await answer


async def test_a_wait_ends_with_its_time(hub: Hub, open_: Callable[..., Awaitable[Any]]) -> None:
    async with asyncio.timeout(SECONDS):
        assert '"QUEUED"' in await hub.answer(await open_(START % 0.2))
    assert hub._register.is_empty


async def test_a_wait_is_answered_in_time_without_the_database(
    hub: Hub, open_: Callable[..., Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "GIVE_UP_SECONDS", 0.2)
    wait = await open_(START % 0.2)

    def fail(*_: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(watch.Rows, "run", fail)
    async with asyncio.timeout(SECONDS):
        assert '"QUEUED"' in await hub.answer(wait)


async def test_a_wait_holds_no_thread(
    hub: Hub, pool: Pool, in_thread: InThread, open_: Callable[..., Awaitable[Any]]
) -> None:
    waits = [await open_(START % 20) for _ in range(10)]
    answers = [asyncio.ensure_future(hub.answer(wait)) for wait in waits]
    await asyncio.sleep(0.3)
    assert pool._taken == 0
    for answer in answers:
        answer.cancel()
    await asyncio.gather(*answers, return_exceptions=True)
    assert hub._register.is_empty
