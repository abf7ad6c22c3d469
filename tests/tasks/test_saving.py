"""A file that a run saves is kept whole, once, and by the holder of the run alone."""

import gc
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError
from pydantic import BaseModel
from pytest_django import Settings

from accounts.viewer import Viewer
from tasks import (
    Context,
    Failure,
    File,
    TimeLimit,
    files,
    knocks,
    live,
    sql,
    statements,
    submission,
)
from tasks.models import File as Row
from tasks.models import Run
from tasks.registry import Task
from tests.tasks.performing import code_of, perform, take_over

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

BYTES = b"a;b\n1;2\n"
Declare = Callable[..., Task]


class Report(BaseModel):
    """What was saved."""

    table: File


@pytest.fixture(autouse=True)
def stored(settings: Settings, tmp_path: Path) -> Callable[[], list[bytes]]:
    """A storage of this test's own; the bytes in it, whose staging folder must be empty."""
    backend = "django.core.files.storage.FileSystemStorage"
    location = {"BACKEND": backend, "OPTIONS": {"location": tmp_path / "stored"}}
    settings.STORAGES = {**settings.STORAGES, "default": location}
    settings.STAGING_DIR = tmp_path / "incoming"

    def stored() -> list[bytes]:
        assert list((tmp_path / "incoming").iterdir()) == []
        return [path.read_bytes() for path in (tmp_path / "stored").rglob("*") if path.is_file()]

    return stored


def report(ctx: Context) -> Report:
    """Save one table."""
    with ctx.save("table.csv", content_type="text/csv") as table:
        table.write(BYTES[:4])
        table.write(BYTES[4:])
    return Report(table=table.file)


def test_a_saved_file_belongs_to_its_run_and_stands_in_its_result(
    viewer: Viewer, declare: Declare, stored: Callable[[], list[bytes]]
) -> None:
    run = perform(viewer, declare(report))
    (row,) = Row.objects.all()
    assert (run.status, run.result) == ("SUCCEEDED", {"table": str(row.pk)})
    assert (row.owner_id, row.run_id, row.name) == (viewer.user_id, run.pk, "table.csv")
    assert (row.content_type, row.size) == ("text/csv", len(BYTES))
    assert row.sha256 == hashlib.sha256(BYTES).hexdigest()
    assert row.is_ready
    assert stored() == [BYTES]
    with files.open_file(files.as_input(row)) as stream:
        assert stream.read() == BYTES


def test_a_run_reads_what_it_saved(viewer: Viewer, declare: Declare) -> None:
    seen = []

    def copy(ctx: Context) -> None:
        """Read again what was saved."""
        with ctx.save("a") as saved:
            saved.write(BYTES)
        with ctx.open(saved.file) as stream:
            seen.append(stream.read())

    assert perform(viewer, declare(copy)).status == "SUCCEEDED"
    assert seen == [BYTES]


def test_watchers_see_that_a_file_was_saved(viewer: Viewer, declare: Declare) -> None:
    revisions = []

    def watch(ctx: Context) -> None:
        """Look at the run's revision."""
        for name in ("a", "b"):
            with ctx.save(name) as saved:
                saved.write(BYTES)
            revisions.append(Run.objects.get().revision)

    perform(viewer, declare(watch))
    assert revisions[1] == revisions[0] + 1


def test_a_block_that_raises_keeps_nothing(
    viewer: Viewer, declare: Declare, stored: Callable[[], list[bytes]]
) -> None:
    def fail(ctx: Context) -> None:
        """Fail in the middle."""
        with ctx.save("a") as saved:
            saved.write(BYTES)
            raise Failure("No.", code="NO")

    assert code_of(perform(viewer, declare(fail))) == "NO"
    assert (Row.objects.count(), stored()) == (0, [])


def test_what_was_saved_stays_when_the_run_fails_later(
    viewer: Viewer, declare: Declare, stored: Callable[[], list[bytes]]
) -> None:
    def fail(ctx: Context) -> None:
        """Fail at the end."""
        with ctx.save("a") as saved:
            saved.write(BYTES)
        raise Failure("No.", code="NO")

    run = perform(viewer, declare(fail))
    assert [row.run_id for row in Row.objects.all()] == [run.pk]
    assert stored() == [BYTES]


def test_the_same_name_again_replaces_the_first(
    viewer: Viewer, declare: Declare, stored: Callable[[], list[bytes]]
) -> None:
    def twice(ctx: Context) -> Report:
        """Save two tables of one name, and another one."""
        for name, content in (("a", b"first"), ("b", b"other"), ("a", b"second")):
            with ctx.save(name) as saved:
                saved.write(content)
        return Report(table=saved.file)

    run = perform(viewer, declare(twice))
    kept = {row.name: str(row.pk) for row in Row.objects.all()}
    assert set(kept) == {"a", "b"}
    assert run.result == {"table": kept["a"]}
    assert sorted(stored()) == [b"other", b"second"]


def test_a_file_of_the_same_name_of_another_run_stays(
    viewer: Viewer, declare: Declare, stored: Callable[[], list[bytes]]
) -> None:
    task = declare(report)
    perform(viewer, task)
    perform(viewer, task)
    assert stored() == [BYTES, BYTES]


def test_who_lost_the_run_saves_nothing_and_harms_nothing(
    viewer: Viewer, declare: Declare, stored: Callable[[], list[bytes]]
) -> None:
    def linger(ctx: Context) -> None:
        """Hold on to a run that somebody else has by now."""
        with ctx.save("a") as saved:
            saved.write(b"first")
        with ctx.save("a") as saved:
            saved.write(b"stale")
            take_over(Run.objects.get().pk)

    run = perform(viewer, declare(linger))
    assert (run.status, run.attempt) == ("RUNNING", 2)
    assert (Row.objects.count(), stored()) == (1, [b"first"])


def test_a_run_that_was_deleted_saves_nothing(
    viewer: Viewer, declare: Declare, stored: Callable[[], list[bytes]]
) -> None:
    seen = []

    def linger(ctx: Context) -> None:
        """Hold on to a run that is gone."""
        try:
            with ctx.save("a") as saved:
                saved.write(BYTES)
                Run.objects.all().delete()
        except BaseException as error:
            seen.append(type(error).__name__)
            raise

    task = declare(linger)
    run = submission.submit(viewer, task, {}).run
    knocks.answer(task, run.pk, "host:1", lambda: None)
    assert (seen, Row.objects.count(), stored()) == (["Fenced"], 0, [])


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_save_whose_answer_was_lost_is_kept_once(
    viewer: Viewer,
    declare: Declare,
    stored: Callable[[], list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    is_committed: bool,
) -> None:
    lost: list[Any] = []

    def perform_unheard(verb: Any, **params: Any) -> Any:
        if verb is statements.SAVE_FILE and not lost:
            lost.append(real(verb, **params) if is_committed else None)
            raise OperationalError("the connection is gone")
        return real(verb, **params)

    real = sql.perform
    monkeypatch.setattr(sql, "perform", perform_unheard)
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.01)
    run = perform(viewer, declare(report))
    (row,) = Row.objects.all()
    assert (run.status, run.result) == ("SUCCEEDED", {"table": str(row.pk)})
    assert stored() == [BYTES]


def test_bytes_whose_row_is_there_are_not_removed_when_the_answer_is_cut_off(
    viewer: Viewer,
    declare: Declare,
    stored: Callable[[], list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a soft time limit may do in any line."""

    def perform_cut_off(verb: Any, **params: Any) -> Any:
        done = real(verb, **params)
        if verb is statements.SAVE_FILE:
            raise TimeLimit("too long")
        return done

    real = sql.perform
    monkeypatch.setattr(sql, "perform", perform_cut_off)
    perform(viewer, declare(report, retries=0))
    assert (Row.objects.count(), stored()) == (1, [BYTES])


def test_a_file_of_exactly_the_limit_is_saved(
    viewer: Viewer, declare: Declare, settings: Settings
) -> None:
    settings.UPLOAD_SIZE = len(BYTES)
    assert perform(viewer, declare(report)).status == "SUCCEEDED"


def write(stream: Any) -> None:
    stream.write(b"x" * 9)


def write_behind(stream: Any) -> None:
    stream.seek(8)
    stream.write(b"x")


def make_a_hole(stream: Any) -> None:
    stream.truncate(9)


@pytest.mark.parametrize("act", [write, write_behind, make_a_hole])
def test_a_file_beyond_the_limit_fails_the_run_and_is_not_kept(
    viewer: Viewer,
    declare: Declare,
    settings: Settings,
    stored: Callable[[], list[bytes]],
    act: Callable[[Any], None],
) -> None:
    settings.UPLOAD_SIZE = 8

    def grow(ctx: Context) -> None:
        """Write too much."""
        with ctx.save("a") as saved:
            act(saved)

    run = perform(viewer, declare(grow))
    assert (run.status, code_of(run), stored()) == ("FAILED", "FILE_TOO_LARGE", [])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_error_that_was_lost_on_the_way_is_raised_at_the_end(
    viewer: Viewer, declare: Declare, settings: Settings, stored: Callable[[], list[bytes]]
) -> None:
    settings.UPLOAD_SIZE = 8

    def forget(ctx: Context) -> None:
        """Leave the last bytes to the garbage collector."""
        with ctx.save("a") as saved:
            text = io.TextIOWrapper(saved)
            text.write("x" * 9)
            del text
            gc.collect()

    assert code_of(perform(viewer, declare(forget))) == "FILE_TOO_LARGE"
    assert stored() == []


def test_the_storage_has_names_that_no_client_made(viewer: Viewer, declare: Declare) -> None:
    perform(viewer, declare(report))
    name = Row.objects.get().storage_name
    assert name is not None
    assert "table" not in name
    assert default_storage.exists(name)
