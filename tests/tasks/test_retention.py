"""What is older than its retention goes, bytes and rows; nothing younger does."""

import io
import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.viewer import Viewer
from tasks import Context, retention
from tasks.models import File, Run
from tasks.registry import REGISTRY, Task
from tasks.retention import Pruned
from tests.tasks.keeping import Forge, Past, keep, save, stored

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def expires(file: File) -> datetime | None:
    return retention.expiry(file, file.run)


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    backend = "django.core.files.storage.FileSystemStorage"
    location = {"BACKEND": backend, "OPTIONS": {"location": tmp_path / "stored"}}
    settings.STORAGES = {**settings.STORAGES, "default": location}
    settings.STAGING_DIR = tmp_path / "incoming"
    settings.RETENTION_DAYS = 30
    return tmp_path / "stored"


@pytest.fixture
def past(viewer: Viewer, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> Past:
    return Past(viewer, forge, monkeypatch)


@pytest.fixture
def declared(declare: Callable[..., Task]) -> Callable[..., str]:
    """Declares a task with this retention; its name."""

    def declared(retention_days: Any) -> str:
        def rest(ctx: Context, *, text: str = "") -> None:
            """Rest."""

        return declare(rest, retention_days=retention_days).name

    return declared


def left() -> set[Any]:
    return set(Run.objects.values_list("pk", flat=True))


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELED", "EXPIRED", "LOST"])
def test_a_final_run_goes_after_the_retention_with_its_files(
    past: Past, folder: Path, status: str
) -> None:
    old, young = past.run(31, status=status), past.run(29, status=status)
    save(old, content=b"old")
    save(young, content=b"young")
    assert retention.prune(200) == Pruned(runs=1)
    assert left() == {young.pk}
    assert stored(folder) == [b"young"]


@pytest.mark.parametrize("status", ["SCHEDULED", "QUEUED", "RUNNING"])
def test_an_open_run_stays_however_old(past: Past, status: str) -> None:
    run = past.run(1_000, status=status)
    assert retention.prune(200) == Pruned()
    assert left() == {run.pk}


def test_a_run_ages_from_its_end_not_from_its_start(past: Past, forge: Forge) -> None:
    run = past.run(1_000)
    forge(run, finished_at=timezone.now() - timedelta(days=29))
    assert retention.prune(200) == Pruned()
    assert left() == {run.pk}


def test_a_retention_of_zero_days_is_for_ever(
    past: Past, settings: Settings, declared: Callable[..., str]
) -> None:
    settings.RETENTION_DAYS = 0
    past.run(1_000)
    past.run(1_000, declared(0))
    past.upload(1_000)
    assert retention.prune(200) == Pruned()
    assert (Run.objects.count(), File.objects.count()) == (2, 1)


def test_a_task_may_keep_its_runs_shorter_or_longer(
    past: Past, declared: Callable[..., str]
) -> None:
    name = declared(7)
    past.run(8, name)
    kept = {past.run(6, name).pk, past.run(29).pk}
    assert retention.prune(200) == Pruned(runs=1)
    assert left() == kept


def test_a_task_may_keep_its_runs_by_status(past: Past, declared: Callable[..., str]) -> None:
    name = declared({"SUCCEEDED": 2, "FAILED": 90, "LOST": 0})
    past.run(3, name)
    past.run(91, name, "FAILED")
    past.run(31, name, "CANCELED")
    kept = {
        past.run(1, name).pk,
        past.run(89, name, "FAILED").pk,
        past.run(1_000, name, "LOST").pk,
        past.run(29, name, "CANCELED").pk,
    }
    assert retention.prune(200) == Pruned(runs=3)
    assert left() == kept


def test_a_retired_task_is_kept_as_the_setting_says(
    past: Past, declared: Callable[..., str]
) -> None:
    name = declared(0)
    past.run(31, name)
    kept = past.run(29, name)
    del REGISTRY._tasks[name]
    assert retention.prune(200) == Pruned(runs=1)
    assert left() == {kept.pk}


def test_an_upload_goes_when_no_run_needed_it_for_the_retention(past: Past, folder: Path) -> None:
    now = timezone.now()
    past.upload(31, content=b"never used")
    past.upload(100, content=b"used long ago", used_at=now - timedelta(days=31))
    kept = {
        past.upload(29).pk,
        past.upload(100, used_at=now - timedelta(days=29)).pk,
        past.upload(100, used_at=now + timedelta(days=200)).pk,
    }
    assert retention.prune(200) == Pruned(uploads=2)
    assert set(File.objects.values_list("pk", flat=True)) == kept
    assert stored(folder) == [b"sent"] * 3


def test_an_upload_that_never_came_goes_a_day_after_its_time(
    past: Past, settings: Settings
) -> None:
    settings.RETENTION_DAYS = 0
    past.upload(1.1, content=None)
    kept = past.upload(1.02, content=None)
    assert retention.prune(200) == Pruned(uploads=1)
    assert File.objects.get() == kept


def test_a_saved_file_of_a_kept_run_stays_however_old(past: Past, declared: Any) -> None:
    run = past.run(1_000, declared(0))
    past.upload(1_000, run_id=run.pk)
    assert retention.prune(200) == Pruned()


def test_stray_parts_go_after_a_day(tmp_path: Path) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    day = 86_400
    for name, age in {"old.part": day + 60, "new.part": day - 60, "old.txt": 9 * day}.items():
        (incoming / name).touch()
        os.utime(incoming / name, (time.time() - age,) * 2)
    assert retention.prune(200) == Pruned(parts=1)
    assert {path.name for path in incoming.iterdir()} == {"new.part", "old.txt"}


def test_one_call_removes_at_most_its_limit_the_oldest_runs_first(past: Past) -> None:
    runs = [past.run(40 - days) for days in range(5)]
    past.upload(31)
    assert retention.prune(3) == Pruned(runs=3)
    assert left() == {run.pk for run in runs[3:]}
    assert retention.prune(3) == Pruned(runs=2, uploads=1)
    assert retention.prune(3) == Pruned()


def test_the_conductors_call_removes_one_batch(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(3):
        past.run(31)
    assert [retention.prune_some() for _ in range(3)] == [2, 1, 0]


def test_a_call_that_finds_nothing_costs_two_queries() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert retention.prune_some() == 0
    assert len(queries) == 2


def test_the_search_is_bounded_by_the_key(past: Past) -> None:
    past.run(31)
    sql = str(retention.stale_runs()[:200].query)
    assert '"tasks_run"."id" <' in sql
    assert 'ORDER BY "tasks_run"."id"' in sql


def test_the_command_prunes_until_nothing_is_left(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        past.run(31)
    past.upload(31)
    out = io.StringIO()
    call_command("prune", stdout=out)
    assert out.getvalue() == "Removed 5 runs, 1 uploads and 0 stray parts.\n"
    assert not Run.objects.exists()


def test_a_dry_run_counts_by_task_and_status_and_removes_nothing(past: Past) -> None:
    past.run(31)
    past.run(31)
    past.run(31, status="FAILED")
    past.run(29)
    past.upload(31)
    out = io.StringIO()
    call_command("prune", "--dry-run", stdout=out)
    assert out.getvalue().splitlines() == [
        "count_words FAILED: 1",
        "count_words SUCCEEDED: 2",
        "uploads: 1",
        "stray parts: 0",
    ]
    assert (Run.objects.count(), File.objects.count()) == (4, 1)


def test_a_files_expiry_is_when_it_may_be_pruned(
    past: Past, viewer: Viewer, settings: Settings, declared: Callable[..., str]
) -> None:
    days = timedelta(days=1)
    upload = past.upload(3)
    assert expires(upload) == upload.created_at + 30 * days
    upload.used_at = timezone.now()
    assert expires(upload) == upload.used_at + 30 * days
    promise = past.upload(0, content=None)
    assert expires(promise) == promise.upload_until + days
    final, failed = (
        past.run(3, declared({"SUCCEEDED": 7, "FAILED": 0})),
        past.run(3, "rest", "FAILED"),
    )
    assert final.finished_at is not None
    assert expires(save(final)) == final.finished_at + 7 * days
    assert expires(save(failed)) is None
    assert expires(save(past.run(3, status="QUEUED"))) is None
    settings.RETENTION_DAYS = 0
    assert expires(keep(viewer.user_id)) is None
