"""Performs runs of declared tasks in this process; shared by the tests of the executor."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from accounts.viewer import Viewer
from tasks import executor, runs
from tasks.models import Run
from tasks.registry import Task


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
    run = runs.submit(viewer, task, data).run
    executor.perform(task, run.pk, "host:1", end_process)
    run.refresh_from_db()
    return run


def code_of(run: Run) -> str:
    assert run.error is not None
    return str(run.error["code"])
