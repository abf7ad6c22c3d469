"""Chooses the media type of an answer (graphql-over-http, and RFC 9110 section 12.5.1)."""

from functools import lru_cache
from typing import NamedTuple

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
SSE = "text/event-stream"
MULTIPART = "multipart/mixed"
_ANSWERS: dict[str, tuple[str, ...]] = {GRAPHQL: (GRAPHQL,), JSON: (JSON, "application/*", "*/*")}
# Only by name: a client that takes anything reads an answer to its end, and a stream has none.
_STREAMS: dict[str, tuple[str, ...]] = {SSE: (SSE,), MULTIPART: (MULTIPART,)}


class Choice(NamedTuple):
    """The media types that a client likes best: for one answer, and for a stream of them.

    None where it takes none.
    """

    answer: str | None
    stream: str | None


def choose(accept: str | None) -> Choice:
    """What the client likes best; a stream for the answer too if that is all it takes."""
    if not accept or not accept.strip():
        return Choice(JSON, None)
    return _known(accept) if len(accept) <= 200 else _choose(accept)


@lru_cache(maxsize=64)
def _known(accept: str) -> Choice:
    return _choose(accept)


def _choose(accept: str) -> Choice:
    qualities = _qualities(accept)
    stream = _best(_STREAMS, qualities)
    return Choice(_best(_ANSWERS, qualities) or stream, stream)


def _best(offers: dict[str, tuple[str, ...]], qualities: dict[str, float]) -> str | None:
    liking = {offer: _liking(names, qualities) for offer, names in offers.items()}
    best = max(liking, key=lambda offer: liking[offer])  # at a tie the first
    return best if liking[best] > 0 else None


def wants_page(accept: str) -> bool:
    """Whether a browser asks for a page to show."""
    return _qualities(accept).get("text/html", 0) > 0


def _liking(names: tuple[str, ...], qualities: dict[str, float]) -> float:
    """The quality of the most exact of these names that the client sent."""
    return next((qualities[name] for name in names if name in qualities), 0)


def _qualities(accept: str) -> dict[str, float]:
    qualities = {}
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        qualities[name] = next((_quality(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
    return qualities


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0
