"""Watches a run of a running service over a WebSocket, in a thread of its own."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.acceptance.client import Client
from tests.acceptance.jobs import until

WATCH = """subscription($id: ID!, $after: Int) { run(id: $id, afterRevision: $after) {
  status isFinal revision progress { done } } }"""


@contextmanager
def open_socket(
    client: Client, port: int | None = None, max_queue: int | None = None
) -> Iterator[ClientConnection]:
    """A greeted WebSocket of this user; at another port than the service's, if one is given.

    With `max_queue`, so many messages are read ahead of who wants them.
    """
    with connect(
        f"ws://127.0.0.1:{port or client.service.port}/graphql",
        subprotocols=[Subprotocol("graphql-transport-ws")],
        compression=None,
        max_queue=max_queue,
        max_size=None,
    ) as socket:
        credential = {"authorization": f"Bearer {client.token}"}
        socket.send(json.dumps({"type": "connection_init", "payload": credential}))
        assert json.loads(socket.recv(10))["type"] == "connection_ack"
        yield socket


def subscribe(socket: ClientConnection, operation: str, query: str, **variables: Any) -> None:
    payload = {"query": query, "variables": variables}
    socket.send(json.dumps({"id": operation, "type": "subscribe", "payload": payload}))


class Watcher:
    """What one subscription to a run has brought so far."""

    def __init__(
        self, client: Client, run: str, after: int | None = None, port: int | None = None
    ) -> None:
        self.seen: list[dict[str, Any]] = []
        self.at: list[float] = []
        self.is_complete = False
        self.is_cut = False
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(open_socket(client, port))
        subscribe(self._socket, "1", WATCH, id=run, after=after)
        threading.Thread(target=self._follow, daemon=True).start()

    @property
    def revisions(self) -> list[int]:
        return [run["revision"] for run in self.seen]

    @property
    def last(self) -> dict[str, Any]:
        return self.seen[-1]

    def close(self) -> None:
        self._stack.close()

    def until(self, condition: Callable[["Watcher"], bool], seconds: float = 20) -> float:
        """Wait for it; how long it took."""
        return until(lambda: condition(self), seconds)

    def until_more(self, count: int, seconds: float = 20) -> None:
        """Wait for so many more updates."""
        wanted = len(self.seen) + count
        self.until(lambda watcher: len(watcher.seen) >= wanted, seconds)

    def until_end(self, seconds: float = 20) -> dict[str, Any]:
        """Wait for the end, which must be the run's; how the run ended."""
        self.until(lambda watcher: watcher.is_complete, seconds)
        assert self.last["isFinal"], self.seen
        assert self.revisions == sorted(set(self.revisions))  # they rise only
        return self.last

    def _follow(self) -> None:
        try:
            while not self.is_complete:
                message = json.loads(self._socket.recv())
                if message["type"] == "next":
                    self.at.append(time.monotonic())
                    self.seen.append(message["payload"]["data"]["run"])
                self.is_complete = message["type"] == "complete"
        except ConnectionClosed:
            self.is_cut = True
