"""Starting a run: one mutation for each declared task."""

from collections.abc import Callable
from typing import Any

import graphene

from accounts.viewer import Viewer
from schema.ids import key_of
from schema.names import mutation_name, payload_name, type_name
from schema.options import RunOptions, read_options
from schema.payloads import Payload, StartPayload, errors_of
from schema.run import TASK_TYPES, show, typed_result
from schema.waiting import check_may_wait, read_wait, wait_argument
from tasks import submission
from tasks.exceptions import Refused
from tasks.registry import REGISTRY, Task
from tasks.shapes import leaves


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
    def resolve(
        root: Any, info: Any, input: Any = None, options: Any = None, wait_seconds: Any = None
    ) -> dict[str, Any]:
        data = with_file_keys(task, input or {})

        def ask(viewer: Viewer) -> submission.Submitted:
            return submission.submit(viewer, task, data, read_options(options))

        return started(info, ask, wait_seconds)

    return resolve


def started(
    info: Any, ask: Callable[[Viewer], submission.Submitted], wait_seconds: float | None
) -> dict[str, Any]:
    """The answer to a start, or to its refusal."""
    viewer, seconds = info.context.signed_in, read_wait(wait_seconds)
    try:
        check_may_wait(viewer, seconds)
        done = ask(viewer)
    except Refused as refused:
        return {"run": None, "replayed": False, "errors": errors_of(refused)}
    show(info, [done.run])
    info.context.waits.until(done.run, None, seconds)
    return {"run": done.run, "replayed": done.replayed, "errors": []}


def with_file_keys(task: Task, data: dict[str, Any]) -> dict[str, Any]:
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
    arguments["wait_seconds"] = wait_argument("when the run is final")
    return graphene.Field(
        graphene.NonNull(_payload_type(task)),
        args=arguments,
        resolver=_start(task),
        description=task.description,
    )


FIELDS: dict[str, Any] = {task.name: _start_field(task) for task in REGISTRY.values()}
