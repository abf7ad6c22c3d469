"""From the start of a run to its known result, watched by a subscription; and Celery's floor."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from celery import Celery
from redis import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.contenders import TUTORIAL, Contender
from bench.costs import Session

WATCH = """subscription($id: ID!) { run(id: $id) {
  status isFinal result { ... on WordCount { words } } } }"""
PAUSE_SECONDS = 0.02  # between two, so that each finds an idle worker
WAIT_SECONDS = 30


def watched(contender: Contender, count: int) -> list[float]:
    """Milliseconds from sending the mutation to receiving the result, of each run."""
    return asyncio.run(_watched(contender, count))


async def _watched(contender: Contender, count: int) -> list[float]:
    session, found = Session(contender.port, contender.token), []
    async with _greeted(contender) as wire:
        for number in range(count):
            began = time.perf_counter()
            data = await asyncio.to_thread(session.ask, contender.start(f"some words {number}"))
            payload = {"query": WATCH, "variables": {"id": contender.started(data)}}
            await wire.send(
                json.dumps({"id": str(number), "type": "subscribe", "payload": payload})
            )
            await asyncio.wait_for(_result(wire, str(number)), WAIT_SECONDS)
            found.append((time.perf_counter() - began) * 1_000)
            await asyncio.sleep(PAUSE_SECONDS)
    return found


async def _result(wire: ClientConnection, operation: str) -> None:
    """Receive until the run of this operation is at its end, with its result."""
    async for text in wire:
        message = json.loads(text)
        if message["id"] != operation or message["type"] != "next":
            continue
        run = message["payload"]["data"]["run"]
        if run["isFinal"]:
            assert run["result"]["words"] == 3, run
            return


@asynccontextmanager
async def _greeted(contender: Contender) -> AsyncIterator[ClientConnection]:
    """A signed-in WebSocket."""
    url, protocols = (
        f"ws://127.0.0.1:{contender.port}/graphql",
        [Subprotocol("graphql-transport-ws")],
    )
    async with connect(url, subprotocols=protocols, compression=None) as wire:
        credential = {"authorization": f"Bearer {contender.token}"}
        await wire.send(json.dumps({"type": "connection_init", "payload": credential}))
        assert json.loads(await wire.recv())["type"] == "connection_ack"
        yield wire


def floor(redis_url: str, count: int) -> list[float]:
    """Milliseconds from publishing a Celery message to the first line of its task, of each."""
    app, found = Celery(broker=redis_url), []
    with Redis.from_url(redis_url) as redis:
        for _ in range(count):
            app.send_task(f"{TUTORIAL}.tasks.arrive", (time.time(),), ignore_result=True)
            answer = redis.blpop(["arrived"], timeout=WAIT_SECONDS)
            assert answer is not None, "the worker does not answer"
            found.append(float(answer[1]) * 1_000)
            time.sleep(PAUSE_SECONDS)
    app.close()
    return found
