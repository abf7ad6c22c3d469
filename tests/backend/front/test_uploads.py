"""The view behind /uploads says in HTTP what the files say."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from accounts.viewer import Viewer
from backend.front import uploads
from backend.front.environ import STAGED
from tasks.files import StagedUpload, create_upload, upload_signature
from tasks.models import File

CONTENT = b"a,b\n1,2\n"
PutBytes = Callable[..., tuple[int, str | None]]


@pytest.fixture
def file(viewer: Viewer) -> File:
    return create_upload(
        viewer, name="data.csv", size=len(CONTENT), content_type="text/csv", sha256=None
    )


@pytest.fixture
def put(client: Client, tmp_path: Path, settings: Settings) -> PutBytes:
    """Sends bytes as the front would hand them over; the status and the code of the answer."""
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "files"},
        }
    }

    def put(file_id: object, signature: str, content: bytes | None) -> tuple[int, str | None]:
        staged = None
        if content is not None:
            path = tmp_path / f"{uuid4()}.part"
            path.write_bytes(content)
            staged = StagedUpload(path, len(content), hashlib.sha256(content).hexdigest())
        url = f"/uploads/{quote(str(file_id))}?signature={quote(signature)}"
        response = client.put(url, **{STAGED: staged})  # type: ignore[arg-type]
        code = response.json()["errors"][0]["code"] if response.status_code >= 400 else None
        return response.status_code, code

    return put


def test_the_bytes_are_stored_and_may_be_sent_again(put: PutBytes, file: File) -> None:
    signature = upload_signature(file)
    assert put(file.id, signature, CONTENT) == (204, None)
    assert put(file.id, signature, CONTENT) == (204, None)
    file.refresh_from_db()
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_forged_signature_is_forbidden(put: PutBytes, file: File) -> None:
    assert put(file.id, "forged", None) == (403, "FORBIDDEN")
    assert put(file.id, "", None) == (403, "FORBIDDEN")


def test_an_expired_signature_is_gone(put: PutBytes, file: File) -> None:
    file.upload_until = file.created_at.replace(year=2020)
    assert put(file.id, upload_signature(file), None) == (410, "UPLOAD_EXPIRED")


def test_a_deleted_file_is_not_found(put: PutBytes, file: File) -> None:
    signature, file_id = upload_signature(file), file.id
    file.delete()
    assert put(file_id, signature, CONTENT) == (404, "NOT_FOUND")


def test_bytes_other_than_promised_are_a_mismatch(put: PutBytes, file: File) -> None:
    assert put(file.id, upload_signature(file), b"too few") == (400, "UPLOAD_MISMATCH")


@pytest.mark.parametrize("error", [OperationalError, OSError])
def test_a_database_or_a_disk_that_fails_is_503(
    put: PutBytes, file: File, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise error("not at 10.0.0.1")

    monkeypatch.setattr(uploads, "complete_upload", fail)
    assert put(file.id, upload_signature(file), CONTENT) == (503, "UNAVAILABLE")


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["..", "%2e%2e", "a\x00b", "💥", "x" * 500, "'; drop table"])
def test_a_hostile_name_opens_nothing(put: PutBytes, name: str) -> None:
    status, code = put(name, "forged", None)
    assert (status, code) == (403, "FORBIDDEN")


@pytest.mark.parametrize("path", ["/uploads/", "/uploads/a/b", "/uploads/../etc/passwd"])
def test_a_hostile_path_is_not_found(client: Client, path: str) -> None:
    assert client.put(path).status_code == 404


def test_only_put_and_options_are_allowed(client: Client) -> None:
    for method in ("GET", "POST", "DELETE", "PATCH"):
        response = client.generic(method, "/uploads/x")
        assert (response.status_code, response.headers["Allow"]) == (405, "PUT, OPTIONS")
    assert client.options("/uploads/x").status_code == 204


def test_pages_of_an_allowed_origin_may_upload(client: Client, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}
    response = client.options("/uploads/x", headers=asked)
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    assert "PUT" in response.headers["access-control-allow-methods"]
