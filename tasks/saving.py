"""What a run saves: bytes into the storage, then a row, but only while the run is held."""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection

from accounts.keys import uuid7
from tasks import changes, failpoints, files, statements
from tasks.exceptions import Fenced
from tasks.failpoints import Point
from tasks.models import File
from tasks.runs import Hold


@contextlib.contextmanager
def staging() -> Iterator[Path]:
    """A path beside the storage for a file that is being written; gone afterwards unless moved."""
    folder: Path = settings.STAGING_DIR
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{secrets.token_hex(16)}.part"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def store(hold: Hold, path: Path, name: str, content_type: str) -> File:
    """The file with its bytes in the storage, and not yet a row."""
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    file = File(id=uuid7(), run_id=hold.run_id, name=name, content_type=content_type, sha256=sha256)
    file.size = path.stat().st_size
    file.storage_name = files.store(file.id, path)
    failpoints.hit(Point.SAVE_STORED)
    return file


def keep(hold: Hold, file: File) -> None:
    """Make it a row in place of the run's earlier one of this name, or raise Fenced.

    May be repeated when the answer was lost.
    """
    # Read first: if the run is still held afterwards, these were saved before this one.
    earlier = list(File.objects.filter(run_id=hold.run_id, name=file.name).exclude(pk=file.pk))
    kept = changes.perform(
        statements.SAVE_FILE,
        lease=settings.LEASE_SECONDS,
        file_id=File._meta.pk.get_db_prep_save(file.pk, connection),
        name=file.name,
        content_type=file.content_type,
        size=file.size,
        sha256=file.sha256,
        storage_name=file.storage_name,
        **hold.as_params(),
    )
    if not kept:
        raise Fenced("This attempt no longer holds the run: the file was not saved.")
    failpoints.hit(Point.SAVE_KEPT)
    files.remove(earlier)


def discard(file: File) -> None:
    """Remove the bytes of a file that did not become a row."""
    if file.storage_name is not None and not File.objects.filter(pk=file.pk).exists():
        default_storage.delete(file.storage_name)
