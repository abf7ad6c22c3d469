"""What is deleted is gone, bytes and rows, and what a crash left undone is done the next time."""

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import User
from accounts.viewer import RUNS_DELETE, RUNS_READ, SCOPES, Viewer
from tasks import Context, deletion, files, knocks, submission
from tasks.deletion import Deleted
from tasks.exceptions import Refused
from tasks.models import Attempt, Event, File, Run
from tasks.registry import Task
from tests.tasks.keeping import Forge, keep, save, start, stored
from tests.tasks.performing import perform

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    backend = "django.core.files.storage.FileSystemStorage"
    location = {"BACKEND": backend, "OPTIONS": {"location": tmp_path / "stored"}}
    settings.STORAGES = {**settings.STORAGES, "default": location}
    settings.STAGING_DIR = tmp_path / "incoming"
    return tmp_path / "stored"


@pytest.fixture
def final(viewer: Viewer, declare: Callable[..., Task]) -> Run:
    def log_and_save(ctx: Context) -> None:
        """Leave something of everything."""
        ctx.log("working")
        ctx.effect("mail", lambda key: 1)
        with ctx.save("a.csv") as stream:
            stream.write(b"saved")

    return perform(viewer, declare(log_and_save))


def code_of(act: Callable[..., Any], *given: Any) -> str:
    with pytest.raises(Refused) as refused:
        act(*given)
    (problem,) = refused.value.problems
    return problem.code.value


def test_a_deleted_run_leaves_nothing(viewer: Viewer, final: Run, folder: Path) -> None:
    other = start(viewer)
    save(other, content=b"other")
    deletion.delete_run(viewer, final.pk)
    assert list(Run.objects.all()) == [other]
    assert not Attempt.objects.exists()
    assert set(Event.objects.values_list("run_id", flat=True)) == {other.pk}
    assert stored(folder) == [b"other"]


@pytest.mark.parametrize("status", ["SCHEDULED", "QUEUED", "RUNNING"])
def test_a_run_that_is_not_over_is_not_deleted(viewer: Viewer, forge: Forge, status: str) -> None:
    run = start(viewer)
    forge(run, status=status)
    assert code_of(deletion.delete_run, viewer, run.pk) == "RUN_NOT_FINAL"
    assert Run.objects.exists()


def test_what_is_unknown_or_anothers_is_not_found(
    viewer: Viewer, make_viewer: Callable[..., Viewer], final: Run
) -> None:
    eve, file = make_viewer("eve"), File.objects.get()
    for who, run_id, file_id in ((viewer, uuid4(), uuid4()), (eve, final.pk, file.pk)):
        assert code_of(deletion.delete_run, who, run_id) == "NOT_FOUND"
        assert code_of(deletion.delete_file, who, file_id) == "NOT_FOUND"
    assert (Run.objects.count(), File.objects.count()) == (1, 1)


def test_a_token_without_the_scope_deletes_nothing(
    make_viewer: Callable[..., Viewer], final: Run
) -> None:
    weak = make_viewer(scopes=tuple(set(SCOPES) - {RUNS_DELETE}))
    file = File.objects.get()
    assert code_of(deletion.delete_run, weak, final.pk) == "FORBIDDEN"
    assert code_of(deletion.delete_file, weak, file.pk) == "FORBIDDEN"
    assert (Run.objects.count(), File.objects.count()) == (1, 1)
    strong = make_viewer(scopes=(RUNS_READ, RUNS_DELETE))
    deletion.delete_run(strong, final.pk)
    assert not Run.objects.exists()


def test_a_deleted_file_leaves_nothing(viewer: Viewer, final: Run, folder: Path) -> None:
    upload, promise = keep(viewer.user_id), keep(viewer.user_id, content=None)
    for file in (upload, promise, File.objects.get(run=final)):
        deletion.delete_file(viewer, file.pk)
    assert (File.objects.count(), stored(folder)) == (0, [])
    assert Run.objects.count() == 1


def test_an_upload_that_completes_while_it_is_deleted_leaves_no_bytes(
    viewer: Viewer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = keep(viewer.user_id, content=None)
    seen: list[int] = []

    def remove(rows: Any) -> int:
        if not seen:
            complete = keep(viewer.user_id)
            name = complete.storage_name
            complete.delete()
            File.objects.filter(pk=file.pk).update(storage_name=name)
        seen.append(len(rows))
        return real(rows)

    real = files.remove
    monkeypatch.setattr(files, "remove", remove)
    deletion.delete_file(viewer, file.pk)
    assert seen == [1, 1]
    assert (File.objects.count(), stored(folder)) == (0, [])


def test_a_crash_between_bytes_and_row_is_repaired_by_a_repeat(
    viewer: Viewer, final: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(final, "b.csv", b"second")

    def crash(name: str) -> None:
        real(name)
        raise RuntimeError("killed")

    real = default_storage.delete
    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "delete", crash)
        with pytest.raises(RuntimeError):
            deletion.delete_run(viewer, final.pk)
    assert (len(stored(folder)), File.objects.count(), Run.objects.count()) == (1, 2, 1)
    deletion.delete_run(viewer, final.pk)
    assert (stored(folder), File.objects.count(), Run.objects.count()) == ([], 0, 0)


def test_all_of_a_user_is_deleted_in_batches_and_nothing_of_others(
    viewer: Viewer,
    make_viewer: Callable[..., Viewer],
    final: Run,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deletion, "BATCH", 2)
    eve = make_viewer("eve")
    save(start(eve), content=b"hers")
    keep(eve.user_id, content=b"hers")
    for number in range(5):
        save(start(viewer), f"{number}")
        keep(viewer.user_id)
    assert deletion.delete_data(viewer.user_id) == Deleted(runs=6, files=11)
    assert set(Run.objects.values_list("owner_id", flat=True)) == {eve.user_id}
    assert stored(folder) == [b"hers", b"hers"]
    assert User.objects.filter(pk=viewer.user_id).exists()
    assert deletion.delete_data(viewer.user_id) == Deleted()


def test_what_comes_in_meanwhile_is_deleted_as_well(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(viewer)
    late: list[Run] = []

    def remove_runs(ids: Any) -> Deleted:
        done = real(ids)
        if not late:
            late.append(start(viewer))
            save(late[0])
        return done

    real = deletion.remove_runs
    monkeypatch.setattr(deletion, "remove_runs", remove_runs)
    assert deletion.delete_data(viewer.user_id) == Deleted(runs=2, files=1)
    assert not Run.objects.exists()


def test_a_worker_whose_run_is_deleted_is_fenced(
    viewer: Viewer, declare: Callable[..., Task], folder: Path
) -> None:
    def linger(ctx: Context) -> None:
        """Work on a run that is deleted meanwhile."""
        with ctx.save("early") as stream:
            stream.write(b"early")
        assert deletion.delete_data(viewer.user_id) == Deleted(runs=1, files=1)
        with ctx.save("late") as stream:
            stream.write(b"late")

    task = declare(linger)
    asked = submission.submit(viewer, task, {}).run
    assert knocks.answer(task, asked.pk, "host:1", lambda: None) == [None]
    assert (Run.objects.count(), File.objects.count(), stored(folder)) == (0, 0, [])


def test_a_worker_that_saves_while_all_is_deleted_leaves_no_bytes(
    viewer: Viewer, declare: Callable[..., Task], folder: Path
) -> None:
    has_saved = threading.Event()

    def save_many(ctx: Context) -> None:
        """Save file after file."""
        for number in range(1_000):
            with ctx.save(f"{number}") as stream:
                stream.write(b"some")
            has_saved.set()

    def work() -> None:
        try:
            knocks.answer(task, asked.pk, "host:1", lambda: None)
        finally:
            connection.close()

    task = declare(save_many)
    asked = submission.submit(viewer, task, {}).run
    worker = threading.Thread(target=work)
    worker.start()
    assert has_saved.wait(20)
    deleted = deletion.delete_data(viewer.user_id)
    worker.join(30)
    assert not worker.is_alive()
    assert deleted.runs == 1
    assert (Run.objects.count(), File.objects.count(), stored(folder)) == (0, 0, [])


def test_a_run_that_saved_a_file_in_the_last_moment_stays_for_the_next_time(
    viewer: Viewer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(viewer)
    late: list[File] = []

    def select_for_update() -> Any:
        if not late:
            late.append(save(run))
        return real()

    real = Run.objects.select_for_update
    monkeypatch.setattr(Run.objects, "select_for_update", select_for_update)
    assert deletion.remove_runs([run.pk]) == Deleted()
    assert (Run.objects.count(), stored(folder)) == (1, [b"saved"])
    assert deletion.remove_runs([run.pk]) == Deleted(runs=1, files=1)
    assert (Run.objects.count(), stored(folder)) == (0, [])


def test_many_runs_cost_as_many_queries_as_one(viewer: Viewer) -> None:
    costs = []
    for count in (1, 30):
        many = [start(viewer) for _ in range(count)]
        for run in many:
            save(run)
        with CaptureQueriesContext(connection) as queries:
            assert deletion.remove_runs([run.pk for run in many]) == Deleted(count, count)
        costs.append(len(queries))
    assert costs[0] == costs[1]


def test_two_who_delete_at_once_both_succeed(viewer: Viewer, folder: Path) -> None:
    for _ in range(20):
        save(start(viewer))
    outcomes: list[Deleted] = []

    def delete() -> None:
        try:
            outcomes.append(deletion.delete_data(viewer.user_id))
        finally:
            connection.close()

    threads = [threading.Thread(target=delete) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 2
    assert (Run.objects.count(), File.objects.count(), stored(folder)) == (0, 0, [])
    assert sum(outcome.runs for outcome in outcomes) >= 20


def test_the_command_says_what_it_deleted(viewer: Viewer, final: Run) -> None:
    keep(viewer.user_id)
    out = io.StringIO()
    call_command("delete_data", "ada", stdout=out)
    assert out.getvalue() == "Deleted 1 runs and 2 files of ada.\n"
    assert not Run.objects.exists()


@pytest.mark.usefixtures("db")
def test_the_command_knows_no_stranger() -> None:
    with pytest.raises(CommandError, match="There is no user 'eve'"):
        call_command("delete_data", "eve")
