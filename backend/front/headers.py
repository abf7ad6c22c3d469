"""Refuses headers that would cost more than they can be worth."""

import re

from backend.front.answer import Refusal
from backend.front.asgi import Scope, header

HEADER_BYTES = 16_384  # names and values together; browsers and proxies stay below 8,192
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([^\s;\"',]+)", re.IGNORECASE)


def check_headers(scope: Scope) -> None:
    """Refusal 431 for too many bytes, 415 for a charset that is not UTF-8 or a packed body, 400 for
    `Upgrade`.

    Django decodes the query string by the charset before any middleware, and Python has codecs
    that are no charsets. Nothing here unpacks a body: a few bytes of it can be gigabytes. The
    parser loses the body of a request for another protocol.
    """
    if scope["type"] == "http" and header(scope, b"upgrade") is not None:
        message = "Send no header Upgrade but for a WebSocket, which a GET with its headers opens."
        raise Refusal(400, "BAD_REQUEST", message)
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
        raise Refusal(431, "BAD_REQUEST", f"The headers have more than {HEADER_BYTES} bytes.")
    charset = _CHARSET.search(header(scope, b"content-type") or b"")
    if charset is not None and charset[1].lower() not in (b"utf-8", b"utf8"):
        raise Refusal(415, "BAD_REQUEST", "The only charset is utf-8.")
    if (header(scope, b"content-encoding") or b"identity").strip().lower() != b"identity":
        raise Refusal(415, "BAD_REQUEST", "Send the body as it is, without Content-Encoding.")
