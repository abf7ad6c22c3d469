"""uvicorn's protocols with bounds on what a client can make them hold, and for how long."""

import asyncio
import logging
from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from backend.front.asgi import HANG_UP

HEAD_BYTES = 65_536  # httptools has no limit of its own; the front refuses more than HEADER_BYTES
FRAMING = 16  # bytes around each byte of a body sent in chunks, beyond HEAD_BYTES: one needs 5
HEAD_SECONDS = 20.0


class BoundedHttp(HttpToolsProtocol):
    """Hangs up on a client whose request line and headers are endless, or never come.

    So it does where there is no end of what may stand around a body sent in chunks: uvicorn keeps
    the trailers, and never asks for them. Nor is anything read after a request that asks for
    another protocol.
    """

    _overhead = 0  # bytes of this request that are no body
    _deadline: asyncio.TimerHandle | None = None
    _is_deaf = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = logging.getLogger("downbeat.http")

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._overtaken: deque[Any] = deque()  # requests whose answers others wait for
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)
        for cycle in self._overtaken:  # uvicorn tells the latest request alone
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._overhead += len(data)
        if self._overhead > HEAD_BYTES + len(data):  # what came before was too much already
            self.transport.abort()
            return
        super().data_received(data)

    def on_body(self, body: bytes) -> None:
        self._overhead = max(0, self._overhead - (FRAMING + 1) * len(body))
        super().on_body(body)

    def on_message_begin(self) -> None:
        if self._deadline is None:  # the first one's time began with the connection
            self._expect_head()
        super().on_message_begin()
        self.scope["extensions"] = {HANG_UP: {"now": self.transport.abort}}

    def on_headers_complete(self) -> None:
        self._head_came()
        before = self.cycle
        super().on_headers_complete()
        if before is not None and before is not self.cycle:
            self._overtaken.append(before)
            while self._overtaken and self._overtaken[0].response_complete:  # in their order
                self._overtaken.popleft()

    def _unsupported_upgrade_warning(self) -> None:
        # The parser takes what follows, the body of this request, for the next request: behind a
        # proxy that passes `Upgrade` on, one client's body would be another one's request.
        self._is_deaf = True
        self.cycle.keep_alive = False

    def _expect_head(self) -> None:
        self._overhead = 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _head_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """Hangs up on a client that sends pings and takes no answer, or answers none.

    Nor can a client make it keep pieces without end, stay without an answer, or fill the log.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = self.conn.logger = logging.getLogger("downbeat.websocket")

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["extensions"][HANG_UP] = {"now": self.transport.abort}

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:  # a head that the parser refuses, and uvicorn waits on
            self.transport.abort()

    def handle_cont(self, event: Any) -> None:
        if event.data or event.fin:  # empty pieces count for no size, and uvicorn keeps them all
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not _is_text(b"".join(self.frames)):
            self.conn.send_close(1007)  # as uvicorn does, but with a traceback in the log
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # refused, which uvicorn would log as our mistake

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()  # what waits to be sent would keep it open


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
