"""Files: the promise of an upload, its signature, its completion; storing, reading, removing."""

import contextlib
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.core.files.base import File as Content
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import DateTimeField, Q, Value
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone

from accounts.keys import uuid7
from accounts.viewer import Viewer
from tasks import context, quotas, sniffing
from tasks.exceptions import Problem, RefusalCode, Refused
from tasks.models import File
from tasks.shapes import Shape, leaves
from tasks.text import is_file_name, is_media_type

_SALT = "downbeat.upload"
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class StagedUpload:
    """Bytes received and counted, in a file that is not yet in the storage."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Allowance:
    """What a signature lets in: `size` bytes for this owner, until then (seconds since 1970)."""

    size: int
    until: int
    owner: str


class _Movable(Content):  # type: ignore[type-arg]
    """A staged file that a local storage takes over by renaming it."""

    def temporary_file_path(self) -> str:
        return str(self.name)


def create_upload(
    viewer: Viewer, *, name: str, size: int, content_type: str, sha256: str | None
) -> File:
    """Promise an upload; `size` in bytes and `sha256` in hex are checked when it comes."""
    if not viewer.may_start_some:
        raise Refused([Problem("This token may not start tasks.", RefusalCode.FORBIDDEN)])
    problems = list(_upload_problems(name, size, content_type, sha256))
    if problems:
        raise Refused(problems)
    with transaction.atomic():
        quotas.lock(viewer.user_id)
        if problems := list(quotas.problems_of_upload(viewer.user_id, size)):
            raise Refused(problems)
        return File.objects.create(
            id=uuid7(),
            owner_id=viewer.user_id,
            name=name,
            size=size,
            content_type=content_type.lower(),
            sha256=sha256 and sha256.lower(),
            upload_until=timezone.now() + timedelta(seconds=settings.UPLOAD_SECONDS),
        )


def _upload_problems(
    name: str, size: int, content_type: str, sha256: str | None
) -> Iterator[Problem]:
    if not is_file_name(name):
        message = "Use a plain file name of 1 to 255 printable characters, without a folder."
        yield Problem(message, path=("input", "name"))
    if not 0 <= size <= settings.UPLOAD_SIZE:
        message = f"A file may have 0 to {settings.UPLOAD_SIZE} bytes."
        yield Problem(message, path=("input", "size"))
    if not is_media_type(content_type):
        message = "Use a media type such as text/csv."
        yield Problem(message, path=("input", "content_type"))
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        message = "A SHA-256 digest has 64 hexadecimal digits."
        yield Problem(message, path=("input", "sha256"))


def upload_signature(file: File) -> str:
    """Lets whoever has it upload this file's bytes, until `upload_until`."""
    until = int(file.upload_until.timestamp())
    return signing.dumps([str(file.id), file.size, until, str(file.owner_id)], salt=_SALT)


def _signed(file_id: str, signature: str) -> Allowance | None:
    """What the signature states for this file; None when it is false."""
    try:
        signed_id, *stated = signing.loads(signature, salt=_SALT)
        return Allowance(*stated) if signed_id == file_id else None
    except (signing.BadSignature, ValueError, TypeError):
        return None


def upload_allowance(file_id: str, signature: str) -> Allowance | None:
    """What this signature still lets in; None when it is false or too late. No query."""
    signed = _signed(file_id, signature)
    return None if signed is None or signed.until < timezone.now().timestamp() else signed


def complete_upload(file_id: str, signature: str, staged: StagedUpload | None) -> None:
    """Take the staged bytes into the storage. The same bytes a second time change nothing.

    Raises Refused: FORBIDDEN (false signature), UPLOAD_EXPIRED, NOT_FOUND, UPLOAD_MISMATCH.
    """
    signed = _signed(file_id, signature)
    if signed is None:
        raise _refused("This upload URL is not signed by us.", RefusalCode.FORBIDDEN)
    if signed.until < timezone.now().timestamp():
        message = "This upload URL has expired: ask for a new one with createUpload."
        raise _refused(message, RefusalCode.UPLOAD_EXPIRED)
    file = File.objects.filter(pk=UUID(file_id)).first()
    if file is None:
        raise _refused("There is no such file (any more).", RefusalCode.NOT_FOUND)
    if staged is None or staged.size != file.size:
        message = f"Expected {file.size} bytes, got {staged.size if staged else 0}: nothing stored."
        raise _refused(message, RefusalCode.UPLOAD_MISMATCH)
    if file.sha256 not in (None, staged.sha256):
        message = f"The bytes have the SHA-256 digest {staged.sha256}, not the one promised."
        raise _refused(message, RefusalCode.UPLOAD_MISMATCH)
    if not file.is_ready:
        _check_type(file, staged)
        _store(file, staged)


def _check_type(file: File, staged: StagedUpload) -> None:
    with staged.path.open("rb") as stream:
        seen = sniffing.contradiction(file.content_type, stream.read(sniffing.HEAD))
    if seen is not None:
        message = (
            f"The bytes are {seen}, not {file.content_type} as promised: nothing stored. Send the "
            "right file, or ask for another upload with its contentType."
        )
        raise _refused(message, RefusalCode.UPLOAD_MISMATCH)


def _store(file: File, staged: StagedUpload) -> None:
    stored = store(file.id, staged.path)
    taken = 0
    try:
        taken = File.objects.filter(pk=file.pk, ready_at=None).update(
            ready_at=timezone.now(), storage_name=stored, sha256=staged.sha256
        )
    finally:
        if not taken:
            default_storage.delete(stored)
    if not taken and not File.objects.filter(pk=file.pk, sha256=staged.sha256).exists():
        message = "Other bytes were uploaded at the same time: nothing stored."
        raise _refused(message, RefusalCode.UPLOAD_MISMATCH)


def store(file_id: UUID, path: Path) -> str:
    """Take a staged file's bytes into the storage, which may move it; the name they have there."""
    # A name of its own each time: two at once must not take, and then delete, each other's.
    target = f"{timezone.now():%Y/%m/%d}/{file_id}-{secrets.token_hex(8)}"
    with path.open("rb") as stream:
        return default_storage.save(target, _Movable(stream, name=str(path)))


def remove(files: Sequence[File]) -> int:
    """Delete the bytes first and the rows after, so that no crash in between forgets bytes.

    How many rows went: an upload that was completed meanwhile stays for the next time.
    """
    for file in files:
        if file.storage_name is not None:
            default_storage.delete(file.storage_name)
    stored = [file.pk for file in files if file.storage_name is not None]
    promised = [file.pk for file in files if file.storage_name is None]
    seen = Q(pk__in=stored) | Q(pk__in=promised, storage_name=None)
    return File.objects.filter(seen).delete()[0]


def _refused(message: str, code: RefusalCode) -> Refused:
    return Refused([Problem(message, code)])


def find(ids: Iterable[UUID], owner_id: UUID | None = None) -> dict[UUID, File]:
    """Those files that exist (of this owner, if one is named), by id, in at most one query."""
    wanted = set(ids)
    if not wanted:
        return {}
    rows = File.objects.filter(pk__in=wanted)
    return {
        file.pk: file for file in (rows if owner_id is None else rows.filter(owner_id=owner_id))
    }


def will_be_used(keys: Iterable[UUID], run_at: datetime | None) -> None:
    """Remember that a run needs these files, now or at its time: no upload is pruned before."""
    if wanted := list(keys):
        when = Value(run_at, DateTimeField()) if run_at else Now()
        latest = Greatest(Coalesce("used_at", when), when)
        File.objects.filter(pk__in=wanted).update(used_at=latest)


def keys_in(value: Any, shape: Shape) -> Iterator[UUID]:
    """The ids of the files that a stored input or result of this shape names."""
    for _, text in leaves(value, shape, "File"):
        if (key := as_key(text)) is not None:
            yield key


def as_key(value: Any) -> UUID | None:
    """The file's key in a stored value; None for what is none."""
    try:
        return UUID(value)
    except (TypeError, ValueError, AttributeError):
        return None


def as_input(file: File) -> context.File:
    """What a task is given of a file."""
    return context.File(file.pk, file.name, file.content_type, file.size)


def open_file(file: context.File) -> BinaryIO:
    """The stored bytes; FileNotFoundError when they were pruned."""
    return cast(BinaryIO, default_storage.open(_storage_name(file), "rb"))


@contextlib.contextmanager
def local_path(file: context.File) -> Iterator[Path]:
    """The stored file on this machine's disk: in place when it is there, else a temporary copy."""
    name = _storage_name(file)
    try:
        place = default_storage.path(name)
    except NotImplementedError:  # a storage elsewhere, such as S3
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / ("file" + PurePosixPath(file.name).suffix)
            with open_file(file) as source, copy.open("wb") as sink:
                while chunk := source.read(_COPY_BYTES):
                    sink.write(chunk)
            yield copy
    else:
        yield Path(place)


def _storage_name(file: context.File) -> str:
    name = File.objects.filter(pk=file.id).values_list("storage_name", flat=True).first()
    if name is None:
        raise FileNotFoundError(f"The file {file.id} is not stored (any more).")
    return name
