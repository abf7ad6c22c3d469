"""The id under which all log lines of one piece of work are found.

It is a trace id of W3C's Trace Context: a client that sends the header `traceparent` chooses it.
https://www.w3.org/TR/trace-context/#traceparent-header
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from structlog.contextvars import bind_contextvars, bound_contextvars, get_contextvars

HEADER = b"traceparent"
_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def new_id() -> str:
    """A random trace id: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def begin(traceparent: bytes | None, transport: str) -> None:
    """Bind a trace id to the work of this asyncio task: the client's, or a new one."""
    given = _TRACEPARENT.fullmatch(traceparent or b"")
    trace_id = given[1].decode("ascii") if given else new_id()
    bind_contextvars(trace_id=trace_id, transport=transport)


@contextmanager
def current() -> Iterator[str]:
    """The trace id that is bound here; where none is, a new one that is bound meanwhile."""
    trace_id = get_contextvars().get("trace_id")
    if trace_id is not None:
        yield trace_id
        return
    trace_id = new_id()
    with bound_contextvars(trace_id=trace_id):
        yield trace_id
