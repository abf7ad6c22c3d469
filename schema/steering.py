"""What is done to runs that were asked for: cancel one or many, and ask for one again."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import graphene
from django.db.models import QuerySet

from accounts.viewer import RUNS_CANCEL, RUNS_READ, Viewer
from schema.core import UserError, user_error
from schema.filters import RunFilter, filtered
from schema.ids import key_of
from schema.limits import BULK
from schema.options import RunOptions, read_options
from schema.payloads import Payload, StartPayload, errors_of
from schema.run import Run, show
from schema.starts import started
from schema.waiting import wait_argument
from tasks import models, runs, submission
from tasks.exceptions import Problem, RefusalCode, Refused
from tasks.status import OPEN, Status


class CancelRunPayload(graphene.ObjectType):
    """The run that was asked to stop, or why it was not."""

    class Meta:
        interfaces = (Payload,)

    run = graphene.Field(
        Run, description="The run as it then is, even when it was over; null when not found."
    )


class CancelRunsPayload(graphene.ObjectType):
    """The runs that were asked to stop, or why none was."""

    class Meta:
        interfaces = (Payload,)

    items = graphene.Field(
        graphene.List(graphene.NonNull(CancelRunPayload)),
        required=True,
        description="One for each run, the newest first; empty when no open run matches.",
    )


class RerunPayload(graphene.ObjectType):
    """What rerun answers."""

    class Meta:
        interfaces = (StartPayload, Payload)


def _cancel_run(root: Any, info: Any, id: str) -> dict[str, Any]:
    viewer, key = info.context.signed_in, key_of(id, "Run")
    if not _may_cancel(viewer):
        return {"run": None, "errors": [_forbidden()]}
    seen = models.Run.objects.visible_to(viewer).filter(pk=key).first() if key else None
    if seen is not None and not viewer.owns(seen.owner_id):
        message = "This run is another's: you may read it."
        return {"run": None, "errors": [_problem(message, RefusalCode.FORBIDDEN)]}
    if seen is not None and not seen.is_final:
        runs.cancel(viewer, [seen.pk])
        seen = _seen(viewer, [seen.pk]).first()
    if seen is None:
        return {"run": None, "errors": [_problem("There is no such run.", RefusalCode.NOT_FOUND)]}
    show(info, [seen])
    return _canceled(seen)


def _cancel_runs(root: Any, info: Any, filter: Any) -> dict[str, Any]:
    viewer = info.context.signed_in
    if not _may_cancel(viewer):
        return {"items": [], "errors": [_forbidden()]}
    try:
        matching = filtered(models.Run.objects.owned_by(viewer), filter)
    except Refused as refused:
        return {"items": [], "errors": errors_of(refused)}
    # Those that were asked already are left out, so that repeating the call comes to an end.
    waiting = matching.filter(status__in=[s.value for s in OPEN], cancel_requested_at=None)
    keys = list(waiting.order_by("-pk").values_list("pk", flat=True)[:BULK])
    found = []
    if keys:
        runs.cancel(viewer, keys)
        found = list(_seen(viewer, keys).order_by("-pk"))
    show(info, found)
    return {"items": [_canceled(run) for run in found], "errors": []}


def _seen(viewer: Viewer, keys: Iterable[UUID]) -> QuerySet[models.Run]:
    """The runs as they now are, without what may be large."""
    return models.Run.objects.visible_to(viewer).filter(pk__in=keys).defer("input", "result")


def _canceled(run: models.Run) -> dict[str, Any]:
    """The answer for a run whose cancel was asked for, now or before."""
    if run.is_final and run.status != Status.CANCELED:
        message = "This run is over: nothing is left to cancel."
        return {"run": run, "errors": [_problem(message, RefusalCode.RUN_IS_FINAL)]}
    return {"run": run, "errors": []}


def _problem(message: str, code: RefusalCode) -> UserError:
    return user_error(Problem(message, code, ("id",)))


def _may_cancel(viewer: Viewer) -> bool:
    """Whether the credential may; what cannot be read cannot be canceled by its id or filter."""
    return viewer.may(RUNS_CANCEL) and viewer.may(RUNS_READ)


def _forbidden() -> UserError:
    message = f"This token may not cancel runs: that takes {RUNS_CANCEL} and {RUNS_READ}."
    return user_error(Problem(message, RefusalCode.FORBIDDEN))


def _rerun(
    root: Any, info: Any, id: str, options: Any = None, wait_seconds: Any = None
) -> dict[str, Any]:
    key = key_of(id, "Run")

    def ask(viewer: Viewer) -> submission.Submitted:
        submission.check_may_rerun(viewer)
        if key is None:
            problem = Problem("There is no such run.", RefusalCode.NOT_FOUND, ("id",))
            raise Refused([problem])
        return submission.rerun(viewer, key, read_options(options))

    return started(info, ask, wait_seconds)


def _id(description: str) -> graphene.Argument:
    return graphene.Argument(graphene.NonNull(graphene.ID), description=description)


FIELDS: dict[str, Any] = {
    "cancel_run": graphene.Field(
        graphene.NonNull(CancelRunPayload),
        id=_id("The run's global id."),
        resolver=_cancel_run,
        description="Ask a run to stop: one that waits is CANCELED at once, one that is performed "
        "is CANCELING until its task notices. May be repeated.",
    ),
    "cancel_runs": graphene.Field(
        graphene.NonNull(CancelRunsPayload),
        filter=graphene.Argument(graphene.NonNull(RunFilter), description="Which runs."),
        resolver=_cancel_runs,
        description="Ask the viewer's open runs that match to stop, the newest first, at most "
        f"{BULK:,} in one call: repeat it until `items` is empty.",
    ),
    "rerun": graphene.Field(
        graphene.NonNull(RerunPayload),
        id=_id("The global id of a run that is final."),
        options=graphene.Argument(RunOptions, description="How to start the new one."),
        wait_seconds=wait_argument("when the new run is final"),
        resolver=_rerun,
        description="Ask for a new run with the input of one that is final.",
    ),
}
