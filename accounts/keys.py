"""UUIDv7 keys: made by the client, ordered by time (https://www.rfc-editor.org/rfc/rfc9562)."""

import uuid
from datetime import UTC, datetime, timedelta

try:
    from uuid import uuid7 as _uuid7  # type: ignore[attr-defined, unused-ignore] # Python 3.14
except ImportError:
    from uuid6 import uuid7 as _uuid7

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def uuid7() -> uuid.UUID:
    """A new key that sorts after those made before it, to the millisecond."""
    return uuid.UUID(int=_uuid7().int)


def first_key(at: datetime) -> uuid.UUID:
    """Sorts before every key made at that time or later, and after those made earlier."""
    return uuid.UUID(int=(at - _EPOCH) // timedelta(milliseconds=1) << 80)
