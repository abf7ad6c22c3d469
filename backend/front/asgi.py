"""The words of the ASGI protocol, as the rooms of the front use them (asgi.readthedocs.io)."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

HANG_UP = "downbeat.hang_up"
"""The extension of our server whose `now` aborts the connection, whatever waits to be sent."""


class Disconnected(Exception):
    """The client went away before its request was complete."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of that (lower-case) name."""
    return next((value for key, value in scope["headers"] if key == name), None)


def hang_up(scope: Scope) -> None:
    """Cut the connection; a server that cannot be told so will see the answer end too early."""
    scope.get("extensions", {}).get(HANG_UP, {}).get("now", _nothing)()


def _nothing() -> None:
    pass
