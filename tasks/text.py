"""Which texts can be kept: by both databases and UTF-8, as a file's name, as a media type."""

import re

_UNKEPT = re.compile("[\0\ud800-\udfff]")
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}(;[ -~]{0,60})?")


def is_text(value: str) -> bool:
    """Whether the string has no NUL and no half of a surrogate pair."""
    return _UNKEPT.search(value) is None


def cleaned(value: str) -> str:
    """The string without what cannot be kept."""
    return value.replace("\0", "").encode("utf-8", "replace").decode()


def is_file_name(value: str) -> bool:
    """Whether it names a file without a folder, in 1 to 255 printable characters."""
    plain = value.isprintable() and "/" not in value and "\\" not in value
    return plain and value.strip() not in ("", ".", "..") and len(value) <= 255


def is_media_type(value: str) -> bool:
    """Whether it is a media type such as text/csv, in any case."""
    return _MEDIA_TYPE.fullmatch(value.lower()) is not None
