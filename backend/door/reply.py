"""How an outcome, or what is still to come, becomes an HTTP response."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse

from backend.door import negotiation
from backend.door.encoding import encode, to_bytes
from backend.door.errors import Fault, error_response
from backend.door.negotiation import Choice
from backend.door.watches import Content, Outcome, Subscription, Wait
from schema.errors import Code

STREAMS = (negotiation.SSE, negotiation.MULTIPART)
CONTENT_TYPES = {
    negotiation.SSE: "text/event-stream; charset=utf-8",
    # As Apollo's clients expect it: https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
    negotiation.MULTIPART: 'multipart/mixed; boundary="graphql"; subscriptionSpec="1.0"',
}


@dataclass(frozen=True, slots=True)
class Later:
    """What the edge sends in place of the response's body: in this media type, this outcome."""

    media_type: str
    content: Content


class LaterResponse(HttpResponse):
    """A response whose body the edge makes, when there is something to say."""

    def __init__(self, media_type: str, content: Content) -> None:
        content_type = CONTENT_TYPES.get(media_type, f"{media_type}; charset=utf-8")
        super().__init__(content_type=content_type, headers=HEADERS)
        if media_type in STREAMS:
            self.headers["X-Accel-Buffering"] = "no"  # nginx would collect what comes in time
        self.later = Later(media_type, content)


_STATUS = {Fault.REQUEST: 400, Fault.RATE: 429}
HEADERS = {"Vary": "Accept, Cookie", "Cache-Control": "no-store"}


def respond(content: Content, choice: Choice) -> HttpResponse:
    """The response for a client that takes such media types."""
    if isinstance(content, Subscription):
        if choice.stream is None:
            message = (
                f"A subscription is a stream: send the header Accept: {negotiation.SSE}, or "
                f"{negotiation.MULTIPART}, or use a WebSocket."
            )
            return refuse(400, Code.BAD_REQUEST, message)
        return LaterResponse(choice.stream, content)
    media_type = choice.answer or negotiation.JSON
    if isinstance(content, Wait):
        return LaterResponse(media_type, content)
    if media_type in STREAMS and content.fault not in _STATUS:
        return LaterResponse(media_type, content)
    return _respond(content, media_type)


def _respond(outcome: Outcome, media_type: str) -> HttpResponse:
    status = 200 if outcome.fault is None else _STATUS.get(outcome.fault, 200)
    if outcome.fault is Fault.DOCUMENT and media_type == negotiation.GRAPHQL:
        status = 400
    if media_type in STREAMS:  # refused, so there is no stream
        media_type = negotiation.JSON
    response = _json(status, media_type, outcome.response)
    if outcome.fault is Fault.RATE:
        seconds = outcome.response["errors"][0]["extensions"]["retryAfter"]
        response.headers["Retry-After"] = str(seconds)
    return response


def refuse(status: int, code: Code, message: str, **extensions: str) -> HttpResponse:
    """An error that is no outcome of the request's own."""
    return _json(status, negotiation.JSON, error_response(code, message, **extensions))


def _json(status: int, media_type: str, content: dict[str, Any]) -> HttpResponse:
    return HttpResponse(
        to_bytes(encode(content)),
        status=status,
        content_type=f"{media_type}; charset=utf-8",
        headers=HEADERS,
    )
