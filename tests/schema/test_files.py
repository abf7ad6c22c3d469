"""A file tells how to get its bytes, and until when it is kept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.viewer import Viewer
from tasks import downloads, submission
from tasks.models import File
from tasks.registry import REGISTRY
from tests.schema.asking import gid, start, upload, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

Ask = Callable[..., dict[str, Any]]
DOWNLOAD = "query($id: ID!) { node(id: $id) { ... on File { download { url expiresAt } } } }"
MINUTE = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_a_ready_file_has_a_signed_url_for_minutes(viewer: Viewer, ask: Ask) -> None:
    file = upload(viewer)
    with time_machine.travel(MINUTE):
        download = ask(DOWNLOAD, viewer, id=gid(file))["data"]["node"]["download"]
    url = urlsplit(download["url"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"https://downbeat.test/files/{file.pk}"
    until = downloads.signed_until(str(file.pk), parse_qs(url.query)["signature"][0])
    assert until is not None
    assert until.isoformat() == "2026-11-24T12:05:00+00:00"
    assert datetime.fromisoformat(download["expiresAt"]) == until


def test_the_url_is_the_same_all_through_a_minute(viewer: Viewer, ask: Ask) -> None:
    file, answers = upload(viewer), []
    for second in (0, 59):
        with time_machine.travel(MINUTE.replace(second=second)):
            answers.append(ask(DOWNLOAD, viewer, id=gid(file)))
    assert answers[0] == answers[1]


def test_a_file_that_is_not_ready_has_no_download(viewer: Viewer, ask: Ask) -> None:
    file = upload(viewer)
    file.ready_at = None
    file.save()
    assert ask(DOWNLOAD, viewer, id=gid(file))["data"]["node"] == {"download": None}


def test_nothing_is_signed_that_was_not_selected(
    viewer: Viewer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "signature", None)
    query = "query($id: ID!) { node(id: $id) { ... on File { isReady } } }"
    assert ask(query, viewer, id=gid(upload(viewer)))["data"]["node"] == {"isReady": True}


def test_a_file_tells_until_when_it_is_kept(viewer: Viewer, ask: Ask, settings: Settings) -> None:
    settings.RETENTION_DAYS = 30
    file = upload(viewer)
    query = "query($id: ID!) { node(id: $id) { ... on File { expiresAt } } }"
    told = ask(query, viewer, id=gid(file))["data"]["node"]["expiresAt"]
    assert datetime.fromisoformat(told) == file.created_at + timedelta(days=30)
    settings.RETENTION_DAYS = 0
    assert ask(query, viewer, id=gid(file))["data"]["node"] == {"expiresAt": None}


def test_many_files_of_many_runs_tell_it_in_a_fixed_number_of_queries(
    viewer: Viewer, ask: Ask
) -> None:
    """Three runs read what three other runs saved."""
    for _ in range(3):
        saver, file = start(viewer), upload(viewer)
        work(saver)
        File.objects.filter(pk=file.pk).update(run=saver)
        submission.submit(viewer, REGISTRY["profile_dataset"], {"file": str(file.pk)})
    query = """{ runs(filter: {tasks: ["profile_dataset"]}) { nodes {
      input { ... on ProfileDatasetGiven { file { expiresAt } } } } } }"""
    with CaptureQueriesContext(connection) as queries:
        nodes = ask(query, viewer)["data"]["runs"]["nodes"]
    assert [bool(node["input"]["file"]["expiresAt"]) for node in nodes] == [True] * 3
    assert len(queries) == 3  # the page, the files, the runs that saved them
