"""Writes a response as JSON text."""

import json

encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def to_text(text: str) -> str:
    """The same text if UTF-8 can spell it, without a copy where that is easily seen."""
    return text if text.isascii() else to_bytes(text).decode()


def to_bytes(text: str) -> bytes:
    """UTF-8; half a surrogate pair, which it cannot spell, becomes a question mark."""
    return text.encode("utf-8", "replace")
