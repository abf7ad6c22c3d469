"""The Run type, its connection, and the unions of what tasks take and give."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import graphene
from graphene import relay
from graphene_django import DjangoObjectType
from pydantic import BaseModel, ValidationError

from accounts.viewer import RUNS_CANCEL, RUNS_READ, Viewer
from schema.core import Attempt, Progress, RunError, Task, User, run_error
from schema.enums import RunPriority, RunStatus
from schema.events import BY_NUMBER, EventConnection, EventFilter, events_of, readable
from schema.generate import TaskTypes
from schema.grouped import RunRows
from schema.pages import Cut, Page, PageInfo, arguments
from schema.run_files import FileConnection, files_of
from schema.scalars import JSON, DateTime
from tasks import files, models, permission, registry
from tasks.status import Status

TASK_TYPES = TaskTypes(registry.REGISTRY)
RunInput = TASK_TYPES.union("RunInput", TASK_TYPES.givens, "What a run was given, by task.")
RunResult = TASK_TYPES.union("RunResult", TASK_TYPES.results, "What a run gave, by task.")


class Run(DjangoObjectType):
    """One request to perform a task with one input."""

    class Meta:
        model = models.Run
        interfaces = (relay.Node,)
        fields = ()

    task = graphene.Field(Task, required=True, description="The task that is performed.")
    status = graphene.Field(RunStatus, required=True, description="Where the run stands.")
    is_final = graphene.Boolean(
        required=True, description="Whether it is over, so that nothing changes any more."
    )
    revision = graphene.Int(required=True, description="Rises with every visible change.")
    progress = graphene.Field(Progress, description="The last progress its task reported.")
    priority = graphene.Field(
        RunPriority, required=True, description="Whether it goes before others that wait."
    )
    tags = graphene.Field(
        graphene.List(graphene.NonNull(graphene.String)),
        required=True,
        description="Words of whoever asked for it, for filters.",
    )
    idempotency_key = graphene.String(description="The key it was started with.")
    created_at = DateTime(required=True, description="When it was asked for.")
    run_at = DateTime(description="The time it was asked for: it does not start before.")
    started_at = DateTime(description="When its first attempt began.")
    finished_at = DateTime(description="When it became final.")
    expires_at = DateTime(description="The latest first start: later than this, it is EXPIRED.")
    cancel_requested_at = DateTime(description="When it was asked to stop.")
    input_json = JSON(required=True, description="The input as stored, in the task's own names.")
    result_json = JSON(description="The result as stored, in the task's own names.")
    error = graphene.Field(RunError, description="Why it did not succeed.")
    may_have_repeated = graphene.Boolean(
        required=True,
        description="Whether an attempt was cut off, or an effect's outcome remained unknown, and "
        "it was done again: what it does outside may have happened twice.",
    )
    attempts = graphene.Field(
        graphene.List(graphene.NonNull(Attempt)),
        required=True,
        last=graphene.Int(required=True, default_value=20, description="The latest so many."),
        description="Its attempts in order.",
    )
    events = graphene.Field(
        EventConnection,
        **arguments(),
        filter=EventFilter(description="Which events; all when left out."),
        required=True,
        description="What happened to it, in order; `last` reads the latest.",
    )
    files = graphene.Field(
        FileConnection,
        **arguments(backward=False),
        required=True,
        description="The files it saved, in the order in which it saved them.",
    )
    rerun_of = graphene.Field(
        lambda: Run, description="The run that it repeats; null for a first one, or once deleted."
    )
    requested_by = graphene.Field(User, description="Who asked for it.")
    viewer_can_cancel = graphene.Boolean(
        required=True,
        description="Whether cancelRun would stop it: the viewer may, and nobody has asked yet.",
    )
    viewer_can_rerun = graphene.Boolean(
        required=True,
        description="Whether rerun would repeat it: the viewer may, it is final, and its task is "
        "still declared.",
    )
    if RunInput is not None:
        input = graphene.Field(
            RunInput,
            description="The input; null for a task without one, and for an old run that no "
            "longer fits today's declaration (see inputJson).",
        )
    if RunResult is not None:
        result = graphene.Field(
            RunResult,
            description="The result; null until there is one, and for an old run that no longer "
            "fits today's declaration (see resultJson).",
        )

    def resolve_task(self, info: Any) -> Task:
        return Task(name=self.task)

    def resolve_status(self, info: Any) -> Status:
        status: Status = self.shown_status
        return status

    def resolve_progress(self, info: Any) -> Progress | None:
        done, total = self.progress_done, self.progress_total
        if done is None:
            return None
        fraction = min(done / total, 1.0) if total else None
        return Progress(done=done, total=total, fraction=fraction, message=self.progress_message)

    def resolve_input(self, info: Any) -> BaseModel | None:
        task: registry.Task | None = self.declaration
        if task is None or not task.input.fields:
            return None
        stored = info.context.charge(_whole(self, info).input)
        try:
            return task.check_input(stored, None)
        except ValidationError:
            return None  # the contract's answer for a row that outlived its declaration

    def resolve_input_json(self, info: Any) -> Any:
        return info.context.charge(_whole(self, info).input)

    def resolve_result(self, info: Any) -> BaseModel | None:
        run = _whole(self, info)
        info.context.charge(run.result)
        return typed_result(run)

    def resolve_result_json(self, info: Any) -> Any:
        return info.context.charge(_whole(self, info).result)

    def resolve_error(self, info: Any) -> RunError | None:
        return run_error(self.error, self.attempt)

    def resolve_attempts(self, info: Any, last: int) -> Sequence[models.Attempt]:
        rows = readable(info, models.Attempt.objects.all())
        source = RunRows(info.context, self.pk, "attempts", rows)
        return Page(source, Cut.of(BY_NUMBER, last=last)).nodes

    def resolve_events(self, info: Any, filter: Any = None, **page: Any) -> Page[models.Event]:
        return events_of(info, self.pk, filter or {}, page)

    def resolve_files(self, info: Any, **page: Any) -> Page[models.File]:
        return files_of(info, self.pk, page)

    def resolve_rerun_of(self, info: Any) -> models.Run | None:
        return None if self.rerun_of is None else info.context.run(self.rerun_of)

    def resolve_requested_by(self, info: Any) -> Any:
        return info.context.user(self.owner_id)

    def resolve_viewer_can_cancel(self, info: Any) -> bool:
        is_open = not self.is_final and self.cancel_requested_at is None
        return is_open and _owns(self, info) and info.context.signed_in.may(RUNS_CANCEL)

    def resolve_viewer_can_rerun(self, info: Any) -> bool:
        viewer, task = info.context.signed_in, self.declaration
        if task is None or not self.is_final or not _owns(self, info):
            return False
        return viewer.may_start(task.name) and _is_permitted(self, task, info)


def _owns(run: models.Run, info: Any) -> bool:
    """Whether the viewer may read this run, and do more with it."""
    viewer: Viewer = info.context.signed_in
    return viewer.owns(run.owner_id) and viewer.may(RUNS_READ)


def _is_permitted(run: models.Run, task: registry.Task, info: Any) -> bool:
    """Whether the task's rule allows the viewer the input of this run."""
    rule, given = task.options.permission, None
    if callable(rule):
        data = _whole(run, info).input
        found = map(info.context.file, files.keys_in(data, task.input))
        given_files = {file.pk: files.as_input(file) for file in found if file is not None}
        try:
            given = task.check_input(data, given_files)
        except ValidationError:
            return False  # and so would the rerun be refused
    return permission.allows(rule, info.context.signed_in, given)


def _whole(run: models.Run, info: Any) -> models.Run:
    """The row with its input and result, which are loaded for all runs shown at once."""
    if run.is_whole:
        return run

    def load(run_ids: Collection[UUID]) -> dict[UUID, models.Run]:
        rows = models.Run.objects.only("task", "input", "result").in_bulk(run_ids)
        info.context.will_need_files(file_ids(rows.values()))
        return rows

    return info.context.of_run("whole", run.pk, load) or run


def typed_result(run: models.Run) -> BaseModel | None:
    """The stored result as its task declares it today; None when there is none that fits."""
    if run.declaration is None or run.result is None:
        return None
    try:
        return run.declaration.check_result(run.result)
    except ValidationError:
        return None


def file_ids(runs: Iterable[models.Run]) -> Iterable[UUID]:
    """The files named in the runs' inputs and results."""
    for run in runs:
        if (task := run.declaration) is not None:
            yield from files.keys_in(run.input, task.input)
            if task.result is not None:
                yield from files.keys_in(run.result, task.result)


def show(info: Any, runs: Sequence[models.Run]) -> None:
    """Announce the runs that a root field answers with, and the files that they name."""
    info.context.will_show(runs)
    info.context.will_need_files(file_ids(run for run in runs if run.is_whole))


class RunEdge(graphene.ObjectType):
    """A run in a list, with its place."""

    cursor = graphene.String(required=True, description="For `after` and `before`.")
    node = graphene.Field(Run, required=True, description="The run.")


class RunConnection(graphene.ObjectType):
    """A page of runs, newest first."""

    edges = graphene.Field(
        graphene.List(graphene.NonNull(RunEdge)),
        required=True,
        description="The runs with cursors.",
    )
    nodes = graphene.Field(
        graphene.List(graphene.NonNull(Run)), required=True, description="The runs."
    )
    page_info = graphene.Field(PageInfo, required=True, description="Where the page lies.")
    total_count = graphene.Int(description="How many in all; null when too many to count.")
