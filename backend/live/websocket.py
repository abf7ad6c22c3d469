"""GraphQL over WebSocket: the subprotocol graphql-transport-ws.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, aclosing
from enum import IntEnum
from functools import partial
from typing import Any, ClassVar, TypeVar, cast

from django.db import InterfaceError, OperationalError

from accounts.identity_provider import ProviderAway
from accounts.viewer import BadCredential, Viewer
from backend import recent_check, trace
from backend.door.encoding import encode, to_text
from backend.door.errors import RequestRefused, error_response, mask, unavailable
from backend.door.execute import Door
from backend.door.rates import network
from backend.door.requests import GraphQLRequest, load_json, request_from
from backend.door.watches import Content, Outcome, Wait
from backend.front.address import client_address
from backend.front.answer import Refusal
from backend.front.asgi import Receive, Scope, Send, hang_up, header
from backend.front.guards import guarded
from backend.front.pool import Full
from backend.live import handshake
from backend.live.ended import Ended, Leaving, Revoked, Told, TooMany
from backend.live.hub import Hub
from backend.live.looking import InPool
from backend.live.register import END_SECONDS
from backend.live.seats import Seat, Seats
from schema.context import RequestContext
from schema.errors import Code
from schema.limits import OPERATIONS

SUBPROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
WRITE_SECONDS = 30.0
ID_LENGTH = 100
REASON_BYTES = 123  # of a close frame (RFC 6455, section 5.5)

T = TypeVar("T")
Handler = Callable[["Socket", dict[str, Any]], Coroutine[Any, Any, None]]


class Close(IntEnum):
    """Why a socket is closed, in the numbers of RFC 6455 and of the subprotocol."""

    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    INTERNAL_ERROR = 1011
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    CONNECTION_INITIALISATION_TIMEOUT = 4408
    SUBSCRIBER_ALREADY_EXISTS = 4409
    TOO_MANY_INITIALISATION_REQUESTS = 4429


class Closed(Exception):
    """The socket is to be closed; `last` is said to each operation before."""

    def __init__(self, code: Close, reason: str, last: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:REASON_BYTES].decode(errors="ignore")
        self.last = last


class Sockets:
    """Serves every WebSocket of this process."""

    def __init__(self, door: Door, hub: Hub, in_pool: InPool, seats: Seats) -> None:
        self._door = door
        self._hub = hub
        self._in_pool = in_pool
        self._seats = seats

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One socket, from its handshake to its end."""
        await receive()  # websocket.connect
        try:
            handshake.check(scope)
        except Refusal as refusal:
            await _refuse(refusal, send)
            return
        try:
            seat = self._seats.seat(network(client_address(scope)))
        except TooMany as reason:
            wait = [(b"retry-after", b"%d" % reason.retry_after)]
            await _refuse(Refusal(429, reason.code, reason.message, wait), send)
            return
        with seat:
            await self._accept(scope, receive, send, seat)

    async def _accept(self, scope: Scope, receive: Receive, send: Send, seat: Seat) -> None:
        if SUBPROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            reason = f"Offer the subprotocol {SUBPROTOCOL}"
            await _close(send, Closed(Close.SUBPROTOCOL_NOT_ACCEPTABLE, reason))
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        await Socket(scope, send, self._door, self._hub, self._in_pool, seat).serve(receive)


class Socket:
    """One accepted WebSocket and its operations.

    Each operation has one message on its way at most, so a slow reader costs little; who takes
    nothing for WRITE_SECONDS is cut off.
    """

    def __init__(
        self, scope: Scope, send: Send, door: Door, hub: Hub, in_pool: InPool, seat: Seat
    ) -> None:
        self._scope = scope
        self._send = send
        self._door = door
        self._hub = hub
        self._in_pool = in_pool
        self._seat = seat
        self._viewer: Viewer | None = None
        self._holding = ExitStack()
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._greeting: asyncio.Task[None] | None = None
        self._is_acknowledged = False
        self._over: asyncio.Future[Closed | None] = asyncio.get_running_loop().create_future()

    @property
    def viewer(self) -> Viewer:
        """Whoever is signed in; only such a socket is held by the hub."""
        return cast(Viewer, self._viewer)

    @viewer.setter
    def viewer(self, viewer: Viewer) -> None:
        self._viewer = viewer

    def end(self, reason: Ended) -> None:
        """Close it for this reason."""
        if isinstance(reason, Revoked):
            # Clients connect again after 4403 by their own rules; an `error` ends an operation.
            self._finish(Closed(Close.FORBIDDEN, reason.message, reason.response))
        elif isinstance(reason, Leaving):
            self._finish(Closed(Close.SERVICE_RESTART, "Connect again"))
        else:
            self._finish(Closed(Close.TRY_AGAIN_LATER, "You read too slowly: connect again"))

    def _finish(self, closed: Closed | None) -> None:
        if not self._over.done():
            self._over.set_result(closed)

    async def serve(self, receive: Receive) -> None:
        """Until one of the two sides ends it."""
        late = Closed(Close.CONNECTION_INITIALISATION_TIMEOUT, "connection_init did not come")
        timer = asyncio.get_running_loop().call_later(INIT_SECONDS, self._give_up_init, late)
        reading = self._task(self._read(receive))
        try:
            closed = await self._over
        finally:
            timer.cancel()
            tasks = [reading, *self._operations.values()]
            tasks += [self._greeting] if self._greeting is not None else []
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._holding.close()
        if closed is not None:
            try:
                async with asyncio.timeout(END_SECONDS):
                    await self._close(closed)
            except TimeoutError:  # the client takes nothing, so it will not take this either
                hang_up(self._scope)

    async def _close(self, closed: Closed) -> None:
        if closed.last is not None:
            for operation in list(self._operations):
                await self._refuse(operation, closed.last)
        await _close(self._send, closed)

    def _give_up_init(self, late: Closed) -> None:
        if self._greeting is None:
            self._finish(late)

    def _task(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Work whose trouble ends the socket."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._judge)
        return task

    def _judge(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, Closed):
            self._finish(error)
        elif isinstance(error, Ended):
            self.end(error)
        elif isinstance(error, OSError):  # the client has gone in the middle of a message
            self._finish(None)
        else:
            message, _ = mask(error)
            self._finish(Closed(Close.INTERNAL_ERROR, message))

    async def _read(self, receive: Receive) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            await self._handle(message.get("text"))
        self._finish(None)

    async def _handle(self, text: str | None) -> None:
        if text is None:
            raise Closed(Close.BAD_REQUEST, "Messages are texts, not bytes")
        try:
            message = load_json(text.encode())
        except RequestRefused as refused:
            raise Closed(Close.BAD_REQUEST, refused.errors[0]["message"]) from None
        kind = message.get("type") if isinstance(message, dict) else None
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None or not isinstance(message, dict):
            kinds = ", ".join(self._handlers)
            raise Closed(Close.BAD_REQUEST, f"A message is an object; its type one of {kinds}")
        await handler(self, message)

    async def _init(self, message: dict[str, Any]) -> None:
        if self._greeting is not None:
            reason = "Too many initialisation requests"
            raise Closed(Close.TOO_MANY_INITIALISATION_REQUESTS, reason)
        payload = message.get("payload")
        if not isinstance(payload, dict | None):
            raise Closed(Close.BAD_REQUEST, "The payload of connection_init is an object")
        found = {name.lower(): value for name, value in (payload or {}).items()}
        authorization, act_as = found.get("authorization"), found.get("act-as")
        if not isinstance(authorization, str | None):
            raise Closed(Close.BAD_REQUEST, "`authorization` is a text: Bearer <token>")
        if not isinstance(act_as, str | None):
            raise Closed(Close.BAD_REQUEST, "`act-as` is a text: the subject's name")
        self._greeting = self._task(self._greet(authorization, act_as))

    async def _greet(self, authorization: str | None, act_as: str | None) -> None:
        sign_in = partial(handshake.sign_in, self._scope, authorization, act_as)
        try:
            self._viewer = await self._ask(sign_in)
        except BadCredential as error:
            self._pay(None)
            raise Closed(Close.FORBIDDEN, str(error)) from None
        except (Full, ProviderAway, OperationalError, InterfaceError):
            raise Closed(Close.TRY_AGAIN_LATER, "Connect again in a moment") from None
        self._pay(self._viewer)
        if self._viewer is not None:
            self._sit_down(self._viewer)
            self._holding.enter_context(self._hub.held(self))
        self._is_acknowledged = True
        await self._say({"type": "connection_ack"})

    def _sit_down(self, viewer: Viewer) -> None:
        try:
            self._seat.change(viewer.counted_as)
        except TooMany as reason:
            raise Closed(Close.TRY_AGAIN_LATER, reason.message) from None

    def _pay(self, viewer: Viewer | None) -> None:
        """A greeting asks the database, so it counts as a request; who tries many has to wait."""
        try:
            self._door.rates.purse(viewer, client_address(self._scope)).pay_request()
        except RequestRefused as refused:
            message = refused.errors[0]["message"]
            raise Closed(Close.TRY_AGAIN_LATER, message) from None

    async def _ping(self, message: dict[str, Any]) -> None:
        payload = {"payload": message["payload"]} if "payload" in message else {}
        await self._say({"type": "pong", **payload})

    async def _pong(self, message: dict[str, Any]) -> None:
        pass

    async def _subscribe(self, message: dict[str, Any]) -> None:
        operation = _id(message)
        if not self._is_acknowledged:
            raise Closed(Close.UNAUTHORIZED, "Wait for connection_ack before you subscribe")
        if operation in self._operations:
            reason = f"Subscriber for {operation} already exists"
            raise Closed(Close.SUBSCRIBER_ALREADY_EXISTS, reason)
        try:
            request = request_from(message.get("payload"))
        except RequestRefused as refused:
            raise Closed(Close.BAD_REQUEST, refused.errors[0]["message"]) from None
        if len(self._operations) >= OPERATIONS:
            text = f"A socket has at most {OPERATIONS} operations: complete one first."
            refusal = error_response(Code.RATE_LIMITED, text, retryAfter=TooMany.retry_after)
            await self._refuse(operation, refusal)
            return
        self._operations[operation] = self._task(
            self._operate(operation, request, time.monotonic())
        )

    async def _complete(self, message: dict[str, Any]) -> None:
        task = self._operations.pop(_id(message), None)
        if task is not None:
            task.cancel()

    _handlers: ClassVar[dict[str, Handler]] = {
        "connection_init": _init,
        "ping": _ping,
        "pong": _pong,
        "subscribe": _subscribe,
        "complete": _complete,
    }

    async def _operate(self, operation: str, request: GraphQLRequest, since: float) -> None:
        trace.begin(header(self._scope, trace.HEADER), self._scope["type"])  # one of its own
        content = await self._execute(request)
        if isinstance(content, Outcome) and "data" not in content.response:
            await self._refuse(operation, content.response)
            return
        try:
            if isinstance(content, Outcome):
                await self._next(operation, encode(content.response))
            elif isinstance(content, Wait):
                await self._next(operation, await self._hub.answer(content))
            else:
                async with aclosing(self._hub.follow(content, since)) as payloads:
                    async for payload in payloads:
                        await self._next(operation, payload)
        except Revoked:
            raise
        except Told as refusal:
            await self._refuse(operation, refusal.response)
            return
        del self._operations[operation]
        await self._say({"id": operation, "type": "complete"})

    async def _execute(self, request: GraphQLRequest) -> Content:
        base_url, address = handshake.base_url(self._scope), client_address(self._scope)
        context = RequestContext(self._viewer, base_url, address)
        try:
            return await self._ask(partial(self._door.execute, request, context))
        except Full:
            message = "Too many requests are waiting; try again in a second."
            return Outcome(error_response(Code.UNAVAILABLE, message))
        except (OperationalError, InterfaceError) as error:
            return Outcome(error_response(Code.UNAVAILABLE, unavailable(error)))
        except Exception as error:
            message, reference = mask(error)
            return Outcome(error_response(Code.INTERNAL, message, reference=reference))

    async def _ask(self, job: Callable[[], T]) -> T:
        """The job's result; it runs in the pool, with living connections."""
        return await self._in_pool(partial(_with_connections, job))

    async def _refuse(self, operation: str, response: dict[str, Any]) -> None:
        """The end of an operation of which nothing was executed."""
        self._operations.pop(operation, None)
        await self._say({"id": operation, "type": "error", "payload": response["errors"]})

    async def _next(self, operation: str, payload: str) -> None:
        await self._write(f'{{"id":{json.dumps(operation)},"type":"next","payload":{payload}}}')

    async def _say(self, message: dict[str, Any]) -> None:
        await self._write(encode(message))

    async def _write(self, text: str) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._send({"type": "websocket.send", "text": to_text(text)})
        except TimeoutError:
            hang_up(self._scope)
            self._finish(None)


def _id(message: dict[str, Any]) -> str:
    operation = message.get("id")
    if not isinstance(operation, str) or not 0 < len(operation) <= ID_LENGTH:
        reason = f"The id of an operation is a text of 1 to {ID_LENGTH} characters"
        raise Closed(Close.BAD_REQUEST, reason)
    return operation


def _with_connections(job: Callable[[], T]) -> T:
    with recent_check.unit_of_work():
        return job()


async def _close(send: Send, closed: Closed) -> None:
    await send({"type": "websocket.close", "code": int(closed.code), "reason": closed.reason})


async def _refuse(refusal: Refusal, send: Send) -> None:
    """An HTTP answer in place of the handshake's."""
    answer = guarded(refusal.answer(is_graphql=True))
    start = {"type": "websocket.http.response.start", "status": answer.status}
    await send({**start, "headers": answer.headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})
