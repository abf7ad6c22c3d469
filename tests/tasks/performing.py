"""Performs runs of declared tasks in this process; shared by the tests of the executor."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from pydantic import BaseModel

from accounts.viewer import Viewer
from tasks import knocks, runs, submission
from tasks.models import Run
from tasks.registry import Task
from tests.tasks.holding import by


class Number(BaseModel):
    value: int


class Loose(BaseModel):
    value: Any = None
    number: float = 0.0
    text: str = ""


def never() -> None:
    raise AssertionError("the process would have ended")


def perform(
    viewer: Viewer, task: Task, end_process: Callable[[], None] = never, **data: Any
) -> Run:
    run = submission.submit(viewer, task, data).run
    knocks.answer(task, run.pk, "host:1", end_process)
    run.refresh_from_db()
    return run


def take_over(run_id: UUID) -> None:
    """Another worker gets the run, as after a lease that nobody prolonged."""
    past = timezone.now() - timedelta(seconds=1)
    Run.objects.filter(pk=run_id).update(lease_until=past)
    assert [run.pk for run in runs.recover()] == [run_id]
    assert runs.start_due() == 1
    assert runs.claim(run_id, by("host:2")) is not None


def code_of(run: Run) -> str:
    assert run.error is not None
    return str(run.error["code"])
