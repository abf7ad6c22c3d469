"""Downloads: the signature that opens one file for minutes, and its stored bytes in parts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, cast
from urllib.parse import quote
from uuid import UUID

from django.core.files.storage import default_storage
from django.core.signing import BadSignature, Signer
from django.utils import timezone

from tasks.models import File

SECONDS = 300  # that a signature holds at most
STEP = 60  # within it, all who ask get the same one: caches and lists of links stay as they are

_SALT = "downbeat.download"


@dataclass(frozen=True)
class StoredPart:
    """`length` bytes from `start` of a stored file that has `size` bytes."""

    storage_name: str
    size: int
    start: int
    length: int


class Truncated(Exception):
    """The storage has not the bytes that were stored."""


def expiry() -> datetime:
    """Until when a signature made now holds: the same moment all through a minute."""
    minute = int(timezone.now().timestamp()) // STEP * STEP
    return datetime.fromtimestamp(minute + SECONDS, UTC)


def signature(file_id: UUID, until: datetime) -> str:
    """Lets whoever has it read this file's bytes until then."""
    subject = f"{file_id}:{int(until.timestamp())}"
    return Signer(salt=_SALT).sign(subject).removeprefix(f"{file_id}:")


def signed_path(file_id: UUID, until: datetime) -> str:
    """The path of the file's address on this service, signed until then."""
    return f"/files/{file_id}?signature={quote(signature(file_id, until), safe='')}"


def signed_until(file_id: str, signature: str) -> datetime | None:
    """Until when the signature opens this file; None when it is false. No query."""
    try:
        subject = Signer(salt=_SALT).unsign(f"{file_id}:{signature}")
    except (BadSignature, ValueError):  # ValueError: half a surrogate pair
        return None
    signed_id, _, until = subject.rpartition(":")
    return datetime.fromtimestamp(int(until), UTC) if signed_id == file_id else None


def find(file_id: str) -> File | None:
    """The file whose signature was found good, if it is still there."""
    return File.objects.filter(pk=UUID(file_id)).first()


def open_part(part: StoredPart) -> BinaryIO:
    """The stored file, at the part's first byte; FileNotFoundError, or Truncated."""
    stored = default_storage.open(part.storage_name, "rb")
    try:
        if stored.size != part.size:
            raise Truncated(f"{part.storage_name} has {stored.size} bytes, not {part.size}.")
        stored.seek(part.start)
    except BaseException:
        stored.close()
        raise
    return cast(BinaryIO, stored)
