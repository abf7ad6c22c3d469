"""Answers an HTTP request later, or as a stream, holding no thread meanwhile."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import cast

from backend.door.encoding import encode, to_bytes
from backend.door.reply import Later
from backend.door.watches import Content, Outcome, Subscription, Wait
from backend.front.answer import Answer, send_answer
from backend.front.asgi import Receive, Scope, Send, hang_up
from backend.live.ended import Ended, Leaving, Told, TooMany
from backend.live.framing import Framing, framing_for
from backend.live.hub import Hub
from backend.live.register import END_SECONDS

HEARTBEAT_SECONDS = 12.0  # some proxies end a stream after 15 silent seconds
WRITE_SECONDS = 30.0  # that a reader may take nothing


class Stuck(Exception):
    """The reader does not read."""


@dataclass(frozen=True)
class Exchange:
    """One request on its connection, and the answer as Django has begun it."""

    scope: Scope
    receive: Receive
    send: Send
    answer: Answer

    async def begin(self) -> None:
        message = {
            "type": "http.response.start",
            "status": self.answer.status,
            "headers": self.answer.headers,
        }
        await self.send(message)

    async def write(
        self, content: bytes, *, more: bool = True, seconds: float | None = None
    ) -> None:
        """Stuck when the client takes nothing for so many seconds, else WRITE_SECONDS."""
        try:
            async with asyncio.timeout(WRITE_SECONDS if seconds is None else seconds):
                message = {"type": "http.response.body", "body": content, "more_body": more}
                await self.send(message)
        except TimeoutError:
            raise Stuck from None

    async def gone(self) -> None:
        """Return once the client has left."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def hang_up(self) -> None:
        """Cut the connection, so that nobody takes what has come for everything."""
        hang_up(self.scope)

    @asynccontextmanager
    async def beating(self, framing: Framing) -> AsyncIterator[None]:
        """Heartbeats meanwhile; cut off when the client takes none."""
        beat = asyncio.create_task(self._beat(framing))
        try:
            yield
        finally:
            beat.cancel()

    async def _beat(self, framing: Framing) -> None:
        try:
            while True:
                await asyncio.sleep(HEARTBEAT_SECONDS)
                await self.write(framing.heartbeat)
        except Stuck:
            self.hang_up()


class Streams:
    """Sends what Django left to be sent later."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def send(
        self, later: Later, answer: Answer, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """The whole response, unless the client leaves."""
        exchange = Exchange(scope, receive, send, answer)
        work = asyncio.create_task(self._send(later, exchange))
        gone = asyncio.create_task(exchange.gone())
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            work.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
        if not work.cancelled() and (error := work.exception()) is not None:
            raise error

    async def _send(self, later: Later, exchange: Exchange) -> None:
        content, since = later.content, time.monotonic()
        is_subscription = isinstance(content, Subscription)
        framing = framing_for(later.media_type, is_subscription=is_subscription)
        if isinstance(content, Subscription) and framing is not None:
            try:
                self._hub.check_room(content.viewer)
            except TooMany as reason:
                await send_answer(exchange.send, _refused(exchange.answer, reason))
                return
            except Leaving:
                exchange.hang_up()
                return
            responses = self._hub.follow(content, since, exchange.hang_up)
            await self._stream(responses, framing, exchange)
        elif framing is not None:
            await self._stream(self._only(content), framing, exchange)
        else:
            try:
                body = to_bytes(await self._one(content))
            except TooMany as reason:
                await send_answer(exchange.send, _refused(exchange.answer, reason))
                return
            await send_answer(exchange.send, _with_body(exchange.answer, body))

    async def _one(self, content: Content) -> str:
        if isinstance(content, Wait):
            return await self._hub.answer(content)
        return encode(cast(Outcome, content).response)

    async def _stream(
        self, responses: AsyncGenerator[str, None], framing: Framing, exchange: Exchange
    ) -> None:
        """All responses to their end, or to the reason for another one."""
        await exchange.begin()
        try:
            await exchange.write(framing.opening)
            try:
                async with exchange.beating(framing), aclosing(responses):
                    async for payload in responses:
                        await exchange.write(framing.framed(payload))
            except Told as ended:
                last = framing.framed(encode(ended.response)) + framing.closing
                await exchange.write(last, more=False, seconds=END_SECONDS)
            else:
                await exchange.write(framing.closing, more=False)
        except (Ended, Stuck):
            exchange.hang_up()

    async def _only(self, content: Content) -> AsyncGenerator[str, None]:
        yield await self._one(content)


def _refused(answer: Answer, reason: TooMany) -> Answer:
    """The refusal, with what Django's middleware has put beside the answer."""
    body = to_bytes(encode(reason.response))
    kept = [pair for pair in answer.headers if pair[0] != b"content-type"]
    headers = [
        *kept,
        (b"content-type", b"application/json"),
        (b"retry-after", b"%d" % reason.retry_after),
    ]
    return _with_body(Answer(429, headers, b""), body)


def _with_body(answer: Answer, body: bytes) -> Answer:
    length = (b"content-length", b"%d" % len(body))
    return Answer(answer.status, [*answer.headers, length], body)
