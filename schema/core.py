"""The types that every task shares: runs, attempts, files, tasks, users, and what goes wrong."""

from datetime import datetime
from functools import cache
from typing import Any, Literal

import graphene
from graphene import relay
from graphene.utils.str_converters import to_camel_case
from graphene_django import DjangoObjectType
from graphene_django.registry import get_global_registry

from accounts.models import User as UserRow
from schema.enums import AttemptOutcome, ErrorCode
from schema.names import input_name, mutation_name, type_name
from schema.scalars import JSON, URL, BigInt, DateTime
from tasks import downloads, models, permission, retention
from tasks.exceptions import Problem
from tasks.registry import REGISTRY
from tasks.shapes import Model


class User(DjangoObjectType):
    """Somebody who may ask for runs."""

    class Meta:
        model = UserRow
        interfaces = (relay.Node,)
        fields = ()

    display_name = graphene.String(required=True, description="The full name, else the user name.")


class UserError(graphene.ObjectType):
    """Why a mutation was refused; nothing was written."""

    field = graphene.List(
        graphene.NonNull(graphene.String),
        description='The path to the value at fault, such as ["input", "text"].',
    )
    code = graphene.Field(ErrorCode, required=True, description="For programs.")
    message = graphene.String(required=True, description="For people.")


def user_error(problem: Problem) -> UserError:
    path = [to_camel_case(part) if isinstance(part, str) else str(part) for part in problem.path]
    return UserError(field=path or None, code=problem.code, message=problem.message)


def run_type() -> Any:
    """The type Run, which comes later: it is made of those that refer to it."""
    return get_global_registry().get_type_for_model(models.Run)


class Progress(graphene.ObjectType):
    """How far a run has come, as its task counts."""

    done = graphene.Int(required=True, description="Steps done.")
    total = graphene.Int(description="Steps in all; null when unknown.")
    fraction = graphene.Float(description="done / total, from 0 to 1; null when unknown.")
    message = graphene.String(description="What is being done.")


class RunError(graphene.ObjectType):
    """Why a run or an attempt did not succeed."""

    code = graphene.String(required=True, description="A word for programs, set by the task or us.")
    message = graphene.String(required=True, description="A sentence for people.")
    attempt = graphene.Int(description="The number of the attempt that met it.")
    retryable = graphene.Boolean(
        required=True, description="Whether another attempt might have gone better."
    )


def run_error(error: dict[str, Any] | None, attempt: int) -> RunError | None:
    if error is None:
        return None
    return RunError(
        code=error["code"],
        message=error["message"],
        attempt=attempt,
        retryable=error.get("retryable", False),  # rows of 0.1 do not say
    )


class Attempt(DjangoObjectType):
    """One try of a run by one worker."""

    class Meta:
        model = models.Attempt
        interfaces = (relay.Node,)
        fields = ()

    number = graphene.Int(required=True, description="1 for the first.")
    worker = graphene.String(description="Host and process that performed it.")
    started_at = DateTime(required=True, description="When the worker took the run.")
    finished_at = DateTime(description="When it ended; null while it runs.")
    outcome = graphene.Field(AttemptOutcome, description="How it ended; null while it runs.")
    error = graphene.Field(RunError, description="Why it did not succeed.")

    def resolve_id(self, info: Any) -> str:
        return f"{self.run_id}:{self.number}"

    def resolve_error(self, info: Any) -> RunError | None:
        return run_error(self.error, self.number)


class Download(graphene.ObjectType):
    """Where to get a file's bytes: no credential but the signed URL."""

    url = URL(required=True, description="For GET, whole or in part; the same within a minute.")
    expires_at = DateTime(required=True, description="Until when; at most five minutes ahead.")


class File(DjangoObjectType):
    """Bytes that came in by an upload, or were saved by a run."""

    class Meta:
        model = models.File
        interfaces = (relay.Node,)
        fields = ()

    name = graphene.String(required=True, description="Its name, without a folder.")
    content_type = graphene.String(
        required=True,
        description="Its media type, as was said; an upload whose first bytes contradict it is "
        "refused.",
    )
    size = BigInt(required=True, description="Bytes.")
    sha256 = graphene.String(description="Its digest in hexadecimal; null until known.")
    is_ready = graphene.Boolean(required=True, description="Whether its bytes are stored.")
    created_at = DateTime(
        required=True, description="When the upload was asked for, or the file saved."
    )
    expires_at = DateTime(
        description="From when on it may be removed, as things stand; null when it is kept for "
        "ever, or as long as its run, which is not over."
    )
    download = graphene.Field(Download, description="How to get the bytes; null until it is ready.")

    def resolve_expires_at(self, info: Any) -> datetime | None:
        run = None if self.run_id is None else info.context.run(self.run_id)
        return retention.expiry(self, run)

    def resolve_download(self, info: Any) -> Download | None:
        if not self.is_ready:
            return None
        until = downloads.expiry()
        url = f"{info.context.base_url}{downloads.signed_path(self.pk, until)}"
        return Download(url=url, expires_at=until)

    run = graphene.Field(
        lambda: run_type(), description="The run that saved it; null for an upload."
    )

    def resolve_run(self, info: Any) -> models.Run | None:
        return None if self.run_id is None else info.context.run(self.run_id)


@cache
def _json_schema(model: Model, mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    return model.type.model_json_schema(mode=mode)


class Task(graphene.ObjectType):
    """A declared function that can be performed as runs."""

    class Meta:
        interfaces = (relay.Node,)

    name = graphene.String(required=True, description="The name in filters and in Celery.")
    description = graphene.String(required=True, description="What it does.")
    is_retired = graphene.Boolean(
        required=True, description="Whether it is no longer declared: old runs remain readable."
    )
    has_worker = graphene.Boolean(required=True, description="Whether a living worker takes it.")
    viewer_can_start = graphene.Boolean(
        required=True, description="Whether the viewer may start it."
    )
    input_schema = JSON(
        required=True, description="JSON Schema of the input, in the declaration's own names."
    )
    result_schema = JSON(description="JSON Schema of the result; null when there is none.")
    mutation_name = graphene.String(required=True, description="The mutation that starts it.")
    input_type_name = graphene.String(description="Its input type; null when it takes nothing.")
    result_type_name = graphene.String(description="Its result type; null when it gives nothing.")

    def resolve_id(self, info: Any) -> str:
        return str(self.name)

    def resolve_description(self, info: Any) -> str:
        task = REGISTRY.get(self.name)
        return task.description if task else ""

    def resolve_is_retired(self, info: Any) -> bool:
        return self.name not in REGISTRY

    def resolve_has_worker(self, info: Any) -> bool:
        return self.name in info.context.known_tasks

    def resolve_viewer_can_start(self, info: Any) -> bool:
        viewer, task = info.context.signed_in, REGISTRY.get(self.name)
        if task is None or not viewer.may_start(self.name):
            return False
        return permission.allows(task.options.permission, viewer, None)

    def resolve_input_schema(self, info: Any) -> dict[str, Any]:
        task = REGISTRY.get(self.name)
        return _json_schema(task.input, "validation") if task else {}

    def resolve_result_schema(self, info: Any) -> dict[str, Any] | None:
        task = REGISTRY.get(self.name)
        if task is None or task.result is None:
            return None
        return _json_schema(task.result, "serialization")

    def resolve_mutation_name(self, info: Any) -> str:
        return mutation_name(self.name)

    def resolve_input_type_name(self, info: Any) -> str | None:
        task = REGISTRY.get(self.name)
        return input_name(type_name(task.input.type)) if task and task.input.fields else None

    def resolve_result_type_name(self, info: Any) -> str | None:
        task = REGISTRY.get(self.name)
        return type_name(task.result.type) if task and task.result else None
