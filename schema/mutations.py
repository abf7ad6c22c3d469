"""What can be done: ask for an upload, and one mutation for each declared task."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import graphene

from schema.core import File, UserError, user_error
from schema.deletions import FIELDS
from schema.ids import key_of, to_global_id
from schema.names import mutation_name, payload_name, type_name
from schema.payloads import Payload
from schema.run import TASK_TYPES, Run, file_ids, typed_result
from schema.scalars import URL, BigInt, DateTime
from tasks import files, models, submission
from tasks.exceptions import Refused
from tasks.registry import REGISTRY, Task
from tasks.shapes import leaves


class StartPayload(graphene.Interface):
    """What every mutation answers that starts a run."""

    class Meta:
        interfaces = (Payload,)

    run = graphene.Field(Run, description="The run; null when it was refused.")
    replayed = graphene.Boolean(
        required=True,
        description="Whether an earlier start with the same idempotencyKey had made the run.",
    )
    errors = graphene.Field(
        graphene.List(graphene.NonNull(UserError)),
        required=True,
        description="Why it was refused; empty when it was done.",
    )


class RunOptions(graphene.InputObjectType):
    """How to start a run; no part of its input."""

    idempotency_key = graphene.String(
        description="At most 200 characters. A repeated start with the same key and input gives "
        "the first run again, so a client may repeat a start whose answer was lost."
    )


class CreateUploadInput(graphene.InputObjectType):
    """The file that will be sent."""

    name = graphene.String(required=True, description="Its name, without a folder.")
    size = BigInt(required=True, description="Its bytes, exactly.")
    content_type = graphene.String(required=True, description="Its media type, such as text/csv.")
    sha256 = graphene.String(description="Its digest in hexadecimal, to be checked.")


class Header(graphene.ObjectType):
    """A header to send."""

    name = graphene.String(required=True, description="Its name.")
    value = graphene.String(required=True, description="Its value.")


class Upload(graphene.ObjectType):
    """How to send a file's bytes: one request, no credential but the signed URL."""

    id = graphene.ID(required=True, description="The file's id, for the input of a task.")
    method = graphene.String(required=True, description="The HTTP method.")
    url = URL(required=True, description="Where to send the bytes.")
    headers = graphene.Field(
        graphene.List(graphene.NonNull(Header)), required=True, description="Headers to send."
    )
    expires_at = DateTime(required=True, description="Until when.")
    file = graphene.Field(File, required=True, description="The file, not ready yet.")


class CreateUploadPayload(graphene.ObjectType):
    """The upload, or why there is none."""

    class Meta:
        interfaces = (Payload,)

    upload = graphene.Field(Upload, description="Where to send the bytes; null when refused.")


def _upload(file: models.File, base_url: str) -> Upload:
    signature = quote(files.upload_signature(file), safe="")
    return Upload(
        id=to_global_id("File", file.pk),
        method="PUT",
        url=f"{base_url}/uploads/{file.pk}?signature={signature}",
        headers=[Header(name="Content-Type", value=file.content_type)],
        expires_at=file.upload_until,
        file=file,
    )


def _create_upload(root: Any, info: Any, input: Any) -> dict[str, Any]:
    viewer = info.context.signed_in
    try:
        file = files.create_upload(
            viewer,
            name=input["name"],
            size=input["size"],
            content_type=input["content_type"],
            sha256=input.get("sha256"),
        )
    except Refused as refused:
        return {"upload": None, "errors": [user_error(each) for each in refused.problems]}
    return {"upload": _upload(file, info.context.base_url), "errors": []}


def _payload_type(task: Task) -> Any:
    name = payload_name(type_name(task.input.type))
    body: dict[str, Any] = {
        "__doc__": f"What {mutation_name(task.name)} answers.",
        "Meta": type("Meta", (), {"interfaces": (StartPayload, Payload)}),
    }
    if task.result is not None:
        body["result"] = graphene.Field(
            TASK_TYPES.results[task.result.type],
            description="The run's result; null until it has succeeded.",
            resolver=lambda root, info: root["run"] and typed_result(root["run"]),
        )
    return type(name, (graphene.ObjectType,), body)


def _start(task: Task) -> Callable[..., dict[str, Any]]:
    def resolve(root: Any, info: Any, input: Any = None, options: Any = None) -> dict[str, Any]:
        viewer = info.context.signed_in
        data = _with_file_keys(task, input or {})
        try:
            key = (options or {}).get("idempotency_key")
            done = submission.submit(viewer, task, data, submission.RunOptions(key))
        except Refused as refused:
            errors = [user_error(each) for each in refused.problems]
            return {"run": None, "replayed": False, "errors": errors}
        info.context.will_need_files(file_ids([done.run]))
        return {"run": done.run, "replayed": done.replayed, "errors": []}

    return resolve


def _with_file_keys(task: Task, data: dict[str, Any]) -> dict[str, Any]:
    """The input with each file's global id replaced by its key ("" for what is no file's id)."""
    for (*parents, last), global_id in list(leaves(data, task.input, "File")):
        place: Any = data
        for step in parents:
            place = place[step]
        place[last] = str(key_of(global_id, "File") or "")
    return data


def _start_field(task: Task) -> graphene.Field:
    arguments: dict[str, Any] = {}
    if task.name in TASK_TYPES.inputs:
        arguments["input"] = graphene.Argument(
            graphene.NonNull(TASK_TYPES.inputs[task.name]), description="What goes in."
        )
    arguments["options"] = graphene.Argument(RunOptions, description="How to start it.")
    return graphene.Field(
        graphene.NonNull(_payload_type(task)),
        args=arguments,
        resolver=_start(task),
        description=task.description,
    )


def _mutation() -> Any:
    fields: dict[str, Any] = {
        "create_upload": graphene.Field(
            graphene.NonNull(CreateUploadPayload),
            input=graphene.Argument(graphene.NonNull(CreateUploadInput), description="The file."),
            resolver=_create_upload,
            description="Ask for a place to send a file's bytes to.",
        ),
        **FIELDS,
        **{task.name: _start_field(task) for task in REGISTRY.values()},
    }
    return type(
        "Mutation", (graphene.ObjectType,), {**fields, "__doc__": "Everything that can be done."}
    )


Mutation = _mutation()
