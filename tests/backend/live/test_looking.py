"""One look tells a bounded part, and the next ones the rest; looks keep a distance under load."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from accounts.viewer import Viewer
from backend.door.execute import Door
from backend.door.requests import GraphQLRequest
from backend.door.watches import Subscription
from backend.front.pool import Pool
from backend.live import looking
from backend.live.hub import Hub
from backend.live.looking import Looker
from schema.context import RequestContext
from tasks import watch
from tasks.notifier import Change
from tests.backend.live.conftest import Knocks
from tests.schema.asking import gid, start, work

InThread = Callable[..., Awaitable[Any]]
Open = Callable[..., Awaitable[Subscription]]

WATCH = "subscription($id: ID!) { run(id: $id) { revision } }"
CHANGED = "subscription { runChanged { id inputJson } }"
EVENTS = "subscription($id: ID!) { runEvents(id: $id) { node { number } } }"


@pytest.fixture
def open_(door: Door, viewer: Viewer, in_thread: InThread) -> Open:
    """What the door makes of a subscription of the viewer."""

    async def open_(query: str, **variables: Any) -> Subscription:
        request = GraphQLRequest(query, variables, None)
        made = await in_thread(door.execute, request, RequestContext(viewer, "http://testserver"))
        assert isinstance(made, Subscription)
        return made

    return open_


async def test_what_is_too_much_for_one_look_is_told_by_the_next_ones(
    hub: Hub,
    knocks: Knocks,
    viewer: Viewer,
    in_thread: InThread,
    open_: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(looking, "LOOK_LENGTH", 1)
    monkeypatch.setattr(watch, "HEAVY_AT_ONCE", 3)
    payloads = hub.follow(await open_(CHANGED))
    coming = asyncio.ensure_future(anext(payloads))
    await asyncio.sleep(0.3)
    made = [await in_thread(start, viewer) for _ in range(7)]
    for run in made:
        await knocks.say(Change(run.pk, run.owner_id, 1))
    async with asyncio.timeout(10):
        told = [await coming, *[await anext(payloads) for _ in made[1:]]]
    ids = [json.loads(each)["data"]["runChanged"]["id"] for each in told]
    assert sorted(ids) == sorted(map(gid, made))  # each of them once
    await payloads.aclose()


async def test_events_that_are_too_much_for_one_look_keep_their_order_and_their_end(
    hub: Hub, viewer: Viewer, in_thread: InThread, open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "LOOK_LENGTH", 1)
    run = await in_thread(start, viewer)
    await in_thread(work, run)
    payloads = hub.follow(await open_(EVENTS, id=gid(run)))
    async with asyncio.timeout(10):
        told = [json.loads(each)["data"]["runEvents"]["node"] async for each in payloads]
    assert [node["number"] for node in told] == [1, 2, 3]


async def test_dear_events_hold_a_job_no_longer_than_its_time(
    hub: Hub,
    pool: Pool,
    viewer: Viewer,
    in_thread: InThread,
    open_: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(looking, "JOB_SECONDS", 0.0)  # each execution takes longer
    run = await in_thread(start, viewer)
    await in_thread(work, run)
    looker = Looker(pool.run)
    working = asyncio.create_task(looker.work())
    async with asyncio.timeout(10):
        look = await looker.look(await open_(EVENTS, id=gid(run)))
    assert (len(look.payloads), look.is_cut, look.news.is_over) == (1, True, False)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    async with asyncio.timeout(10):  # and none is lost by it
        told = [json.loads(each) async for each in hub.follow(await open_(EVENTS, id=gid(run)))]
    assert [each["data"]["runEvents"]["node"]["number"] for each in told] == [1, 2, 3]


async def test_looks_that_take_long_wait_for_many_and_others_for_little(
    pool: Pool, viewer: Viewer, in_thread: InThread, open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "REST_SECONDS", 5.0)
    run = await in_thread(start, viewer)
    watches = [await open_(WATCH, id=gid(run)) for _ in range(10)]
    jobs = 0

    def counted(job: Callable[[], Any]) -> Awaitable[Any]:
        nonlocal jobs
        jobs += 1
        return pool.run(job)

    looker = Looker(counted)
    working = asyncio.create_task(looker.work())
    async with asyncio.timeout(4):  # shorter than the longest rest
        for _ in range(5):
            await looker.look(watches[0])
        assert jobs == 5
        monkeypatch.setattr(looking, "REST", 1_000_000)
        monkeypatch.setattr(looking, "REST_SECONDS", 1.0)
        await looker.look(watches[0])
        waiting = [asyncio.ensure_future(looker.look(each)) for each in watches[:5]]
        await asyncio.sleep(0.1)
        waiting += [asyncio.ensure_future(looker.look(each)) for each in watches[5:]]
        await asyncio.gather(*waiting)
    assert jobs == 7
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_a_bug_in_a_look_ends_its_watches_and_not_the_looks(
    hub: Hub, viewer: Viewer, in_thread: InThread, open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await in_thread(start, viewer)

    def stumble(*_: Any) -> None:
        raise ZeroDivisionError

    async with asyncio.timeout(10):
        with monkeypatch.context() as broken:
            broken.setattr(watch.RunFeed, "ask", stumble)
            (told,) = [each async for each in hub.follow(await open_(WATCH, id=gid(run)))]
            assert '"INTERNAL"' in told
        payloads = hub.follow(await open_(WATCH, id=gid(run)))
        assert json.loads(await anext(payloads)) == {"data": {"run": {"revision": 1}}}
        await payloads.aclose()


@pytest.mark.parametrize("by_watch_tokens", [False, True])
async def test_who_watches_much_and_dearly_takes_no_turn_of_others(
    pool: Pool,
    viewer: Viewer,
    make_viewer: Callable[..., Viewer],
    in_thread: InThread,
    open_: Open,
    door: Door,
    monkeypatch: pytest.MonkeyPatch,
    by_watch_tokens: bool,
) -> None:
    monkeypatch.setattr(looking, "JOB_SECONDS", 0.05)
    answer = watch.RunFeed.answer

    def dear(feed: watch.RunFeed, question: None, rows: Any, viewer: Viewer) -> Any:
        if viewer.user_id == eve.user_id:
            time.sleep(0.05)
        return answer(feed, question, rows, viewer)

    eve = await in_thread(make_viewer, "eve")
    run = await in_thread(start, viewer)
    mine = await open_(WATCH, id=gid(run))
    others = [await open_(WATCH, id=gid(run)) for _ in range(60)]
    for each in others:
        each.viewer = replace(eve, run_id=uuid4()) if by_watch_tokens else eve
    monkeypatch.setattr(watch.RunFeed, "answer", dear)
    looker = Looker(pool.run)
    working = asyncio.create_task(looker.work())
    waiting = [asyncio.ensure_future(looker.look(each)) for each in others]
    async with asyncio.timeout(20):
        await waiting[0]
        await looker.look(mine)
        assert sum(each.done() for each in waiting) < 6
        await asyncio.gather(*waiting)  # and each of them has its turn
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
