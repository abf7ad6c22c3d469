"""A WebSocket without a network: what the server says, and what a client sends."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from backend.front.asgi import HANG_UP
from backend.live.websocket import SUBPROTOCOL

HOST = b"testserver"
SECONDS = 10.0
Serve = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Any]


class Wire:
    """A client's end. `headers` are the handshake's beside Host."""

    def __init__(
        self,
        serve: Serve,
        *,
        subprotocols: tuple[str, ...] = (SUBPROTOCOL,),
        path: str = "/graphql",
        host: bytes = HOST,
        address: str = "192.0.2.1",
        **headers: str,
    ) -> None:
        self._to_server = asyncio.Queue[Any]()
        self._to_client = asyncio.Queue[Any]()
        self.is_hung_up = False
        self.reads = asyncio.Event()
        self.reads.set()
        named = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._scope = {
            "type": "websocket",
            "scheme": "ws",
            "path": path,
            "client": (address, 1),
            "headers": [(b"host", host), *named],
            "subprotocols": list(subprotocols),
            "extensions": {HANG_UP: {"now": self._hang_up}},
        }
        self._to_server.put_nowait({"type": "websocket.connect"})
        self.served = asyncio.ensure_future(serve(self._scope, self._to_server.get, self._take))

    async def _take(self, message: Any) -> None:
        await self.reads.wait()
        self._to_client.put_nowait(message)

    def _hang_up(self) -> None:
        self.is_hung_up = True
        self.reads.set()
        self._to_server.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def event(self) -> Any:
        """The next thing the server does, in ASGI's words."""
        async with asyncio.timeout(SECONDS):
            return await self._to_client.get()

    async def hear(self) -> Any:
        """The server's next message."""
        event = await self.event()
        assert event["type"] == "websocket.send", event
        return json.loads(event["text"])

    async def closed(self) -> tuple[int, str]:
        """The code and the reason with which the server closes now."""
        event = await self.event()
        assert event["type"] == "websocket.close", event
        async with asyncio.timeout(SECONDS):
            await self.served
        return event["code"], event["reason"]

    def say_text(self, text: str) -> None:
        self._to_server.put_nowait({"type": "websocket.receive", "text": text})

    def say_bytes(self, content: bytes) -> None:
        self._to_server.put_nowait({"type": "websocket.receive", "bytes": content, "text": None})

    def say(self, kind: str, **members: Any) -> None:
        self.say_text(json.dumps({"type": kind, **members}))

    async def accepted(self) -> str | None:
        """The subprotocol that was agreed on."""
        event = await self.event()
        assert event["type"] == "websocket.accept", event
        subprotocol: str | None = event.get("subprotocol")
        return subprotocol

    async def greet(self, token: str | None = None) -> None:
        """Up to connection_ack."""
        assert await self.accepted() == SUBPROTOCOL
        payload = {"payload": {"Authorization": f"Bearer {token}"}} if token else {}
        self.say("connection_init", **payload)
        assert await self.hear() == {"type": "connection_ack"}

    def ask(self, operation: str, query: str, /, **variables: Any) -> None:
        self.say("subscribe", id=operation, payload={"query": query, "variables": variables})

    async def silence(self, seconds: float = 0.2) -> None:
        """Nothing comes for a while."""
        await asyncio.sleep(seconds)
        assert self._to_client.empty(), self._to_client.get_nowait()

    async def leave(self) -> None:
        """Close from this side."""
        if not self.served.done():
            self._to_server.put_nowait({"type": "websocket.disconnect", "code": 1000})
            self.reads.set()
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(self.served, return_exceptions=True)
