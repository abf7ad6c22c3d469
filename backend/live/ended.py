"""Why a stream ends before its feed does."""

from typing import Any

from backend.door.errors import error_response
from schema.errors import Code


class Ended(Exception):
    """The stream is over, though its feed may not be."""


class Leaving(Ended):
    """This server stops; another one, or the next, goes on."""


class TooSlow(Ended):
    """The reader is so far behind that it cannot be told everything any more."""


class Told(Ended):
    """An end that the client is told of, in a response."""

    code: Code
    message: str

    @property
    def response(self) -> dict[str, Any]:
        return error_response(self.code, self.message)


class Revoked(Told):
    """The token was revoked, or the session has ended."""

    code = Code.UNAUTHENTICATED
    message = "The token was revoked, or the session has ended: sign in again."


class TooMany(Told):
    """The user has as many streams open as one may have."""

    code = Code.RATE_LIMITED
    message = "You have as many streams and sockets open as one may: end another one first."
    retry_after = 5
    """Seconds after which a seat may well be free."""

    @property
    def response(self) -> dict[str, Any]:
        return error_response(self.code, self.message, retryAfter=self.retry_after)
