"""Whether an upload's first bytes may be of the media type that was said.

Only what cannot be is refused. A text type may hold no NUL, unless it is in UTF-16 or UTF-32, and
must not begin as an image, a PDF, a ZIP or gzip. These four must begin as what they are called, but
a JPEG may be called a PNG. Nothing else is looked at: not a type of a vendor, most of which are ZIP
within (docx, xlsx, odt, jar), nor what text it is. A page called text/plain does no harm, nor does
a file that is two things at once: all files are served as sandboxed attachments without sniffing.
"""

import codecs
import re

import puremagic

HEAD = 4_096  # bytes that are looked at, whatever the size of the file

_TEXT = re.compile(
    r"text/.+|.+\+(json|xml)"
    r"|application/(csv|javascript|json|jsonl|sql|toml|xml|yaml|x-jsonlines|x-ndjson|x-yaml)"
)
_SIGNED = {
    "image/gif": "an image",
    "image/jpeg": "an image",
    "image/jpg": "an image",
    "image/png": "an image",
    "application/pdf": "a PDF document",
    "application/zip": "a ZIP archive",
    "application/x-zip-compressed": "a ZIP archive",
    "application/gzip": "a gzip file",
    "application/x-gzip": "a gzip file",
}
_WIDE = re.compile("utf-(16|32)")
_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32-LE's begins so too
_SURE = 4  # bytes of a signature that occurs by no accident


def contradiction(content_type: str, head: bytes) -> str | None:
    """What bytes that begin so are in place of `content_type`; None if they may be of that type."""
    kind, _, parameters = content_type.lower().partition(";")
    expected = _SIGNED.get(kind)
    if not head or (expected is None and not _TEXT.fullmatch(kind)):
        return None
    matches = _matches(head.lstrip(codecs.BOM_UTF8 + b" \t\r\n"))  # which may precede a PDF
    found = next((_SIGNED[each.mime_type] for each in matches if each.mime_type in _SIGNED), None)
    is_wide = head.startswith(_BOMS) or _WIDE.search(parameters) is not None
    is_binary = b"\0" in head and not is_wide
    if found == expected and (found or not is_binary):
        return None
    return found or (_name(matches) if is_binary else "text")


def _matches(head: bytes) -> list[puremagic.PureMagicWithConfidence]:
    """The signatures with which the bytes begin."""
    try:
        return [each for each in puremagic.magic_string(head) if head.startswith(each.byte_match)]
    except (puremagic.PureError, ValueError):  # none is known; nothing was left
        return []


def _name(matches: list[puremagic.PureMagicWithConfidence]) -> str:
    """By the shortest signature that is sure: longer ones tell kinds within a kind."""
    sure = [each for each in matches if len(each.byte_match) >= _SURE]
    known = min(sure, key=lambda each: len(each.byte_match), default=None)
    return f"binary data ({known.name if known else 'of no known format'})"
