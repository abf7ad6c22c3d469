"""Every client over every transport sees the end of its run, whatever happens on the way.

All cells that are asked for are played at once, and each test says what came of its own.
"""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.clients import building
from tests.clients.conftest import AT_ONCE
from tests.clients.remote import Remote, Watch
from tests.clients.scenarios import RESTARTS, SCENARIOS, TITLES, Scene, check_end
from tests.clients.table import PAIRS
from tests.clients.world import Gate, World

pytestmark = pytest.mark.xdist_group("clients")
SIGNALS = {"deploy": signal.SIGTERM, "crash": signal.SIGKILL}

Cell = tuple[str, str]
Verdicts = dict[Cell, BaseException | None]


class Play:
    """The cells being played."""

    def __init__(self, cells: set[Cell], world: World) -> None:
        self._cells = cells
        self._world = world
        self._room = asyncio.Semaphore(AT_ONCE)
        self._scenes: dict[str, Scene] = {}
        self.verdicts: Verdicts = {}

    async def play(self) -> None:
        async with AsyncExitStack() as stack:
            for n, name in enumerate(PAIRS):
                if any(pair == name for pair, _ in self._cells):
                    remote = await stack.enter_async_context(_remote(name))
                    tokens = self._world.tokens
                    self._scenes[name] = Scene(self._world, remote, tokens[n], tokens[-1][0])
            async with asyncio.TaskGroup() as group:
                for pair, scenario in self._cells:
                    if scenario in SCENARIOS:
                        work = SCENARIOS[scenario](self._scenes[pair])
                        group.create_task(self._judge((pair, scenario), work))
            for scenario in RESTARTS:
                await self._restart(scenario)

    async def _judge(self, cell: Cell, work: Coroutine[Any, Any, None]) -> None:
        async with self._room:
            try:
                await work
            except Exception as error:
                self.verdicts[cell] = error
            else:
                self.verdicts[cell] = None

    async def _restart(self, scenario: str) -> None:
        """One restart for all clients that watch."""
        pairs = [pair for pair, each in self._cells if each == scenario]
        if not pairs:
            return
        watched: dict[str, tuple[Watch, str, Gate]] = {}

        async def begin(pair: str) -> None:
            scene = self._scenes[pair]
            watched[pair] = await scene.watched(await scene.client())

        async def finish(pair: str) -> None:
            if (pair, scenario) not in self.verdicts:
                watch, _, gate = watched[pair]
                assert not watch.is_over, watch
                gate.open()
                await check_end(watch, again=True)

        async with asyncio.TaskGroup() as group:
            for pair in pairs:
                group.create_task(self._judge((pair, scenario), begin(pair)))
        await asyncio.to_thread(self._world.restart_web, SIGNALS[scenario])
        for pair in pairs:
            if self.verdicts[pair, scenario] is None:
                del self.verdicts[pair, scenario]
        async with asyncio.TaskGroup() as group:
            for pair in pairs:
                if (pair, scenario) not in self.verdicts:
                    group.create_task(self._judge((pair, scenario), finish(pair)))


def _remote(name: str) -> Remote:
    pair = PAIRS[name]
    if pair.is_python:
        command = (building.gql(), f"src/{pair.program}")
    else:
        command = (building.node(), f"build/{pair.program}.mjs")
    return Remote(command, repeats=pair.repeats)


@pytest.fixture(scope="session")
def verdicts(request: pytest.FixtureRequest, shared: World) -> Verdicts:
    """What came of all cells that this session asks for; None where all was well."""
    cells = {
        (str(item.callspec.params["pair"]), str(item.callspec.params["scenario"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is test_a_client_sees_it_through
    }
    if not building.GQL.exists():  # each of its own tests says so
        cells = {cell for cell in cells if not PAIRS[cell[0]].is_python}
    play = Play(cells, shared)
    asyncio.run(play.play())
    return play.verdicts


@pytest.mark.parametrize("scenario", TITLES)
@pytest.mark.parametrize("pair", PAIRS)
def test_a_client_sees_it_through(verdicts: Verdicts, pair: str, scenario: str) -> None:
    if PAIRS[pair].is_python:
        building.gql()
    error = verdicts[pair, scenario]
    if error is not None:
        raise error
