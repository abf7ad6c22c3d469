"""One owner may have so many bytes, and so many uploads that were promised and did not come."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.viewer import Viewer
from tasks import files
from tasks.exceptions import Refused
from tasks.models import File

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def _quotas(settings: Settings) -> None:
    settings.STORED_BYTES, settings.OPEN_UPLOADS = 100, 3


def promise(viewer: Viewer, size: int = 10) -> File:
    return files.create_upload(
        viewer, name="a.csv", size=size, content_type="text/csv", sha256=None
    )


def stored(viewer: Viewer, size: int, **columns: Any) -> File:
    now = timezone.now()
    return File.objects.create(
        owner_id=viewer.user_id, name="b", content_type="text/csv", size=size, upload_until=now,
        ready_at=now, storage_name="b", **columns,
    )  # fmt: skip


def refusal(viewer: Viewer, size: int = 10) -> tuple[str, tuple[str | int, ...], str]:
    """The code, the path and the sentence of the one problem; nothing was promised."""
    before = File.objects.count()
    with pytest.raises(Refused) as refused:
        promise(viewer, size)
    assert File.objects.count() == before
    (problem,) = refused.value.problems
    return problem.code.value, problem.path, problem.message


def test_bytes_beyond_the_quota_are_not_promised(viewer: Viewer) -> None:
    stored(viewer, 60)
    promise(viewer, 30)
    code, path, message = refusal(viewer, 11)
    assert (code, path) == ("QUOTA_EXCEEDED", ("input", "size"))
    assert "90 bytes stored or promised, and may have 100" in message
    assert "deleteFile" in message
    promise(viewer, 10)


def test_what_an_owner_deletes_is_room_again(viewer: Viewer) -> None:
    file = stored(viewer, 100)
    assert refusal(viewer, 1)[0] == "QUOTA_EXCEEDED"
    file.delete()
    promise(viewer, 100)


def test_uploads_that_do_not_come_are_few(viewer: Viewer) -> None:
    for _ in range(3):
        promise(viewer)
    code, path, message = refusal(viewer)
    assert (code, path) == ("QUOTA_EXCEEDED", ())
    assert "3 uploads that are not complete: send" in message


def test_a_complete_upload_is_open_no_more(viewer: Viewer) -> None:
    for _ in range(3):
        file = promise(viewer)
        File.objects.filter(pk=file.pk).update(ready_at=timezone.now())
    promise(viewer)


def test_a_promise_that_expired_counts_no_more(viewer: Viewer, settings: Settings) -> None:
    for _ in range(3):
        promise(viewer, 30)
    assert refusal(viewer)[0] == "QUOTA_EXCEEDED"
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.UPLOAD_SECONDS + 1)):
        promise(viewer, 100)


def test_another_owner_has_room_of_his_own(make_viewer: Callable[..., Viewer]) -> None:
    stored(make_viewer("ada"), 100)
    promise(make_viewer("bob"), 100)


def test_parallel_promises_do_not_overshoot(viewer: Viewer) -> None:
    outcomes: list[str] = []
    together = threading.Barrier(8)

    def ask() -> None:
        together.wait(10)
        try:
            promise(viewer, 30)
            outcomes.append("promised")
        except Refused as refused:
            outcomes.append(refused.problems[0].code.value)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["QUOTA_EXCEEDED"] * 5 + ["promised"] * 3
