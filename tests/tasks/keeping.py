"""Runs and files that are there, old or new, and the bytes behind them; shared by the tests of
deleting and pruning."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.keys import first_key
from accounts.viewer import Viewer
from tasks import submission
from tasks.models import File, Run
from tasks.registry import REGISTRY

Forge = Callable[..., None]


def start(viewer: Viewer, task: str = "count_words", **data: Any) -> Run:
    return submission.submit(viewer, REGISTRY[task], data or {"text": "one two"}).run


def save(run: Run, name: str = "a.csv", content: bytes = b"saved") -> File:
    """A file of the run, as if it had saved it."""
    return keep(run.owner_id, name=name, run_id=run.pk, content=content)


def keep(owner_id: UUID, *, content: bytes | None = b"sent", **columns: Any) -> File:
    """An upload with its bytes (None: it never came)."""
    is_stored = content is not None
    given = {
        "name": "b.csv",
        "content_type": "text/csv",
        "size": len(content or b""),
        "upload_until": timezone.now(),
        "ready_at": timezone.now() if is_stored else None,
    }
    name = default_storage.save(uuid4().hex, ContentFile(content)) if is_stored else None
    return File.objects.create(owner_id=owner_id, storage_name=name, **{**given, **columns})


def stored(folder: Path) -> list[bytes]:
    """The bytes of all files in the storage."""
    return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())


class Past:
    """Makes rows as they would have been made and ended days ago."""

    def __init__(self, viewer: Viewer, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
        self._viewer = viewer
        self._forge = forge
        self._monkeypatch = monkeypatch

    def run(self, days: float, task: str = "count_words", status: str = "SUCCEEDED") -> Run:
        """A run made, and ended with this status, so many days ago."""
        at = timezone.now() - timedelta(days=days)
        with self._monkeypatch.context() as patch:
            patch.setattr(
                submission, "uuid7", lambda: UUID(int=first_key(at).int + uuid4().fields[0])
            )
            run = start(self._viewer, task)
        is_final = status not in ("SCHEDULED", "QUEUED", "RUNNING")
        self._forge(run, status=status, created_at=at, finished_at=at if is_final else None)
        run.refresh_from_db()
        return run

    def upload(self, days: float, *, content: bytes | None = b"sent", **columns: Any) -> File:
        """An upload that was asked for so many days ago, for an hour."""
        at = timezone.now() - timedelta(days=days)
        given = {"created_at": at, "upload_until": at + timedelta(hours=1), **columns}
        key = UUID(int=first_key(at).int + uuid4().fields[0])
        return keep(self._viewer.user_id, content=content, id=key, **given)
