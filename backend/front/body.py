"""Reads a request's body: at most so many bytes, within so many seconds, not too many at once."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from backend.front.answer import Refusal
from backend.front.asgi import Disconnected, Receive, Scope, header

BODY_SECONDS = 30.0
LINGER_SECONDS = 1.0
SMALL = 16_384  # bytes that there is room for on every connection
LARGE_BYTES = 1 << 26  # of all larger bodies that are on their way at once


class Crowd:
    """The large bodies that are on their way to one process."""

    def __init__(self) -> None:
        self._bytes = 0

    @contextlib.contextmanager
    def one_more(self) -> Iterator[Callable[[int], None]]:
        """Gives what notes how much of a body is here; Refusal when all together are too large."""
        here = 0

        def grown(size: int) -> None:
            nonlocal here
            if self._bytes + size - here > LARGE_BYTES:
                message = "Too many large requests are on their way; try again in a second."
                raise Refusal(503, "UNAVAILABLE", message, [(b"retry-after", b"1")])
            self._bytes += size - here
            here = size

        try:
            yield grown
        finally:
            self._bytes -= here


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

    async def whole(self, limit: int, crowd: Crowd) -> bytes:
        """All of it; Refusal when it is too large or too slow, or too many others are large."""
        if self.declared > limit:
            raise _too_large(limit)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._collect(limit, crowd)
        except TimeoutError:
            message = f"The body did not come within {BODY_SECONDS:g} seconds."
            raise Refusal(408, "BAD_REQUEST", message) from None

    async def _collect(self, limit: int, crowd: Crowd) -> bytes:
        body = bytearray()
        with crowd.one_more() as grown:
            while not self.ended and len(body) <= limit:
                body += await self.chunk()
                if not self.ended and len(body) > SMALL:
                    grown(len(body))
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
