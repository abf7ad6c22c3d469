"""Reads a request's body: at most so many bytes, within so many seconds."""

import asyncio

from backend.front.answer import Refusal
from backend.front.asgi import Disconnected, Receive, Scope, header

BODY_SECONDS = 30.0
LINGER_SECONDS = 1.0


class Intake:
    """The body of one request on its way in. `ended`: it was read to its last byte."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        declared = header(scope, b"content-length")
        # Only to refuse early: what comes is counted. Python reads no number of 5,000 digits.
        self.declared = int(declared[-18:]) if declared is not None and declared.isdigit() else 0
        self.ended = False

    async def chunk(self) -> bytes:
        """The next bytes, perhaps none."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        self.ended = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk

    async def whole(self, limit: int) -> bytes:
        """All of it; Refusal when it is too large or too slow."""
        if self.declared > limit:
            raise _too_large(limit)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._collect(limit)
        except TimeoutError:
            raise too_slow(BODY_SECONDS) from None

    async def _collect(self, limit: int) -> bytes:
        body = bytearray(await self.chunk())
        while not self.ended and len(body) <= limit:
            body += await self.chunk()
        if len(body) > limit:
            raise _too_large(limit)
        return bytes(body)

    async def discard(self) -> None:
        """Throw away what still comes, for a moment."""
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while not self.ended:
                    await self.chunk()
        except (TimeoutError, Disconnected):
            return


def _too_large(limit: int) -> Refusal:
    return Refusal(413, "BAD_REQUEST", f"The body is larger than the {limit} bytes allowed.")


def too_slow(seconds: float) -> Refusal:
    return Refusal(408, "BAD_REQUEST", f"The body did not come within {seconds:g} seconds.")
