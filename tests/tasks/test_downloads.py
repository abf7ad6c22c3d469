"""A signature opens one file, for minutes, and is the same all through a minute."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pytest_django import Settings

from tasks import downloads
from tasks.downloads import StoredPart, Truncated

MINUTE = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
KEY = UUID("019aa000-0000-7000-8000-000000000001")


def sign_at(moment: datetime) -> tuple[str, datetime]:
    with time_machine.travel(moment, tick=False):
        until = downloads.expiry()
        return downloads.signature(KEY, until), until


def test_a_signature_opens_its_file_until_it_expires() -> None:
    signature, until = sign_at(MINUTE)
    assert downloads.signed_until(str(KEY), signature) == until


def test_all_signatures_of_a_minute_are_one() -> None:
    first = sign_at(MINUTE)
    assert sign_at(MINUTE + timedelta(seconds=59.9)) == first
    assert sign_at(MINUTE + timedelta(seconds=60)) != first


@pytest.mark.parametrize("second", [0, 30, 59.9])
def test_a_signature_holds_four_to_five_minutes(second: float) -> None:
    moment = MINUTE + timedelta(seconds=second)
    _, until = sign_at(moment)
    assert timedelta(minutes=4) < until - moment <= timedelta(minutes=5)


def test_a_signature_opens_no_other_file() -> None:
    signature, until = sign_at(MINUTE)
    assert downloads.signed_until(str(uuid4()), signature) is None
    stamp, _, proof = signature.partition(":")
    assert downloads.signed_until(f"{KEY}:{stamp}", proof) is None
    assert downloads.signed_until("", f"{KEY}:{signature}") is None
    later = int(until.timestamp()) + 1
    assert downloads.signed_until(str(KEY), f"{later}:{proof}") is None


@pytest.mark.parametrize("signature", ["", "x", ":", "1:", "a:b:c", "\ud800", "1:" + "A" * 43])
def test_a_false_signature_opens_nothing(signature: str) -> None:
    assert downloads.signed_until(str(KEY), signature) is None


@pytest.fixture
def store(settings: Settings, tmp_path: Path) -> Callable[[bytes], str]:
    backend = "django.core.files.storage.FileSystemStorage"
    location = {"BACKEND": backend, "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "default": location}
    return lambda content: default_storage.save("stored", ContentFile(content))


def test_a_part_is_opened_at_its_first_byte(store: Callable[[bytes], str]) -> None:
    with downloads.open_part(StoredPart(store(b"0123456789"), 10, 4, 3)) as stream:
        assert stream.read(3) == b"456"


def test_a_file_of_another_size_is_truncated(store: Callable[[bytes], str]) -> None:
    with pytest.raises(Truncated):
        downloads.open_part(StoredPart(store(b"01234"), 10, 0, 10))


def test_a_file_that_is_gone_is_not_found(store: Callable[[bytes], str]) -> None:
    with pytest.raises(FileNotFoundError):
        downloads.open_part(StoredPart("nothing", 10, 0, 10))
