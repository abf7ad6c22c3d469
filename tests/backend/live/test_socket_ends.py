"""What the operations of a WebSocket are told before it is closed from our side."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar, cast

import pytest

from backend.door.execute import Door
from backend.door.rates import UNLIMITED
from backend.live.ended import Ended, Leaving, Revoked
from backend.live.hub import Hub
from backend.live.seats import Seats
from backend.live.websocket import Socket

T = TypeVar("T")


class StillDoor:
    """Everything is a subscription, and costs nothing."""

    rates = UNLIMITED

    def execute(self, request: Any, context: Any) -> object:
        return object()


class StillHub:
    """Nothing ever happens."""

    async def follow(self, watch: Any, since: float) -> AsyncGenerator[str, None]:
        await asyncio.Event().wait()
        yield ""


async def run(job: Callable[[], T]) -> T:
    return job()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("reason", "code", "errors"),
    [(Revoked(), 4403, ["a", "b"]), (Leaving(), 1012, [])],
    ids=["revoked", "leaving"],
)
async def test_a_revoked_token_is_an_error_of_each_operation_and_a_deploy_of_none(
    reason: Ended, code: int, errors: list[str]
) -> None:
    said: list[dict[str, Any]] = []
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def send(message: Any) -> None:
        said.append(json.loads(message["text"]) if "text" in message else message)

    def hear(**message: Any) -> None:
        heard.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    scope = {"type": "websocket", "scheme": "ws", "path": "/graphql", "headers": []}
    door, hub = cast(Door, StillDoor()), cast(Hub, StillHub())
    socket = Socket(scope, send, door, hub, run, Seats(per_user=1).seat("here"))
    serving = asyncio.create_task(socket.serve(heard.get))
    hear(type="connection_init")
    await until(lambda: {"type": "connection_ack"} in said)
    for operation in ("a", "b"):
        hear(type="subscribe", id=operation, payload={"query": "subscription { run }"})
    await until(heard.empty)
    await asyncio.sleep(0.05)
    socket.end(reason)
    await asyncio.wait_for(serving, 5)
    *told, close = said[1:]
    assert (close["type"], close["code"]) == ("websocket.close", code)
    assert [message["id"] for message in told] == errors
    for message in told:
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
