"""The declared tasks: what `@task` checks and remembers."""

import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, Unpack
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError, create_model
from pydantic_core import to_json, to_jsonable_python

from tasks.context import Context, File
from tasks.exceptions import DeclarationError
from tasks.options import GivenOptions, Options, read_options
from tasks.shapes import Model, ShapeReader, UnsupportedHint, check_name, flaws

F = TypeVar("F", bound=Callable[..., Any])

RESERVED_VERBS = (
    *("cancel", "rerun", "start", "create", "update", "delete", "revoke", "pause", "resume"),
)


@dataclass(frozen=True)
class Task:
    """A declared function with its options, and the shapes of what it takes and gives."""

    name: str
    description: str
    function: Callable[..., Any] = field(repr=False)
    options: Options
    input: Model
    result: Model | None

    @property
    def place(self) -> str:
        """File and line of the declaration, for messages."""
        code = self.function.__code__
        return f"{code.co_filename}:{code.co_firstlineno}"

    def check_input(self, data: dict[str, Any], files: Mapping[UUID, File] | None) -> BaseModel:
        """The input as declared today, or ValidationError. `files` None: any id will do."""
        return _validate(self.input.type, data, files)

    def check_result(self, data: dict[str, Any]) -> BaseModel | None:
        """The stored result as declared today, or pydantic's ValidationError."""
        return None if self.result is None else _validate(self.result.type, data, None)


def _validate(
    model: type[BaseModel], data: dict[str, Any], files: Mapping[UUID, File] | None
) -> BaseModel:
    # JSON, not Python: so that models declared strict still read dates and enums.
    return model.model_validate_json(
        to_json(data, inf_nan_mode="constants"), context={"files": files}, by_name=True
    )


class Registry(Mapping[str, Task]):
    """Tasks by name, in the order of their names once listed."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._reader = ShapeReader()

    def __getitem__(self, name: str) -> Task:
        return self._tasks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._tasks))

    def __len__(self) -> int:
        return len(self._tasks)

    def declare(self, function: Callable[..., Any], **options: Any) -> Task:
        """Check the declaration and remember it, or raise DeclarationError."""
        where = f"{inspect.getsourcefile(function)}: {function.__name__}"
        try:
            task = self._read(function, options)
        except (DeclarationError, UnsupportedHint, PydanticUserError, NameError) as flaw:
            raise DeclarationError(f"{where}: {flaw}") from None
        known = self._tasks.get(task.name)
        if known is not None and known.place != task.place:
            raise DeclarationError(f"{where}: {known.place} declares this name too: rename one.")
        self._tasks[task.name] = task
        return task

    def _read(self, function: Callable[..., Any], options: dict[str, Any]) -> Task:
        name = function.__name__
        _check_task_name(name)
        _check_is_plain(function)
        hints = typing.get_type_hints(function, include_extras=True)
        _check_context(function, hints)
        return Task(
            name=name,
            description=_description(function),
            function=function,
            options=read_options(options),
            input=self._input(function, hints),
            result=self._result(hints),
        )

    def _input(self, function: Callable[..., Any], hints: dict[str, Any]) -> Model:
        fields: dict[str, Any] = {}
        for parameter in list(inspect.signature(function).parameters.values())[1:]:
            _check_parameter(parameter.name)
            fields[parameter.name] = (_hint(parameter, hints), _default_of(parameter))
        name = "".join(part.capitalize() for part in function.__name__.split("_"))
        model = create_model(
            name,
            __config__=ConfigDict(
                extra="forbid", frozen=True, protected_namespaces=(), validate_default=True
            ),
            __module__=function.__module__,
            **fields,
        )
        shape = self._reader.model(model)
        _check_defaults(shape)
        return shape

    def _result(self, hints: dict[str, Any]) -> Model | None:
        result = hints.get("return", ...)
        if result is type(None):
            return None
        if isinstance(result, type) and issubclass(result, BaseModel):
            return self._reader.model(result)
        raise DeclarationError(
            "the result must be a pydantic model or None: add `-> MyResult` or `-> None`."
        )


def _check_task_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > 100:
        raise DeclarationError(
            "a task is named in snake_case with at most 100 letters: rename the function."
        )
    verb = name.split("_")[0]
    if verb in RESERVED_VERBS:
        raise DeclarationError(
            f"names that begin with {verb!r} are kept for Downbeat's own verbs: rename it."
        )


def _check_is_plain(function: Callable[..., Any]) -> None:
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(is_kind(function) for is_kind in kinds):
        raise DeclarationError("a task is a plain function: no async def and no yield.")


def _check_context(function: Callable[..., Any], hints: dict[str, Any]) -> None:
    first, *rest = [*inspect.signature(function).parameters.values(), None]
    if first is None or hints.get(first.name) is not Context:
        raise DeclarationError("the first parameter must be the context: `ctx: Context`.")
    for parameter in rest[:-1]:
        if parameter is None or parameter.kind is not parameter.KEYWORD_ONLY:
            raise DeclarationError(
                f"the parameter {parameter and parameter.name!r} must be keyword-only: put `*` "
                "after ctx, and no *args or **kwargs."
            )


def _check_parameter(name: str) -> None:
    """Before pydantic gives a name such as model_config its own meaning."""
    try:
        check_name(name)
    except UnsupportedHint as refusal:
        raise DeclarationError(f"the parameter {name!r}: {refusal}.") from None


def _hint(parameter: inspect.Parameter, hints: dict[str, Any]) -> Any:
    if parameter.name not in hints:
        raise DeclarationError(f"the parameter {parameter.name!r} needs a type hint.")
    return hints[parameter.name]


def _default_of(parameter: inspect.Parameter) -> Any:
    return ... if parameter.default is parameter.empty else parameter.default


def _check_defaults(shape: Model) -> None:
    for each in shape.fields:
        info = shape.type.model_fields[each.name]
        if info.is_required():
            continue
        default = info.get_default(call_default_factory=True)
        try:
            shape.type.__pydantic_validator__.validate_assignment(
                shape.type.model_construct(), each.name, default
            )
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise DeclarationError(
                f"the default of {each.name!r} breaks its own hint: {reason}."
            ) from None
        for _, reason in flaws(to_jsonable_python(default), each.shape):
            raise DeclarationError(f"the default of {each.name!r} cannot be sent: {reason}")


def _description(function: Callable[..., Any]) -> str:
    text = function.__doc__ or getattr(inspect.getmodule(function), "__doc__", None)
    if not text or not text.strip():
        raise DeclarationError("say what it does in a docstring, of the function or of its file.")
    return inspect.cleandoc(text)


REGISTRY = Registry()


def task(function: Any = None, /, **options: Unpack[GivenOptions]) -> Callable[[F], F]:
    """Declare a task: the function stays a plain function, callable with a bare Context.

    `on_lost`: "rerun" or "park", what happens when a worker dies in the middle (required).
    `retries`: how many more attempts a run may have after failed or lost ones, 0 to 100 (2).
    `retry_on`: the exception classes after which another attempt makes sense (all; never Failure).
    `backoff`: seconds before the first retry (2); each further one waits twice as long, up to ten
    minutes, give or take a quarter.
    `effects`: "gated" if it touches the world only inside ctx.effect and ctx.once, else "free".
    `unique`: whether an open run of the same owner with the same input is given back instead of a
    second one.
    `soft_time_limit`: seconds after which TimeLimit is raised inside the function.
    `time_limit`: seconds after which its process is ended.
    `queue`: the queue that its knocks go to ("default"); a worker may take some queues only.
    `max_running`: how many of its runs may be RUNNING at once, over all workers.
    `retention_days`: days that final runs are kept, for all or by status, such as
    {"SUCCEEDED": 7}; 0 means for ever (the setting RETENTION_DAYS).
    `permission`: who may start it: "staff", "group:NAME", a Django permission such as
    "reports.publish_report", or a function of the viewer and the checked input (everybody). The
    function is also asked with None as the input: whether there is any input that it would allow.
    """

    def declare(function: F) -> F:
        if not inspect.isfunction(function):
            raise DeclarationError(f"{function!r}: @task declares functions only.")
        REGISTRY.declare(function, **options)
        return function

    if function is not None:
        declare(function)  # a bare @task: refused for its missing on_lost
    return declare
