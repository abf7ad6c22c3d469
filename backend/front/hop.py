"""One request through Django's WSGI handler, from first signal to last, in one thread."""

from collections.abc import Callable, Iterable
from typing import Any

from backend.front.answer import Answer
from tasks.downloads import StoredPart

WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_OF_A_BODY = (b"content-length", b"content-type")


def perform(application: WSGIApplication, environ: dict[str, Any]) -> Answer:
    """The application's answer.

    A streaming response is collected: only small static files stream here, and a slow reader must
    not hold a thread. A response's `part` of a stored file, and what comes `later`, is left to the
    front.
    """
    started: list[tuple[str, list[tuple[str, str]]]] = []
    response = application(environ, lambda status, headers: started.append((status, headers)))
    try:
        body = b"".join(response)
    finally:
        close = getattr(response, "close", None)
        if close is not None:
            close()  # sends request_finished
    status, headers = started[0]
    part, later = getattr(response, "part", None), getattr(response, "later", None)
    return _answer(int(status[:3]), headers, body, part, later)


def _answer(
    status: int,
    headers: list[tuple[str, str]],
    body: bytes,
    part: StoredPart | None,
    later: Any,
) -> Answer:
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if later is not None:
        kept = [pair for pair in encoded if pair[0] != b"content-length"]
        return Answer(status, kept, b"", later=later)
    if status in (204, 304):
        return Answer(status, [pair for pair in encoded if pair[0] not in _OF_A_BODY], b"")
    if not any(name == b"content-length" for name, _ in encoded):
        encoded.append((b"content-length", b"%d" % len(body)))
    return Answer(status, encoded, body, part)
