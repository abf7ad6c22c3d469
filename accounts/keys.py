"""UUIDv7 keys: made by the client, ordered by time (https://www.rfc-editor.org/rfc/rfc9562)."""

import uuid

try:
    from uuid import uuid7 as _uuid7  # type: ignore[attr-defined, unused-ignore] # Python 3.14
except ImportError:
    from uuid6 import uuid7 as _uuid7


def uuid7() -> uuid.UUID:
    """A new key that sorts after those made before it, to the millisecond."""
    return uuid.UUID(int=_uuid7().int)
