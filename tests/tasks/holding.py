"""Runs of declared tasks, held by an attempt; shared by the tests of the verbs."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.viewer import Viewer
from tasks import runs, submission
from tasks.models import Run
from tasks.registry import REGISTRY, Task
from tasks.runs import Claimant, Ending, Hold
from tasks.status import Outcome, Status
from tasks.submission import RunOptions

ERROR = {"code": "BROKEN", "message": "It broke.", "retryable": True}
RETRY = Ending(Status.SCHEDULED, Outcome.FAILED, error=ERROR, delay=30)
FAILURE = Ending(Status.FAILED, Outcome.FAILED, error=ERROR)
RELEASE = Ending(Status.QUEUED, Outcome.RELEASED, error=ERROR, cut_off=True)
SUCCESS = Ending(Status.SUCCEEDED, Outcome.SUCCEEDED)
CANCELED = Ending(Status.CANCELED, Outcome.CANCELED)


def start(viewer: Viewer, task: Task | None = None, **options: Any) -> Run:
    task = task or REGISTRY["count_words"]
    data = {"text": "one two"} if task.name == "count_words" else {}
    return submission.submit(viewer, task, data, RunOptions(**options)).run


def by(worker: str = "host:1", task: str = "count_words", limit: int | None = None) -> Claimant:
    return Claimant(task, worker, limit)


def hold(run: Run, worker: str = "host:1") -> Hold:
    claimed = runs.claim(run.pk, by(worker))
    assert claimed is not None
    assert claimed.token is not None
    return Hold(claimed.pk, claimed.attempt, claimed.token)


def fresh(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def kinds(run: Run) -> list[str]:
    return list(run.events.order_by("number").values_list("kind", flat=True))


def outcomes(run: Run) -> list[str | None]:
    return list(run.attempts.order_by("number").values_list("outcome", flat=True))


def make_due(run: Run) -> None:
    """Let its time have come, and whatever is due with it."""
    Run.objects.filter(pk=run.pk).update(ring_at=timezone.now() - timedelta(seconds=1))


def let_lease_pass(run: Run) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Run.objects.filter(pk=run.pk).update(lease_until=past)
