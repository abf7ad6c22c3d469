"""An upload is promised, signed, checked, and stored once."""

import hashlib
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.base import File as Content
from django.core.files.storage import Storage, default_storage
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.viewer import RUNS_READ, Viewer
from tasks import files
from tasks.exceptions import Refused
from tasks.files import Allowance, StagedUpload
from tasks.models import File

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

BYTES = b"a,b\n1,2\n"


@pytest.fixture(autouse=True)
def _storage(settings: Settings, tmp_path: Path) -> None:
    backend = "django.core.files.storage.FileSystemStorage"
    location = {"BACKEND": backend, "OPTIONS": {"location": tmp_path / "stored"}}
    settings.STORAGES = {**settings.STORAGES, "default": location}


@pytest.fixture
def stage(tmp_path: Path) -> Callable[..., StagedUpload]:
    def make(content: bytes = BYTES) -> StagedUpload:
        path = tmp_path / f"{uuid4()}.part"
        path.write_bytes(content)
        return StagedUpload(path, len(content), hashlib.sha256(content).hexdigest())

    return make


def promise(viewer: Viewer, **changes: Any) -> File:
    given: dict[str, Any] = {
        "name": "a.csv",
        "size": len(BYTES),
        "content_type": "text/csv",
        "sha256": None,
    }
    return files.create_upload(viewer, **{**given, **changes})


def code_of(refused: pytest.ExceptionInfo[Refused]) -> str:
    return refused.value.problems[0].code.value


def complete(file: File, staged: StagedUpload | None) -> None:
    files.complete_upload(str(file.pk), files.upload_signature(file), staged)


def test_an_upload_is_stored_and_read_back(
    viewer: Viewer, stage: Callable[..., StagedUpload]
) -> None:
    file, staged = promise(viewer), stage()
    complete(file, staged)
    file.refresh_from_db()
    assert file.is_ready
    assert file.sha256 == staged.sha256
    assert not staged.path.exists()
    with files.open_file(files.as_input(file)) as stream:
        assert stream.read() == BYTES
    with files.local_path(files.as_input(file)) as path:
        assert path.read_bytes() == BYTES


def test_the_same_bytes_again_change_nothing(
    viewer: Viewer, stage: Callable[..., StagedUpload]
) -> None:
    file = promise(viewer)
    complete(file, stage())
    before = File.objects.values().get()
    complete(file, stage())
    assert File.objects.values().get() == before


def test_other_bytes_of_the_same_length_are_refused_afterwards(
    viewer: Viewer, stage: Callable[..., StagedUpload]
) -> None:
    file = promise(viewer)
    complete(file, stage())
    with pytest.raises(Refused) as refused:
        complete(file, stage(BYTES.swapcase()))
    assert code_of(refused) == "UPLOAD_MISMATCH"
    file.refresh_from_db()
    with files.open_file(files.as_input(file)) as stream:
        assert stream.read() == BYTES


@pytest.mark.parametrize("content", [b"", BYTES + b"x", BYTES[:-1]])
def test_another_size_is_refused(
    viewer: Viewer, stage: Callable[..., StagedUpload], content: bytes
) -> None:
    with pytest.raises(Refused, match="Expected 8 bytes") as refused:
        complete(promise(viewer), stage(content))
    assert code_of(refused) == "UPLOAD_MISMATCH"
    assert not File.objects.get().is_ready


def test_another_digest_is_refused(viewer: Viewer, stage: Callable[..., StagedUpload]) -> None:
    file = promise(viewer, sha256=hashlib.sha256(BYTES).hexdigest().upper())
    with pytest.raises(Refused, match="SHA-256") as refused:
        complete(file, stage(BYTES.swapcase()))
    assert code_of(refused) == "UPLOAD_MISMATCH"
    complete(file, stage())
    assert File.objects.get().is_ready


def test_bytes_of_another_type_are_refused(
    viewer: Viewer, stage: Callable[..., StagedUpload], tmp_path: Path
) -> None:
    file = promise(viewer, size=8)
    with pytest.raises(Refused, match="an image, not text/csv as promised") as refused:
        complete(file, stage(b"\x89PNG\r\n\x1a\n"))
    assert code_of(refused) == "UPLOAD_MISMATCH"
    assert not File.objects.get().is_ready
    assert not [path for path in (tmp_path / "stored").rglob("*") if path.is_file()]
    complete(file, stage())
    assert File.objects.get().is_ready


def test_only_the_beginning_of_a_file_tells_its_type(
    viewer: Viewer, stage: Callable[..., StagedUpload]
) -> None:
    content = BYTES * 1_000 + bytes(10)
    complete(promise(viewer, size=len(content)), stage(content))
    assert File.objects.get().content_type == "text/csv"


def test_a_signature_is_for_one_file(viewer: Viewer, stage: Callable[..., StagedUpload]) -> None:
    one, other = promise(viewer), promise(viewer)
    until = int(one.upload_until.timestamp())
    allowance = Allowance(len(BYTES), until, str(viewer.user_id))
    assert files.upload_allowance(str(one.pk), files.upload_signature(one)) == allowance
    assert files.upload_allowance(str(other.pk), files.upload_signature(one)) is None
    with pytest.raises(Refused) as refused:
        files.complete_upload(str(other.pk), files.upload_signature(one), stage())
    assert code_of(refused) == "FORBIDDEN"


@pytest.mark.parametrize("signature", ["", "x", "a:b:c", "\ud800", "W10:1:" + "A" * 43])
def test_a_false_signature_lets_nothing_in(viewer: Viewer, signature: str) -> None:
    file = promise(viewer)
    assert files.upload_allowance(str(file.pk), signature) is None
    with pytest.raises(Refused) as refused:
        files.complete_upload(str(file.pk), signature, None)
    assert code_of(refused) == "FORBIDDEN"


def test_an_upload_that_comes_too_late_is_refused(
    viewer: Viewer, stage: Callable[..., StagedUpload], settings: Settings
) -> None:
    file = promise(viewer)
    signature = files.upload_signature(file)
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.UPLOAD_SECONDS + 5)):
        assert files.upload_allowance(str(file.pk), signature) is None
        with pytest.raises(Refused) as refused:
            files.complete_upload(str(file.pk), signature, stage())
    assert code_of(refused) == "UPLOAD_EXPIRED"


def test_a_file_that_is_gone_is_not_found(
    viewer: Viewer, stage: Callable[..., StagedUpload]
) -> None:
    file = promise(viewer)
    File.objects.filter(pk=file.pk).delete()
    with pytest.raises(Refused) as refused:
        complete(file, stage())
    assert code_of(refused) == "NOT_FOUND"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": ".."}, "name"),
        ({"name": "../../etc/passwd"}, "name"),
        ({"name": "a\\b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "\u202efdp.exe"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"size": -1}, "size"),
        ({"size": 2**50}, "size"),
        ({"content_type": "csv"}, "content_type"),
        ({"content_type": "text/csv\r\nX: y"}, "content_type"),
        ({"content_type": "text/csv\n"}, "content_type"),
        ({"sha256": "abc"}, "sha256"),
        ({"sha256": "z" * 64}, "sha256"),
    ],
)
def test_a_promise_that_cannot_be_kept_is_refused(
    viewer: Viewer, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        promise(viewer, **change)
    assert [problem.path for problem in refused.value.problems] == [("input", field)]
    assert not File.objects.exists()


def test_a_token_that_may_not_start_may_not_upload(make_viewer: Callable[..., Viewer]) -> None:
    with pytest.raises(Refused) as refused:
        promise(make_viewer(scopes=(RUNS_READ,)))
    assert code_of(refused) == "FORBIDDEN"


def test_parallel_uploads_of_one_file_store_it_once(
    viewer: Viewer, stage: Callable[..., StagedUpload], tmp_path: Path
) -> None:
    file, outcomes = promise(viewer), []

    def put(staged: StagedUpload) -> None:
        try:
            complete(file, staged)
            outcomes.append("stored")
        except Refused as refused:
            outcomes.append(refused.problems[0].code.value)
        finally:
            connection.close()

    threads = [threading.Thread(target=put, args=(stage(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["stored"] * 8
    stored = [path for path in (tmp_path / "stored").rglob("*") if path.is_file()]
    assert len(stored) == 1
    file.refresh_from_db()
    assert file.storage_name
    assert default_storage.path(file.storage_name) == str(stored[0])


class Elsewhere(Storage):
    """A storage without local paths, as S3 is."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def exists(self, name: str) -> bool:
        return name in self._kept

    def _save(self, name: str, content: Content) -> str:  # type: ignore[type-arg]
        self._kept[name] = b"".join(content.chunks())
        return name

    def _open(self, name: str, mode: str = "rb") -> Content:  # type: ignore[type-arg]
        return ContentFile(self._kept[name])


def test_a_storage_elsewhere_is_copied_to_a_local_path_and_cleaned(
    viewer: Viewer, stage: Callable[..., StagedUpload], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "default_storage", Elsewhere())
    file = promise(viewer)
    complete(file, stage())
    with files.local_path(files.as_input(file)) as path:
        assert path.read_bytes() == BYTES
        assert path.suffix == ".csv"
    assert not path.exists()


def test_reading_a_file_that_is_not_stored_says_so(viewer: Viewer) -> None:
    with pytest.raises(FileNotFoundError, match="not stored"):
        files.open_file(files.as_input(promise(viewer)))
