"""The headers that keep a browser from more than it was asked to do, on every answer."""

from dataclasses import replace

from backend.front.answer import Answer
from backend.front.asgi import Headers

GUARDS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    # A page says what it needs; whatever else a browser opens loads and runs nothing.
    (
        b"content-security-policy",
        b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


def https_only(seconds: int) -> Headers:
    """Tells browsers to come by HTTPS alone, for so many seconds; nothing for 0."""
    return ((b"strict-transport-security", b"max-age=%d" % seconds),) if seconds else ()


def guarded(answer: Answer, guards: Headers = GUARDS) -> Answer:
    """The answer with those of the guards that it does not bring itself."""
    names = {name for name, _ in answer.headers}
    missing = [pair for pair in guards if pair[0] not in names]
    return replace(answer, headers=[*answer.headers, *missing])
