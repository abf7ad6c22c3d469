"""uvicorn's HTTP protocol with bounds on a request's head: its size, and the time it may take."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from backend.front.asgi import HANG_UP

HEAD_BYTES = 65_536  # httptools has no limit of its own; the front refuses more than HEADER_BYTES
HEAD_SECONDS = 20.0


class BoundedHttp(HttpToolsProtocol):
    """Hangs up on a client whose request line and headers are endless, or never come."""

    _head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES + len(data):  # what came before was too much already
                self.transport.abort()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        if self._deadline is None:  # the first one's time began with the connection
            self._expect_head()
        super().on_message_begin()
        self.scope["extensions"] = {HANG_UP: {"now": self.transport.abort}}

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _head_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
