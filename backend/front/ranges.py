"""Which part of a file a request asks for: single byte ranges (RFC 9110, section 14)."""

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,100})-([0-9]{0,100})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True)
class ByteRange:
    """From `start` up to, and not including, `stop`."""

    start: int
    stop: int


class Unsatisfiable(Exception):
    """The range lies outside the file."""


def wanted_range(
    header: str | None, size: int, *, etag: str, if_range: str | None
) -> ByteRange | None:
    """The range to send; None for the whole file.

    Whole are also: what is no valid range, several ranges, and a range of a file that is not the
    one the client has a part of.
    """
    found = _ONE_RANGE.fullmatch(header or "")
    if found is None or (if_range is not None and if_range != etag):
        return None
    first, last = found.groups()
    if first:
        if last and int(last) < int(first):
            return None
        if int(first) >= size:
            raise Unsatisfiable
        return ByteRange(int(first), min(int(last) + 1, size) if last else size)
    if not last:
        return None
    if int(last) == 0:
        raise Unsatisfiable
    # The last bytes of an empty file have no spelling in Content-Range.
    return ByteRange(max(size - int(last), 0), size) if size else None
