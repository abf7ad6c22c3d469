"""The view behind /files says who may read which bytes, and makes them harmless."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import time_machine
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.viewer import Viewer
from backend.front.downloads import PartResponse
from tasks import downloads
from tasks.downloads import StoredPart
from tasks.models import File

SHA256 = "ab" * 32
Get = Callable[..., Any]


@pytest.fixture
def make_file(viewer: Viewer) -> Callable[..., File]:
    def make(**changes: Any) -> File:
        given = {
            "name": "sums.csv",
            "content_type": "text/csv",
            "size": 10,
            "sha256": SHA256,
            "storage_name": "2026/a",
            "ready_at": timezone.now(),
        }
        return File.objects.create(
            owner_id=viewer.user_id, upload_until=timezone.now(), **{**given, **changes}
        )

    return make


@pytest.fixture
def file(make_file: Callable[..., File]) -> File:
    return make_file()


@pytest.fixture
def get(client: Client) -> Get:
    """`get(file, range="bytes=0-1")`: the response to a signed request with these headers."""

    def get(file: File, method: str = "GET", **headers: str) -> HttpResponse:
        signature = quote(downloads.signature(file.pk, downloads.expiry()))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"/files/{file.pk}?signature={signature}"
        response: HttpResponse = client.generic(method, url, headers=named)  # type: ignore[assignment]
        return response

    return get


def code(response: Any) -> str:
    return str(response.json()["errors"][0]["code"])


def test_the_whole_file_is_left_to_the_front(get: Get, file: File) -> None:
    response = get(file)
    assert isinstance(response, PartResponse)
    assert response.part == StoredPart("2026/a", 10, 0, 10)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Length"] == "10"
    assert response.headers["Content-Type"] == "text/csv"
    assert response.headers["ETag"] == f'"{SHA256}"'
    assert response.headers["Accept-Ranges"] == "bytes"


def test_a_range_is_a_part(get: Get, file: File) -> None:
    response = get(file, range="bytes=2-4", if_range=f'"{SHA256}"')
    assert response.part == StoredPart("2026/a", 10, 2, 3)
    assert (response.status_code, response.headers["Content-Length"]) == (206, "3")
    assert response.headers["Content-Range"] == "bytes 2-4/10"


def test_a_range_of_another_file_gets_the_whole_one(get: Get, file: File) -> None:
    response = get(file, range="bytes=2-4", if_range='"older"')
    assert (response.status_code, response.part.length) == (200, 10)
    assert "Content-Range" not in response.headers


def test_a_range_outside_the_file_is_416_and_tells_the_size(get: Get, file: File) -> None:
    response = get(file, range="bytes=10-")
    assert (response.status_code, response.headers["Content-Range"]) == (416, "bytes */10")
    assert not hasattr(response, "part")


def test_a_condition_comes_before_a_range_outside_the_file(get: Get, file: File) -> None:
    response = get(file, range="bytes=99-", if_none_match=f'"{SHA256}"')
    assert response.status_code == 304
    assert response.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    ("header", "status"), [("bytes=0-" + "9" * 30, 206), ("bytes=" + "9" * 30 + "-", 416)]
)
def test_a_range_may_have_many_digits(get: Get, file: File, header: str, status: int) -> None:
    assert get(file, range=header).status_code == status


def test_many_ranges_cost_no_more_than_the_file(get: Get, file: File) -> None:
    for ranges in (["0-9"] * 1_000, [f"{at}-" for at in range(1_000)], ["-1"] * 1_000):
        response = get(file, range="bytes=" + ",".join(ranges))
        assert (response.status_code, response.part) == (200, StoredPart("2026/a", 10, 0, 10))


def test_a_head_knows_no_range(get: Get, file: File) -> None:
    response = get(file, "HEAD", range="bytes=2-4")
    assert (response.status_code, response.headers["Content-Length"]) == (200, "10")


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("if_none_match", f'"{SHA256}"', 304),
        ("if_none_match", '"older"', 200),
        ("if_match", '"older"', 412),
        ("if_match", f'"{SHA256}"', 200),
    ],
)
def test_conditions_are_kept(get: Get, file: File, name: str, value: str, status: int) -> None:
    response = get(file, **{name: value})
    assert response.status_code == status
    assert hasattr(response, "part") is (status == 200)


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("x.html", "text/html"),
        ("x.txt", "text/plain"),  # though its bytes may be a page
        ("x.svg", "image/svg+xml"),
        ("x.js", "text/javascript"),
        ("x.gif", "image/gif"),  # though it may be a script too: GIF89a=1;alert(1)
        ("x.pdf", "application/pdf"),  # though it may be a ZIP too, with a program in it
        ("x", "application/octet-stream"),
    ],
)
def test_whatever_a_file_is_it_is_served_as_a_harmless_attachment(
    get: Get, make_file: Callable[..., File], name: str, content_type: str
) -> None:
    response = get(make_file(name=name, content_type=content_type))
    assert response.headers["Content-Type"] == content_type
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "sandbox"
    assert response.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ('a"b.csv', 'attachment; filename="a\\"b.csv"'),
        ("Täkt 🥁.csv", "attachment; filename*=utf-8''T%C3%A4kt%20%F0%9F%A5%81.csv"),
        ("🥁" * 255, "attachment; filename*=utf-8''" + "%F0%9F%A5%81" * 255),
        ("a; filename=b.exe", 'attachment; filename="a; filename=b.exe"'),
        ("%0d%0aX: y", 'attachment; filename="%0d%0aX: y"'),
        # No file can get such a name; if a row had one, it would be no other header.
        ("a\r\nX: y", "attachment; filename*=utf-8''a%0D%0AX%3A%20y"),
        ("\u202efdp.exe", "attachment; filename*=utf-8''%E2%80%AEfdp.exe"),
    ],
)
def test_any_name_survives_the_header(
    get: Get, make_file: Callable[..., File], name: str, disposition: str
) -> None:
    assert get(make_file(name=name)).headers["Content-Disposition"] == disposition


@pytest.mark.parametrize("signature", ["", "forged", "1:forged", "%00", "%FF"])
def test_a_forged_signature_is_forbidden(client: Client, file: File, signature: str) -> None:
    response = client.get(f"/files/{file.pk}?signature={signature}")
    assert (response.status_code, code(response)) == (403, "FORBIDDEN")


def test_a_signature_is_for_one_file_and_only_while_it_is_there(
    client: Client, make_file: Callable[..., File]
) -> None:
    one, other = make_file(), make_file()
    signature = quote(downloads.signature(one.pk, downloads.expiry()))
    assert client.get(f"/files/{one.pk}?signature={signature}").status_code == 200
    assert client.get(f"/files/{other.pk}?signature={signature}").status_code == 403
    assert client.get(f"/files/{one.pk}?signature={signature}x").status_code == 403
    address = f"/files/{one.pk}?signature={signature}"
    one.delete()
    gone = client.get(address)
    assert (gone.status_code, code(gone)) == (404, "NOT_FOUND")


def test_an_expired_signature_is_gone(client: Client, file: File) -> None:
    signature = quote(downloads.signature(file.pk, downloads.expiry()))
    with time_machine.travel(timezone.now() + timedelta(seconds=downloads.SECONDS + 1)):
        response = client.get(f"/files/{file.pk}?signature={signature}")
    assert (response.status_code, code(response)) == (410, "DOWNLOAD_EXPIRED")


def test_a_file_that_is_gone_or_not_ready_is_not_found(
    get: Get, make_file: Callable[..., File], viewer: Viewer
) -> None:
    for file in (File(id=uuid4()), make_file(ready_at=None, storage_name=None)):
        response = get(file)
        assert (response.status_code, code(response)) == (404, "NOT_FOUND")


def test_a_database_that_is_away_is_503(
    get: Get, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OperationalError("not at 10.0.0.1")

    monkeypatch.setattr(downloads, "find", fail)
    response = get(file)
    assert (response.status_code, code(response)) == (503, "UNAVAILABLE")


def test_only_reading_is_allowed() -> None:
    client = Client(enforce_csrf_checks=True)
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert client.generic(method, "/files/x").status_code == 405
    assert client.options("/files/x").status_code == 204


def test_pages_of_an_allowed_origin_may_read_parts(
    get: Get, file: File, client: Client, settings: Settings
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "range, if-range",
    }
    response = client.options(f"/files/{file.pk}", headers=asked)
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    allowed = response.headers["access-control-allow-headers"].split(", ")
    assert {"range", "if-range"} <= set(allowed)
    exposed = get(file, origin="https://app.example").headers["access-control-expose-headers"]
    assert {"Content-Range", "ETag", "Content-Disposition"} <= set(exposed.split(", "))
    foreign = get(file, origin="https://evil.example")
    assert "access-control-allow-origin" not in foreign.headers
