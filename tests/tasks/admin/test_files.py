"""Files and workers in the admin."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.viewer import Viewer
from schema.ids import to_global_id
from tasks import downloads
from tasks.models import File, Worker
from tests.tasks.admin.asking import FILES, WORKERS, act, cost, keys, page, text_of
from tests.tasks.admin.conftest import MakeStaff
from tests.tasks.keeping import keep, save, start, stored

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    backend = "django.core.files.storage.FileSystemStorage"
    location = {"BACKEND": backend, "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "default": location}
    return tmp_path


def test_files_are_found_by_what_they_are(root: Client, viewer: Viewer) -> None:
    saved = save(start(viewer), "sums.csv")
    upload, promise = keep(viewer.user_id), keep(viewer.user_id, content=None)
    everything = [promise.pk, upload.pk, saved.pk]
    assert keys(root, FILES) == everything
    assert keys(root, f"{FILES}?ready=yes") == [upload.pk, saved.pk]
    assert keys(root, f"{FILES}?ready=no") == [promise.pk]
    assert keys(root, f"{FILES}?origin=upload") == [promise.pk, upload.pk]
    assert keys(root, f"{FILES}?origin=run") == [saved.pk]
    assert keys(root, f"{FILES}?created=today") == everything
    assert keys(root, f"{FILES}?q=ada") == everything
    assert keys(root, f"{FILES}?q={to_global_id('File', saved.pk)}") == [saved.pk]
    assert keys(root, f"{FILES}?q=sums.csv") == []


def test_stored_bytes_have_a_signed_link(root: Client, viewer: Viewer) -> None:
    file, promise = keep(viewer.user_id), keep(viewer.user_id, content=None)
    for path in (FILES, f"{FILES}{file.pk}/change/"):
        markup = page(root, path)
        link = re.search(rf'href="(/files/{file.pk}\?signature=[^"]+)"', markup)
        assert link is not None
        assert f"/files/{promise.pk}?" not in markup
        answer = root.get(link[1])
        assert (answer.status_code, answer.headers["Content-Length"]) == (200, "4")
    assert link is not None
    signature = link[1].partition("=")[2].replace("%3A", ":")
    until = downloads.signed_until(str(file.pk), signature)
    assert until is not None
    assert until <= timezone.now() + timedelta(minutes=5)


def test_a_list_costs_the_same_with_one_file_and_with_thirty(root: Client, viewer: Viewer) -> None:
    costs = []
    for count in (1, 29):
        for _ in range(count):
            keep(viewer.user_id)
        root.get(FILES)
        costs.append([cost(root, FILES), cost(root, f"{FILES}?ready=no")])
    assert costs[0] == costs[1]


def test_deleted_files_leave_neither_row_nor_bytes(
    root: Client, viewer: Viewer, folder: Path
) -> None:
    upload, kept = keep(viewer.user_id), keep(viewer.user_id, content=b"kept")
    data = {"action": "delete_files", "_selected_action": upload.pk, "index": 0}
    assert "Delete 1 file?" in root.post(FILES, data).content.decode()
    assert File.objects.count() == 2
    assert act(root, FILES, "delete_files", upload, confirmed="yes") == ["1 file deleted."]
    assert (list(File.objects.all()), stored(folder)) == ([kept], [b"kept"])


def test_nothing_of_a_file_can_be_written(
    root: Client, staff: MakeStaff, viewer: Viewer, folder: Path
) -> None:
    file = keep(viewer.user_id)
    for path in (f"{FILES}{file.pk}/change/", f"{FILES}{file.pk}/delete/", f"{FILES}add/"):
        assert root.post(path, {"name": "other", "post": "yes"}).status_code == 403
    looker = staff("tasks.view_file")
    data = {"action": "delete_files", "_selected_action": file.pk, "confirmed": "yes"}
    looker.post(FILES, data)
    assert File.objects.get().name == "b.csv"
    assert stored(folder) == [b"sent"]
    assert staff("tasks.view_run").get(FILES).status_code == 403


def worker(name: str, age: timedelta) -> Worker:
    at = timezone.now() - age
    return Worker.objects.create(name=name, tasks=["count_words"], slots=4, busy=3, heartbeat_at=at)


def test_workers_show_at_a_glance_whether_they_live(root: Client, settings: Settings) -> None:
    beat = timedelta(seconds=settings.HEARTBEAT_SECONDS)
    worker("fresh", 2 * beat)
    worker("stale", 4 * beat)
    markup = page(root, WORKERS)
    rows = re.findall(r"<tr>.*?</tr>", markup, re.S)
    alive = {text_of(row).split()[0]: "icon-yes" in row for row in rows if "4" in row}
    assert {name: lives for name, lives in alive.items() if name in ("fresh", "stale")} == {
        "fresh": True,
        "stale": False,
    }
    assert "3 of 4" in text_of(markup)


def test_only_dead_workers_are_deleted(root: Client, staff: MakeStaff, settings: Settings) -> None:
    beat = timedelta(seconds=settings.HEARTBEAT_SECONDS)
    living, dead = worker("fresh", beat), worker("stale", 4 * beat)
    data = {"action": "delete_dead", "_selected_action": [living.pk, dead.pk], "index": 0}
    staff("tasks.view_worker").post(WORKERS, data)
    assert Worker.objects.count() == 2
    said = act(root, WORKERS, "delete_dead", living, dead)
    assert said == ["1 worker deleted.", "1 worker stayed: alive."]
    assert list(Worker.objects.all()) == [living]
    assert root.post(f"{WORKERS}{living.pk}/delete/", {"post": "yes"}).status_code == 403
    assert root.post(f"{WORKERS}{living.pk}/change/", {"name": "x"}).status_code == 403
