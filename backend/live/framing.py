"""How a stream of responses is written on HTTP: as server-sent events, or as parts of a body."""

from typing import Protocol

from backend.door import negotiation
from backend.door.encoding import to_bytes


class Framing(Protocol):
    """The bytes of one kind of stream."""

    @property
    def opening(self) -> bytes:
        """The first, at once, so that client and proxies know that the stream is there."""

    @property
    def heartbeat(self) -> bytes:
        """In between, so that no proxy takes a silent stream for a dead one."""

    @property
    def closing(self) -> bytes:
        """The last, when there is nothing more to say."""

    def framed(self, payload: str) -> bytes:
        """One response, a JSON text."""


class ServerSentEvents:
    """The distinct connections mode of GraphQL over SSE.

    https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
    """

    opening = heartbeat = b":\n\n"
    closing = b"event: complete\ndata:\n\n"

    def framed(self, payload: str) -> bytes:
        return to_bytes(f"event: next\ndata: {payload}\n\n")


class Multipart:
    """Apollo's multipart protocol for subscriptions; a query's only response is no payload of it.

    The boundary after a part goes out with it, for a client reads a part up to its end.
    https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
    """

    opening = b"--graphql"
    closing = b"--\r\n"

    def __init__(self, *, is_subscription: bool) -> None:
        self._is_subscription = is_subscription

    heartbeat = b"\r\nContent-Type: application/json\r\n\r\n{}\r\n--graphql"

    def framed(self, payload: str) -> bytes:
        body = f'{{"payload":{payload}}}' if self._is_subscription else payload
        return to_bytes(f"\r\nContent-Type: application/json\r\n\r\n{body}\r\n--graphql")


def framing_for(media_type: str, *, is_subscription: bool) -> Framing | None:
    """The framing of this media type; None for one that holds a single response as it is."""
    if media_type == negotiation.SSE:
        return ServerSentEvents()
    if media_type == negotiation.MULTIPART:
        return Multipart(is_subscription=is_subscription)
    return None
