"""As remote.ts, for clients in Python."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

sys.path.append(str(Path(__file__).parents[1] / "page"))

MISSPELT = "subscription($id: ID!) { run(id: $id) { id revsion } }"


class Client(Protocol):
    """One user's client of one service."""

    def __init__(self, url: str, headers: dict[str, str]) -> None: ...

    def start(self, text: str) -> Any: ...

    def cancel(self, run: str) -> Any: ...

    def watch(self, run: str, after: int | None) -> AsyncIterator[Any]: ...

    def misspell(self, run: str) -> AsyncIterator[Any]: ...


def serve(kind: type[Client], describe: Callable[[Exception], Any]) -> None:
    """Obey until stdin ends."""
    asyncio.run(_serve(kind, describe))


async def _serve(kind: type[Client], describe: Callable[[Exception], Any]) -> None:
    clients: dict[str, Client] = {}

    async def act(command: dict[str, Any]) -> None:
        def say(**said: Any) -> None:
            print(json.dumps({"id": command["id"], **said}), flush=True)  # noqa: T201

        try:
            if command["do"] == "open":
                token = command["token"]
                headers = {"authorization": f"Bearer {token}"} if token else {}
                clients[command["client"]] = kind(command["url"], headers)
                say(done=True)
                return
            client = clients[command["client"]]
            if command["do"] == "start":
                say(done=await asyncio.to_thread(client.start, command["text"]))
            elif command["do"] == "cancel":
                say(done=await asyncio.to_thread(client.cancel, command["run"]))
            else:
                is_watch = command["do"] == "watch"
                runs = (
                    client.watch(command["run"], command.get("after"))
                    if is_watch
                    else client.misspell(command["run"])
                )
                async for run in runs:
                    say(next=run)
                say(complete=True)
        except Exception as error:
            say(error=describe(error) or repr(error))

    tasks: set[Awaitable[None]] = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        tasks.add(asyncio.create_task(act(json.loads(line))))
