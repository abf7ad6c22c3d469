"""The live edge in this process: a pool, a hub that hears what a test says, sockets on a wire."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Never, TypeVar

import pytest
from django.db import connections

from accounts.tokens import create_token
from accounts.viewer import Viewer
from backend.door.execute import Door
from backend.front.pool import Pool
from backend.live import hub as hubs
from backend.live.hub import Hub
from backend.live.seats import Seats
from schema.build import schema
from tasks import broker, notifier
from tests.backend.live.wire import Wire

T = TypeVar("T")
PER_USER = 50


@pytest.fixture(autouse=True)
def _silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker.Knocker, "_start", lambda self: None)
    monkeypatch.setattr(notifier.Herald, "_start", lambda self: None)


@pytest.fixture(scope="session")
def door() -> Door:
    return Door(schema().graphql_schema, introspection=True)


@pytest.fixture
async def pool(transactional_db: None) -> AsyncIterator[Pool]:
    pool = Pool(2, 20, at_exit=connections.close_all)
    pool.start()
    yield pool
    pool.stop(5)


class Knocks:
    """Stands for Redis: says what a test lets it say."""

    def __init__(self) -> None:
        self._heard: asyncio.Future[tuple[Callable[..., None], Callable[[bool], None]]] = (
            asyncio.get_running_loop().create_future()
        )
        self._is_away = False
        self.times_heard = 0

    async def listen(
        self, hear: Callable[..., None], is_listening: Callable[[bool], None]
    ) -> Never:
        self._heard.set_result((hear, is_listening))
        self.times_heard += 1
        is_listening(not self._is_away)
        try:
            await asyncio.Event().wait()
        finally:
            self._heard = asyncio.get_running_loop().create_future()
        raise AssertionError

    @property
    def is_heard(self) -> bool:
        return self._heard.done()

    async def say(self, change: Any) -> None:
        """Let the hub hear of a change."""
        (await self._heard)[0](change)

    async def be_away(self) -> None:
        """Let the connection be lost, or not come about."""
        self._is_away = True
        if self.is_heard:
            (await self._heard)[1](False)

    async def come_back(self) -> None:
        """Let there be a new one."""
        self._is_away = False
        (await self._heard)[1](True)


@pytest.fixture
async def knocks(monkeypatch: pytest.MonkeyPatch) -> Knocks:
    knocks = Knocks()
    monkeypatch.setattr(hubs, "listen_for_changes", knocks.listen)
    return knocks


@pytest.fixture
async def hub(pool: Pool, knocks: Knocks) -> AsyncIterator[Hub]:
    hub = Hub(pool.run, per_user=PER_USER)
    hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
def in_thread(pool: Pool) -> Callable[..., Awaitable[Any]]:
    """`await in_thread(function, ...)`: the result, with the database at hand."""

    def run(function: Callable[..., T], *arguments: Any, **named: Any) -> Awaitable[T]:
        return pool.run(lambda: function(*arguments, **named))

    return run


@pytest.fixture
def token(viewer: Viewer) -> str:
    return create_token(viewer.user_id).text


@pytest.fixture
def seats() -> Seats:
    return Seats(per_user=100)


@pytest.fixture
async def connect(
    door: Door, hub: Hub, pool: Pool, seats: Seats
) -> AsyncIterator[Callable[..., Wire]]:
    """`connect(origin=..., ...)`: a client's end of a new WebSocket, not yet greeted."""
    from backend.live.websocket import Sockets

    wires: list[Wire] = []
    sockets = Sockets(door, hub, pool.run, seats)

    def connect(**options: Any) -> Wire:
        wire = Wire(sockets.serve, **options)
        wires.append(wire)
        return wire

    yield connect
    for wire in wires:
        await wire.leave()
