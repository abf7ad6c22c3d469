"""Global ids: base64 of `Type:key`, Relay's spelling; opaque to clients, never naming a task."""

import base64
import binascii
import re
from uuid import UUID


def to_global_id(type_name: str, key: object) -> str:
    return base64.b64encode(f"{type_name}:{key}".encode()).decode("ascii")


def from_global_id(text: str) -> tuple[str, str] | None:
    """The type's name and the key; None for what is no global id."""
    try:
        decoded = base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    type_name, colon, key = decoded.partition(":")
    return (type_name, key) if colon else None


def key_of(text: str, type_name: str) -> UUID | None:
    """The key inside a global id of this type; None for any other text."""
    parts = from_global_id(text)
    if parts is None or parts[0] != type_name:
        return None
    return to_uuid(parts[1])


def to_uuid(text: str) -> UUID | None:
    """The UUID in its canonical spelling; None for any other text."""
    try:
        key = UUID(text)
    except ValueError:
        return None
    return key if str(key) == text else None


def to_number(text: str) -> int:
    """The number of something within its run; ValueError for any other text."""
    if not re.fullmatch("[1-9][0-9]{0,9}", text, re.ASCII) or int(text) >= 2**31:
        raise ValueError(text)
    return int(text)
