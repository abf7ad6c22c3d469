"""What the front sends back, whoever made it: Django in the pool, or the front itself."""

import json
from dataclasses import dataclass
from typing import Any

from backend.front.asgi import Headers, Send
from tasks.downloads import StoredPart


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: complete, or without its body.

    With `part` the body is that part of a stored file; with `later` the live part of the edge makes
    it.
    """

    status: int
    headers: Headers
    body: bytes
    part: StoredPart | None = None
    later: Any = None


ALIVE = Answer(
    200, [(b"content-type", b"application/json"), (b"content-length", b"15")], b'{"status":"ok"}'
)


class Refusal(Exception):
    """The front itself says no."""

    def __init__(self, status: int, code: str, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self._status = status
        self._code = code
        self._message = message
        self._headers = headers

    def answer(self, *, is_graphql: bool) -> Answer:
        """The response, with the error in GraphQL's shape or in that of uploads."""
        code = {"code": self._code}
        error = {"message": self._message, **({"extensions": code} if is_graphql else code)}
        body = json.dumps({"errors": [error]}).encode()
        headers: Headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *self._headers,
        ]
        return Answer(self._status, headers, body)


async def send_answer(send: Send, answer: Answer, *, head: bool = False) -> None:
    """The whole response; with `head`, its headers alone."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})
