"""Which texts both databases and UTF-8 can keep."""

import re

_UNKEPT = re.compile("[\0\ud800-\udfff]")


def is_text(value: str) -> bool:
    """Whether the string has no NUL and no half of a surrogate pair."""
    return _UNKEPT.search(value) is None


def cleaned(value: str) -> str:
    """The string without what cannot be kept."""
    return value.replace("\0", "").encode("utf-8", "replace").decode()
