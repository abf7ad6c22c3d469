"""What may happen while a run is watched, and what a client must then say; each is a column.

`world` does things to the service, `client` is the library with the set-up of docs/clients.md.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

from tests.clients.remote import SECONDS, Client, Remote, Watch
from tests.clients.wire import Wire
from tests.clients.world import RESULT, Gate, World

REVOKED_SECONDS = 6.0  # five, and the pause of a client that polls with its next request
REFUSED_SECONDS = 10.0  # far less than trying again for ever
UNKNOWN = "UnVuOjAxOTAwMDAwLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMA=="  # Run:01900000-...


@dataclass(frozen=True)
class Scene:
    """One client's part of the world."""

    world: World
    remote: Remote
    tokens: list[str]
    stranger: str

    async def client(self, token: str | None = None, url: str | None = None) -> Client:
        return await self.remote.open(url or self.world.service.url, token or self.tokens[0])

    async def watched(self, client: Client) -> tuple[Watch, str, Gate]:
        """A run in its middle, watched."""
        gate = self.world.gate()
        run = await client.start(gate.text)
        watch = await client.watch(run)
        await watch.to_progress()
        return watch, run, gate


def rises(seen: list[Any]) -> bool:
    revisions = [run["revision"] for run in seen]
    return revisions == sorted(set(revisions))


async def check_end(watch: Watch, *, again: bool = False) -> None:
    """The watch ends with the result; `again`: it may have begun anew with what was known."""
    await watch.to_end()
    assert watch.is_complete, watch
    assert watch.last["status"] == "SUCCEEDED", watch
    assert {key: watch.last["result"][key] for key in RESULT} == RESULT
    assert [run["isFinal"] for run in watch.seen if run].count(True) == 1, watch
    seen = [
        run for n, run in enumerate(watch.seen) if not again or n == 0 or run != watch.seen[n - 1]
    ]
    assert rises(seen), watch.seen


def code(watch: Watch) -> str:
    """The code of the error that the client has seen."""
    assert watch.error is not None, watch
    found = watch.error
    assert isinstance(found, list), found
    return str(found[0]["extensions"]["code"])


async def end(scene: Scene) -> None:
    """to the end"""
    watch, _, gate = await scene.watched(await scene.client())
    for _ in range(3):
        await watch.to_progress(watch.last["progress"]["done"] + 1)
    gate.open()
    await check_end(watch)
    steps = {(run["progress"] or {}).get("done") for run in watch.seen if run}
    assert len(steps) >= 4, watch.seen


async def cut(scene: Scene) -> None:
    """connection lost"""
    async with Wire(scene.world.service.port).open() as wire:
        watch, _, gate = await scene.watched(await scene.client(url=wire.url))
        before = wire.connections
        wire.cut()
        async with asyncio.timeout(SECONDS):
            while wire.connections == before:
                await asyncio.sleep(0.05)
        await watch.to_progress(watch.last["progress"]["done"] + 2)
        gate.open()
        await check_end(watch, again=True)


async def late(scene: Scene) -> None:
    """after the end"""
    client = await scene.client()
    gate = scene.world.gate()
    gate.open()
    run = await client.start(gate.text)
    first = await client.watch(run)
    await check_end(first)
    second = await client.watch(run, first.last["revision"])
    await check_end(second)
    assert len(second.seen) == 1


async def cancel(scene: Scene) -> None:
    """canceled"""
    client = await scene.client()
    watch, run, _ = await scene.watched(client)
    await client.cancel(run)
    await watch.to_end()
    assert watch.is_complete, watch
    assert watch.last["status"] == "CANCELED"
    assert rises(watch.seen), watch.seen


async def refused(scene: Scene) -> None:
    """refused"""
    mine, theirs = await scene.client(), await scene.client(scene.stranger)
    gate = scene.world.gate()
    gate.open()
    run = await mine.start(gate.text)
    misspelt = await mine.misspell(run)
    await misspelt.to_end()
    assert code(misspelt) == "GRAPHQL_VALIDATION_FAILED"
    for hidden in (await theirs.watch(run), await mine.watch(UNKNOWN)):
        await hidden.to_end()
        assert (hidden.seen, hidden.is_complete) == ([None], True), hidden
    nobody = await scene.remote.open(scene.world.service.url, None)
    unknown = await nobody.watch(run)
    await unknown.to_end()
    assert (unknown.seen, code(unknown)) == ([], "UNAUTHENTICATED")
    forger = await scene.client("dbt_forged")
    forged = await forger.watch(run)
    await forged.to_end(REFUSED_SECONDS)
    said = json.dumps(forged.error)
    assert "UNAUTHENTICATED" in said or "4403" in said, said


async def revoked(scene: Scene) -> None:
    """token revoked"""
    client = await scene.client(scene.tokens[1])
    watch, _, gate = await scene.watched(client)
    scene.world.revoke(scene.tokens[1])
    began = time.monotonic()
    await watch.to_end()
    took = time.monotonic() - began
    gate.open()
    assert code(watch) == "UNAUTHENTICATED", json.dumps(watch.error)
    assert took < REVOKED_SECONDS


SCENARIOS = {each.__name__: each for each in (end, cut, late, cancel, refused, revoked)}
RESTARTS = {"deploy": "server restarted", "crash": "server killed"}
TITLES = {name: each.__doc__ or "" for name, each in SCENARIOS.items()} | RESTARTS
