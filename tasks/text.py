"""Which texts both databases and UTF-8 can keep."""


def is_text(value: str) -> bool:
    """Whether the string has no NUL and no half of a surrogate pair."""
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def cleaned(value: str) -> str:
    """The string without what cannot be kept."""
    return value.replace("\0", "").encode("utf-8", "replace").decode()
