"""The Run type, its connection, and the unions of what tasks take and give."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import graphene
from graphene import relay
from graphene_django import DjangoObjectType
from pydantic import BaseModel, ValidationError

from accounts.viewer import RUNS_READ
from schema.core import Attempt, Progress, RunError, RunStatus, Task, User, run_error
from schema.errors import bad_user_input
from schema.generate import TaskTypes
from schema.limits import PAGE_SIZE
from schema.pages import PageInfo
from schema.scalars import JSON, DateTime
from tasks import files, models, registry

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
    idempotency_key = graphene.String(description="The key it was started with.")
    created_at = DateTime(required=True, description="When it was asked for.")
    started_at = DateTime(description="When its first attempt began.")
    finished_at = DateTime(description="When it became final.")
    input_json = JSON(required=True, description="The input as stored, in the task's own names.")
    result_json = JSON(description="The result as stored, in the task's own names.")
    error = graphene.Field(RunError, description="Why it did not succeed.")
    attempts = graphene.Field(
        graphene.List(graphene.NonNull(Attempt)),
        required=True,
        last=graphene.Int(required=True, default_value=20, description="The latest so many."),
        description="Its attempts in order.",
    )
    requested_by = graphene.Field(User, description="Who asked for it.")
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
        info.context.charge(self.input)
        try:
            return task.check_input(self.input, None)
        except ValidationError:
            return None  # the contract's answer for a row that outlived its declaration

    def resolve_input_json(self, info: Any) -> Any:
        return info.context.charge(self.input)

    def resolve_result(self, info: Any) -> BaseModel | None:
        info.context.charge(self.result)
        return typed_result(self)

    def resolve_result_json(self, info: Any) -> Any:
        return info.context.charge(self.result)

    def resolve_error(self, info: Any) -> RunError | None:
        return run_error(self.error, self.attempt)

    def resolve_attempts(self, info: Any, last: int) -> list[models.Attempt]:
        if not 0 <= last <= PAGE_SIZE:
            raise bad_user_input(f"A run shows 0 to {PAGE_SIZE} attempts: change `last`.")
        if not info.context.signed_in.may(RUNS_READ):
            return []  # a start-only credential sees its start and no more
        attempts = sorted(self.attempts.all(), key=lambda attempt: attempt.number)
        return attempts[-last:] if last else []

    def resolve_requested_by(self, info: Any) -> Any:
        return self.owner


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
