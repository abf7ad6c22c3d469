"""Starting many runs of any tasks with one mutation: `startRuns`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import graphene

from schema.core import user_error
from schema.limits import BULK
from schema.names import mutation_name
from schema.options import RunOptions, read_options
from schema.payloads import Payload, StartPayload, errors_of
from schema.run import TASK_TYPES, show
from schema.starts import with_file_keys
from tasks import submission
from tasks.exceptions import Problem, Refused
from tasks.registry import REGISTRY, Task
from tasks.submission import Asked, Submitted


def _input_of(task: Task) -> Any:
    """The field of one task: its own input, or `true` where there is none, as no type is empty."""
    if task.name in TASK_TYPES.inputs:
        return graphene.InputField(TASK_TYPES.inputs[task.name], description=task.description)
    about = f"{task.description} It takes no input: say true.".strip()
    return graphene.Boolean(description=about)


_BARE = type("Meta", (), {"container": dict})

# One of its fields: schema.build marks it so.
TaskInput = type(
    "TaskInput",
    (graphene.InputObjectType,),
    {
        **{task.name: _input_of(task) for task in REGISTRY.values()},
        "__doc__": "Which task, by the name of its mutation, and its input.",
        "Meta": _BARE,
    },
)


class StartRunInput(graphene.InputObjectType):
    """One run to start."""

    Meta = _BARE

    task = graphene.InputField(
        TaskInput, required=True, description="Which task, with which input."
    )
    options = graphene.InputField(RunOptions, description="How to start it.")


class StartedRun(graphene.ObjectType):
    """What became of one of the runs that were asked for."""

    class Meta:
        interfaces = (StartPayload, Payload)


class StartRunsPayload(graphene.ObjectType):
    """What became of each of the runs, or why none was started."""

    class Meta:
        interfaces = (Payload,)

    items = graphene.Field(
        graphene.List(graphene.NonNull(StartedRun)),
        required=True,
        description="One for each run, in their order.",
    )


def _start_runs(root: Any, info: Any, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if len(runs) > BULK:
        message = f"At most {BULK:,} runs can be started at once."
        return {"items": [], "errors": [user_error(Problem(message, path=("runs",)))]}
    asked = [_asked(each) for each in runs]
    viewer = info.context.signed_in
    try:
        started = submission.submit_many(viewer, [it for it in asked if isinstance(it, Asked)])
    except Refused as refused:
        return {"items": [], "errors": errors_of(refused)}
    show(info, [each.run for each in started if isinstance(each, Submitted)])
    outcomes = iter(started)
    items = [
        _item(next(outcomes) if isinstance(each, Asked) else each, place, next(iter(given["task"])))
        for place, (given, each) in enumerate(zip(runs, asked, strict=True))
    ]
    return {"items": items, "errors": []}


def _asked(given: dict[str, Any]) -> Asked | Refused:
    ((name, data),) = given["task"].items()
    task = REGISTRY[name]
    if name in TASK_TYPES.inputs:
        data = with_file_keys(task, data)
    elif data is not True:
        message = f"{mutation_name(name)} takes no input: say true."
        return Refused([Problem(message, path=("input",))])
    else:
        data = {}
    return Asked(task, data, read_options(given.get("options")))


def _item(outcome: Submitted | Refused, place: int, task: str) -> dict[str, Any]:
    if isinstance(outcome, Submitted):
        return {"run": outcome.run, "replayed": outcome.replayed, "errors": []}
    problems = [replace(each, path=_path(each, place, task)) for each in outcome.problems]
    return {"run": None, "replayed": False, "errors": errors_of(Refused(problems))}


def _path(problem: Problem, place: int, task: str) -> tuple[str | int, ...]:
    """Where the value at fault is in the arguments."""
    match problem.path:
        case ("input", *within):
            return ("runs", place, "task", task, *within)
        case path:
            return ("runs", place, *path)


_START_RUNS = graphene.Field(
    graphene.NonNull(StartRunsPayload),
    runs=graphene.Argument(
        graphene.NonNull(graphene.List(graphene.NonNull(StartRunInput))),
        description=f"At most {BULK:,}.",
    ),
    resolver=_start_runs,
    description="Start many runs, of any tasks, at once. One that is refused does not keep the "
    "others from starting.",
)

FIELDS: dict[str, Any] = {"start_runs": _START_RUNS} if REGISTRY else {}
