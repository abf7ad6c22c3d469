"""One HTTP exchange with an ASGI application, without a socket: the test decides what arrives."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backend.front.app import Front

DISCONNECT = object()
SILENCE = object()


@dataclass(frozen=True)
class Drop:
    """A chunk that comes after a while, and another one after it."""

    content: bytes
    seconds: float


def drops(content: bytes, *, every: float) -> list[Any]:
    """A body that drips for ever."""
    return [Drop(content, every)] * 100_000


class Exchange:
    """A request whose body comes as these chunks, and what was sent back.

    Among the chunks, DISCONNECT is the client going away and SILENCE is nothing coming any more.
    """

    def __init__(
        self,
        method: str = "POST",
        path: str = "/graphql",
        *,
        query: bytes = b"",
        headers: Mapping[str, str] | None = None,
        chunks: Iterable[Any] = (b"",),
    ) -> None:
        raw = [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()]
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": [(b"host", b"localhost"), *raw],
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50_000),
        }
        self._chunks = list(chunks)
        self.sent: list[dict[str, Any]] = []
        self.log: list[str] = []

    async def run(self, front: Front) -> "Exchange":
        await front(self.scope, self._receive, self._send)
        return self

    async def _receive(self) -> dict[str, Any]:
        if not self._chunks:
            await asyncio.Event().wait()
        chunk = self._chunks[0]
        if chunk is SILENCE:
            await asyncio.Event().wait()
        if isinstance(chunk, Drop):
            await asyncio.sleep(chunk.seconds)
            chunk = chunk.content
        self._chunks.pop(0)
        self.log.append("receive")
        if chunk is DISCONNECT:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}

    async def _send(self, message: Any) -> None:
        self.log.append("send")
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])
