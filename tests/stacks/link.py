"""A link to a server that can be broken: by a reset, or so that all on it stands still."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

from backend.embedded.home import spare_port

T = TypeVar("T")
CHUNK = 65_536
WAIT_SECONDS = 10


class Link:
    """Listens on a port of its own and hands on what comes, in either direction."""

    def __init__(self, url: str) -> None:
        """A link to the server of this URL."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)
        self._port = spare_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)
        self._thread.start()
        self._flows = asyncio.Event()
        self._listener: asyncio.Server | None = None
        self._open = set[asyncio.StreamWriter]()
        self._pumps = set[asyncio.Task[None]]()
        self.restore()

    def through(self, url: str) -> str:
        """This URL of the server, over the link."""
        host, port = self._target
        return url.replace(f"{host}:{port}", f"127.0.0.1:{self._port}", 1)

    def restore(self) -> None:
        """Whole again: what stood still goes on."""
        self._do(self._restore())

    def cut(self) -> None:
        """Reset every connection, and refuse new ones."""
        self._do(self._cut())

    def black_hole(self) -> None:
        """Nothing comes through any more, and nobody is told: connections just stand still."""
        self._do(self._black_hole())

    def close(self) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_SECONDS)
        self._loop.close()

    def _do(self, change: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(change, self._loop).result(WAIT_SECONDS)

    async def _restore(self) -> None:
        self._flows.set()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._connected, "127.0.0.1", self._port)

    async def _black_hole(self) -> None:
        self._flows.clear()

    async def _cut(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for writer in list(self._open):
            self._reset(writer)

    async def _close(self) -> None:
        await self._cut()
        for pump in (pumps := list(self._pumps)):
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    @staticmethod
    def _reset(writer: asyncio.StreamWriter) -> None:
        raw = writer.get_extra_info("socket")
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        self._open.add(writer)
        try:
            await self._flows.wait()
            with suppress(OSError, asyncio.CancelledError):
                await self._pass_on(reader, writer)
        finally:
            self._pumps.discard(task)
            self._open.discard(writer)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either side ends; then the other one's end is told too."""
        there, back = await asyncio.open_connection(*self._target)
        self._open.add(back)
        pumps = [
            asyncio.create_task(self._pump(reader, back)),
            asyncio.create_task(self._pump(there, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._open.discard(back)
            back.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()


@contextmanager
def linked(url: str) -> Iterator[Link]:
    """A link to the server of this URL, whole at first."""
    link = Link(url)
    try:
        yield link
    finally:
        link.close()
