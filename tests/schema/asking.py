"""Runs to read, and how their answers are read; shared by the tests of queries."""

from collections.abc import Callable
from typing import Any

from django.utils import timezone

from accounts.viewer import Viewer
from schema.ids import to_global_id
from tasks import runs, submission
from tasks.context import Progress
from tasks.models import File, Run
from tasks.registry import REGISTRY
from tasks.runs import Ending, Hold
from tasks.status import Outcome, Status
from tasks.submission import RunOptions
from tests.tasks.holding import by

Ask = Callable[..., dict[str, Any]]
PAGE = """query($first: Int, $after: String, $last: Int, $before: String, $filter: RunFilter) {
  runs(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    nodes { id }
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
}"""


def start(viewer: Viewer, text: str = "one two", key: str | None = None, **options: Any) -> Run:
    task, given = REGISTRY["count_words"], {"text": text}
    return submission.submit(viewer, task, given, RunOptions(key, **options)).run


def hold_of(run: Run) -> Hold:
    """The hold of a worker that takes the run now."""
    claimed = runs.claim(run.pk, by("host:1"))
    assert claimed is not None
    assert claimed.token is not None
    return Hold(claimed.pk, claimed.attempt, claimed.token)


def work(run: Run, status: Status = Status.SUCCEEDED) -> None:
    hold = hold_of(run)
    result = {"words": 2, "longest": "one"} if status == Status.SUCCEEDED else None
    error = None if result else {"code": "BROKEN", "message": "It broke.", "retryable": False}
    ending = Ending(status, Outcome(status.value), result=result, error=error)
    runs.finish(hold, ending, Progress(1, 4, "counting"))


def gid(row: Any) -> str:
    return to_global_id(type(row).__name__, row.pk)


def code(answer: dict[str, Any]) -> str:
    (error,) = answer["errors"]
    return str(error["extensions"]["code"])


def upload(viewer: Viewer, run: Run | None = None, name: str = "a.csv") -> File:
    """A stored file: uploaded, or saved by the run."""
    return File.objects.create(
        owner_id=viewer.user_id,
        run=run,
        name=name,
        content_type="text/csv",
        size=3,
        upload_until=timezone.now(),
        ready_at=timezone.now(),
        storage_name="a",
        sha256="0" * 64,
    )
