"""A run is performed once, its ending is kept whatever the function does, and its worker lives."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from accounts.viewer import Viewer
from tasks import Context, Failure, File, knocks, live, pulse, runs, submission
from tasks import models as rows
from tasks.exceptions import Fenced
from tasks.models import Attempt, Run
from tasks.registry import REGISTRY, Task
from tasks.status import Status
from tests.tasks.performing import Number, code_of, never, perform, take_over

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def test_a_run_succeeds_with_its_typed_result(viewer: Viewer) -> None:
    run = perform(viewer, REGISTRY["count_words"], text="one three")
    assert (run.status, run.result) == ("SUCCEEDED", {"words": 2, "longest": "three"})
    assert (run.progress_done, run.progress_total, run.progress_message) == (1, 1, "counting")


def test_a_task_without_result_succeeds(viewer: Viewer, declare: Callable[..., Task]) -> None:
    def rest(ctx: Context) -> None:
        """Rest."""

    run = perform(viewer, declare(rest))
    assert (run.status, run.result, run.error) == ("SUCCEEDED", None, None)


def test_a_doubled_knock_performs_nothing(viewer: Viewer, declare: Callable[..., Task]) -> None:
    calls = []

    def count(ctx: Context) -> None:
        """Count."""
        calls.append(1)

    task = declare(count)
    run = perform(viewer, task)
    for _ in range(99):
        assert knocks.answer(task, run.pk, "host:2", never) == []
    assert calls == [1]
    assert Attempt.objects.count() == 1


def test_every_line_about_an_attempt_names_it_and_none_its_input(
    viewer: Viewer,
    declare: Callable[..., Task],
    log_lines: list[dict[str, Any]],
    settings: Settings,
) -> None:
    settings.HEARTBEAT_SECONDS = 0.1

    def stumble(ctx: Context, *, text: str) -> None:
        """Stumble."""
        deadline = time.monotonic() + 20
        while not any("no heartbeat" in line["event"] for line in log_lines):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        try:
            raise KeyError(text)
        except KeyError as error:
            raise ValueError(f"bad text: {text}") from error

    def fail(*_: Any) -> None:
        raise OSError(text)

    text = "canary"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "heartbeat", fail)
        run = perform(viewer, declare(stumble, retries=0), text=text)
    assert code_of(run) == "TASK_ERROR"
    assert {line["event"].partition(" ")[0] for line in log_lines} >= {f"{run.pk}:", "stumble"}
    for line in log_lines:
        assert line["trace_id"] == run.pk.hex
        assert (line["run"], line["attempt"]) == (str(run.pk), 1)
        assert (line["task"], line["worker"]) == ("stumble", "host:1")
        assert text not in json.dumps(line)
    (told,) = [line["exceptions"] for line in log_lines if "exceptions" in line]
    assert [each["type"] for each in told] == ["ValueError", "KeyError"]
    assert told[0]["frames"][-1].endswith(" stumble")


def test_a_failure_shows_its_code_and_message(viewer: Viewer, declare: Callable[..., Task]) -> None:
    def fail(ctx: Context) -> None:
        """Fail."""
        raise Failure("No table.\0", code="NO_TABLE")

    run = perform(viewer, declare(fail))
    assert (run.status, run.error) == (
        "FAILED",
        {"code": "NO_TABLE", "message": "No table.", "retryable": False},
    )


@pytest.mark.parametrize(
    "error",
    [ValueError("secret"), MemoryError(), SystemExit(3), KeyboardInterrupt(), RecursionError()],
)
def test_any_other_exception_fails_the_run_and_keeps_its_text_to_itself(
    viewer: Viewer, declare: Callable[..., Task], error: BaseException
) -> None:
    def fail(ctx: Context) -> None:
        """Fail."""
        raise error

    run = perform(viewer, declare(fail, retries=0))
    assert (run.status, code_of(run)) == ("FAILED", "TASK_ERROR")
    assert run.error is not None
    assert type(error).__name__ in run.error["message"]
    assert "secret" not in run.error["message"]


@pytest.mark.parametrize("code", [404, "A\0B", ValueError("x")])
def test_a_failure_with_an_odd_code_still_ends_the_run(
    viewer: Viewer, declare: Callable[..., Task], code: Any
) -> None:
    def fail(ctx: Context) -> None:
        """Fail."""
        raise Failure(ValueError("boom"), code=code)  # type: ignore[arg-type]

    run = perform(viewer, declare(fail))
    assert (run.status, code_of(run)) == ("FAILED", str(code).replace("\0", ""))


def test_odd_progress_messages_are_cleaned(viewer: Viewer, declare: Callable[..., Task]) -> None:
    def work(ctx: Context) -> None:
        """Work."""
        ctx.progress(1, 2, "a\0b\udc80")

    run = perform(viewer, declare(work))
    assert (run.status, run.progress_message) == ("SUCCEEDED", "ab?")


def test_a_row_whose_parameter_became_a_file_fails_with_bad_input(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def measure(ctx: Context, *, file: File) -> None:
        """Measure."""

    task = declare(measure)
    run = submission.submit(viewer, REGISTRY["count_words"], {"text": "a"}).run
    Run.objects.filter(pk=run.pk).update(task="measure", input={"file": "old-name.csv"})
    knocks.answer(task, run.pk, "host:1", never)
    run.refresh_from_db()
    assert (run.status, code_of(run)) == ("FAILED", "BAD_INPUT")


def test_a_claim_that_the_database_missed_is_made_again(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, tries = runs.claim, []

    def sometimes(*given: Any) -> Run | None:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("down")
        return claim(*given)

    monkeypatch.setattr(runs, "claim", sometimes)
    assert perform(viewer, REGISTRY["count_words"], text="a").status == "SUCCEEDED"


def test_input_that_no_longer_fits_fails_the_run(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    def grow(ctx: Context, *, size: int) -> None:
        """Grow."""

    task = declare(grow)
    run = submission.submit(viewer, task, {"size": 1}).run
    Run.objects.filter(pk=run.pk).update(input={"length": 1})
    knocks.answer(task, run.pk, "host:1", never)
    run.refresh_from_db()
    assert code_of(run) == "BAD_INPUT"


def test_a_task_reads_its_file(
    viewer: Viewer, declare: Callable[..., Task], stored: Callable[..., rows.File]
) -> None:
    def measure(ctx: Context, *, file: File) -> Number:
        """Measure."""
        with ctx.path(file) as path:
            assert path.read_bytes() == b"a,b"
        with ctx.open(file) as stream:
            return Number(value=len(stream.read()))

    run = perform(viewer, declare(measure), file=str(stored(viewer, b"a,b").pk))
    assert run.result == {"value": 3}


def test_a_file_that_is_gone_fails_the_run(
    viewer: Viewer, declare: Callable[..., Task], stored: Callable[..., rows.File]
) -> None:
    def measure(ctx: Context, *, file: File) -> None:
        """Measure."""

    task, file = declare(measure), stored(viewer, b"a,b")
    run = submission.submit(viewer, task, {"file": str(file.pk)}).run
    file.delete()
    knocks.answer(task, run.pk, "host:1", never)
    run.refresh_from_db()
    assert code_of(run) == "BAD_INPUT"


@pytest.fixture
def stored(settings: Settings, tmp_path: Path) -> Callable[..., rows.File]:
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**storage, "OPTIONS": {"location": tmp_path}},
    }

    def store(viewer: Viewer, content: bytes) -> rows.File:
        return rows.File.objects.create(
            owner_id=viewer.user_id,
            name="a.csv",
            content_type="text/csv",
            size=len(content),
            upload_until=timezone.now(),
            ready_at=timezone.now(),
            storage_name=default_storage.save("a.csv", ContentFile(content)),
        )

    return store


def test_progress_is_written_while_the_task_runs(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    seen: list[int | None] = []

    def work(ctx: Context) -> None:
        """Work."""
        ctx.progress(1, 4, "first")
        deadline = time.monotonic() + 5
        while not seen and time.monotonic() < deadline:
            time.sleep(0.05)
            if (done := Run.objects.get().progress_done) is not None:
                seen.append(done)

    run = perform(viewer, declare(work))
    assert seen == [1]
    assert run.progress_message == "first"


def test_a_tight_loop_writes_at_most_four_rows_a_second(
    viewer: Viewer, declare: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    beats: list[float] = []
    heartbeat = runs.heartbeat

    def beat(*given: Any) -> Run | None:
        beats.append(time.monotonic())
        return heartbeat(*given)

    monkeypatch.setattr(runs, "heartbeat", beat)

    def work(ctx: Context) -> None:
        """Work."""
        until, steps = time.monotonic() + 1, itertools.count()
        for _ in ctx.track(itertools.takewhile(lambda _: time.monotonic() < until, steps)):
            pass

    run = perform(viewer, declare(work))
    assert run.progress_done is not None
    assert run.progress_done > 10_000
    assert len(beats) > 1
    pauses = [later - earlier for earlier, later in itertools.pairwise(beats)]
    assert all(pause >= pulse.TICK_SECONDS * 0.9 for pause in pauses)


def test_a_fenced_task_is_told_at_its_next_check(
    viewer: Viewer, declare: Callable[..., Task]
) -> None:
    told = threading.Event()

    def work(ctx: Context) -> None:
        """Work."""
        take_over(Run.objects.get().pk)
        try:
            for done in range(10_000):
                ctx.progress(done % 100)
                time.sleep(0.01)
        except Fenced:
            told.set()
            raise

    task = declare(work)
    run = submission.submit(viewer, task, {}).run
    assert knocks.answer(task, run.pk, "host:1", never) == [None]
    assert told.is_set()
    run.refresh_from_db()
    assert (run.status, run.error, run.result) == ("RUNNING", None, None)


def test_a_fenced_task_that_is_deaf_ends_its_process(
    viewer: Viewer, declare: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FENCED_GRACE_SECONDS", 0.2)
    ended = threading.Event()

    def work(ctx: Context) -> None:
        """Work."""
        take_over(Run.objects.get().pk)
        ctx.progress(1)
        assert ended.wait(10)

    task = declare(work)
    run = submission.submit(viewer, task, {}).run
    knocks.answer(task, run.pk, "host:1", ended.set)
    assert ended.is_set()


def test_a_finish_waits_for_the_database(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.01)
    answers = iter([OperationalError("down"), OperationalError("down")])
    finish = runs.finish

    def sometimes(*given: Any, **more: Any) -> Status | None:
        if (error := next(answers, None)) is not None:
            raise error
        return finish(*given, **more)

    monkeypatch.setattr(runs, "finish", sometimes)
    assert perform(viewer, REGISTRY["count_words"], text="a").status == "SUCCEEDED"


def test_a_finish_that_was_committed_without_an_answer_is_no_second_one(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.01)
    finish, times = runs.finish, []

    def silent(*given: Any, **more: Any) -> Status | None:
        done = finish(*given, **more)
        times.append(done)
        if len(times) == 1:
            raise OperationalError("the connection broke")
        return done

    monkeypatch.setattr(runs, "finish", silent)
    run = submission.submit(viewer, REGISTRY["count_words"], {"text": "a"}).run
    assert knocks.answer(REGISTRY["count_words"], run.pk, "h", never) == [Status.SUCCEEDED]
    assert times == [Status.SUCCEEDED, Status.SUCCEEDED]
    run.refresh_from_db()
    assert run.revision == 3


def test_a_claim_that_was_committed_without_an_answer_is_performed(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = runs.claim

    def silent(*given: Any) -> Run | None:
        claim(*given)
        raise OperationalError("the connection broke")

    monkeypatch.setattr(runs, "claim", silent)
    assert perform(viewer, REGISTRY["count_words"], text="a").status == "SUCCEEDED"


def test_a_heartbeat_that_the_database_misses_is_tried_again(
    viewer: Viewer, declare: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat, tries = runs.heartbeat, []

    def sometimes(*given: Any) -> Run | None:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("down")
        return heartbeat(*given)

    monkeypatch.setattr(runs, "heartbeat", sometimes)

    def work(ctx: Context) -> None:
        """Work."""
        ctx.progress(1)
        deadline = time.monotonic() + 5
        while len(tries) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)

    assert perform(viewer, declare(work)).status == "SUCCEEDED"
    assert len(tries) == 2


def test_a_run_that_reports_nothing_costs_no_heartbeat(
    viewer: Viewer, declare: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rest(ctx: Context) -> None:
        """Rest."""
        time.sleep(0.4)

    monkeypatch.setattr(runs, "heartbeat", lambda *given: pytest.fail("a needless heartbeat"))
    assert perform(viewer, declare(rest)).status == "SUCCEEDED"
