"""Makes GraphQL types from the tasks' declarations; the only place where shapes meet graphene."""

import enum
import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

import graphene
from graphene.utils.str_converters import to_camel_case
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from schema.context import RequestContext
from schema.core import File
from schema.names import (
    Names,
    given_name,
    input_name,
    mutation_name,
    payload_name,
    type_name,
)
from schema.scalars import BY_NAME
from tasks.exceptions import DeclarationError
from tasks.registry import Task
from tasks.shapes import Choice, Field, Listed, Model, Optional, Scalar, Shape


class TaskTypes:
    """The types of all declared tasks: their inputs, what was given, their results."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self._names = Names()
        self._outputs: dict[type[BaseModel], Any] = {}
        self._inputs: dict[type[BaseModel], Any] = {}
        self._enums: dict[type[enum.Enum], Any] = {}
        self._claim_mutations(tasks)
        self.results = {
            task.result.type: self._output(task.result, type_name(task.result.type))
            for task in tasks.values()
            if task.result is not None
        }
        self.givens = {
            task.input.type: self._output(task.input, given_name(type_name(task.input.type)))
            for task in tasks.values()
            if task.input.fields
        }
        self.inputs = {
            task.name: self._input(task.input) for task in tasks.values() if task.input.fields
        }

    def _claim_mutations(self, tasks: Mapping[str, Task]) -> None:
        """Each task has a mutation and a payload of its own."""
        known: dict[str, str] = {}
        for task in tasks.values():
            twin = known.setdefault(mutation_name(task.name), task.name)
            if twin != task.name:
                raise DeclarationError(
                    f"{task.place}: the tasks {twin} and {task.name} have the same mutation "
                    f"{mutation_name(task.name)}: rename one."
                )
            self._names.claim(payload_name(type_name(task.input.type)), task.input.type)

    def union(self, name: str, members: Mapping[type[BaseModel], Any], about: str) -> Any:
        """A union over generated types; None when there is no member."""
        if not members:
            return None

        def resolve_type(cls: Any, instance: BaseModel, info: Any) -> Any:
            return members[type(instance)]

        types = tuple(dict.fromkeys(members.values()))
        body = {"__doc__": about, "resolve_type": classmethod(resolve_type)}
        return type(name, (graphene.Union,), {**body, "Meta": _meta(types=types)})

    def _output(self, model: Model, name: str) -> Any:
        if model.type not in self._outputs:
            self._names.claim(name, model.type)
            _refuse_twins(model)
            fields = {each.name: self._output_field(each) for each in model.fields}
            self._outputs[model.type] = type(
                name, (graphene.ObjectType,), {**fields, "__doc__": _doc(model)}
            )
            self._make_inner(model, is_input=False)
        return self._outputs[model.type]

    def _make_inner(self, model: Model, *, is_input: bool) -> None:
        """Make the types inside now, so that a clash of names is told in our own words."""
        for each in model.fields:
            self._nullable(_bare(each.shape), is_input=is_input)

    def _output_field(self, each: Field) -> graphene.Field:
        is_file = isinstance(_bare(each.shape), Scalar) and _bare(each.shape) == Scalar("File")
        return graphene.Field(
            lambda: self._reference(each.shape, is_input=False),
            resolver=partial(_resolve_files, each.name) if is_file else None,
            description=each.description,
        )

    def _input(self, model: Model) -> Any:
        if model.type not in self._inputs:
            name = input_name(type_name(model.type))
            self._names.claim(name, model.type)
            _refuse_twins(model)
            fields = {each.name: self._input_field(each) for each in model.fields}
            self._inputs[model.type] = type(
                name,
                (graphene.InputObjectType,),
                # A plain dict: graphene's own container would be broken by a field named `get`.
                {**fields, "__doc__": _doc(model), "Meta": _meta(container=dict)},
            )
            self._make_inner(model, is_input=True)
        return self._inputs[model.type]

    def _input_field(self, each: Field) -> graphene.InputField:
        shape = (
            each.shape
            if each.required or isinstance(each.shape, Optional)
            else Optional(each.shape)
        )
        return graphene.InputField(
            lambda: self._reference(shape, is_input=True),
            description=each.description,
            **_default(each),
        )

    def _reference(self, shape: Shape, *, is_input: bool) -> Any:
        """The type as a field names it: non-null unless the shape is optional."""
        if isinstance(shape, Optional):
            return self._nullable(shape.of, is_input=is_input)
        if shape == Scalar("File") and not is_input:
            return File  # null once it is pruned
        return graphene.NonNull(self._nullable(shape, is_input=is_input))

    def _nullable(self, shape: Shape, *, is_input: bool) -> Any:
        if isinstance(shape, Optional):
            return self._nullable(shape.of, is_input=is_input)
        if isinstance(shape, Listed):
            return graphene.List(self._reference(shape.of, is_input=is_input))
        if isinstance(shape, Choice):
            return self._enum(shape.enum)
        if isinstance(shape, Model):
            return self._input(shape) if is_input else self._output(shape, type_name(shape.type))
        if shape.name == "File":
            return graphene.ID if is_input else File
        return BY_NAME[shape.name]

    def _enum(self, choice: type[enum.Enum]) -> Any:
        if choice not in self._enums:
            name = type_name(choice)
            self._names.claim(name, choice)
            self._enums[choice] = graphene.Enum.from_enum(
                choice, name=name, description=_enum_doc(choice)
            )
        return self._enums[choice]


def _meta(**options: Any) -> type:
    return type("Meta", (), options)


def _doc(model: Model) -> str | None:
    return model.description and inspect.cleandoc(model.description)


def _enum_doc(choice: type[enum.Enum]) -> Any:
    text = vars(choice).get("__doc__")
    return lambda value: None if value or not text else inspect.cleandoc(text)


def _bare(shape: Shape) -> Shape:
    """The shape without the lists and nulls around it."""
    while isinstance(shape, Listed | Optional):
        shape = shape.of
    return shape


def _default(each: Field) -> dict[str, Any]:
    """The default for the SDL to show; that of a model or free value is filled in at the start."""
    shape, default = _bare(each.shape), each.default
    if default is None or default is PydanticUndefined or isinstance(shape, Model):
        return {}
    if shape in (Scalar("JSON"), Scalar("File")):
        return {}
    if isinstance(shape, Choice):
        members = [shape.enum(d) for d in (default if isinstance(default, list) else [default])]
        default = members if isinstance(default, list) else members[0]
    return {"default_value": default}


def _refuse_twins(model: Model) -> None:
    seen: dict[str, str] = {}
    for each in model.fields:
        twin = seen.setdefault(to_camel_case(each.name), each.name)
        if twin != each.name:
            raise DeclarationError(
                f"{model.type.__module__}.{model.name}: {twin} and {each.name} are the same name "
                "in GraphQL: rename one."
            )


def _resolve_files(name: str, root: BaseModel, info: Any) -> Any:
    """The rows behind a model's files, as the viewer may see them."""
    return _rows(getattr(root, name), info.context)


def _rows(value: Any, request: RequestContext) -> Any:
    if isinstance(value, list):
        return [_rows(item, request) for item in value]
    return None if value is None else request.file(value.id)
