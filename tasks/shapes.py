"""The types a task may take and give, read from its hints into one small tree.

`shape_of` turns a hint into a Shape or refuses it; `flaws` finds what a value of that shape may not
carry across JSON and GraphQL (NaN, an Int beyond 32 bits, a NUL in a text) with its path.
"""

import datetime as dt
import decimal
import enum
import keyword
import math
import re
import types
import typing
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias, Union, cast

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AnyUrl, BaseModel, RootModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tasks.context import INT_MAX, File
from tasks.text import is_text

BIG_INT_MAX = 2**53 - 1  # what every JSON reader keeps exact (RFC 8259, section 6)

ScalarName: TypeAlias = Literal[
    "String", "Int", "BigInt", "Float", "Boolean", "DateTime", "Date", "Time", "Decimal", "UUID",
    "URL", "JSON", "File",
]  # fmt: skip

Path: TypeAlias = tuple[str | int, ...]

_SCALARS: tuple[tuple[type, ScalarName], ...] = (
    (bool, "Boolean"),  # before int, its base
    (int, "Int"),
    (float, "Float"),
    (dt.datetime, "DateTime"),  # before date, its base
    (dt.date, "Date"),
    (dt.time, "Time"),
    (decimal.Decimal, "Decimal"),
    (uuid.UUID, "UUID"),
    (AnyUrl, "URL"),
    (File, "File"),
    (str, "String"),
)
_SUPPORTED = (
    "use str, int, float, bool, datetime, date, time, Decimal, UUID, AnyUrl, File, an Enum, a "
    "Literal of names, dict, a pydantic model, list[...] of these, or ... | None"
)
_GRAPHQL_NAME = re.compile(r"^[A-Za-z][_0-9A-Za-z]*$")


class UnsupportedHint(Exception):
    """A hint that has no place in the schema; the message says what to use."""


@dataclass(frozen=True)
class Scalar:
    name: ScalarName


@dataclass(frozen=True)
class Choice:
    """One of an enum's members."""

    enum: type[enum.Enum]


@dataclass(frozen=True)
class Listed:
    of: "Shape"


@dataclass(frozen=True)
class Optional:
    """The other shape, or null."""

    of: "Shape"


@dataclass(frozen=True)
class Field:
    """A field of a model. `default` is PydanticUndefined when there is none to show."""

    name: str
    shape: "Shape"
    required: bool
    default: Any
    description: str | None


@dataclass(eq=False)
class Model:
    """A pydantic model; its fields are filled last, so that it may contain itself."""

    type: type[BaseModel]
    fields: list[Field] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.type.__name__

    @cached_property
    def scalars(self) -> frozenset[ScalarName]:
        """The scalars that a value may hold, at any depth; asked for once the fields are there."""
        found: set[ScalarName] = set()
        seen: list[Shape] = [self]
        for shape in seen:  # which grows meanwhile
            if isinstance(shape, Scalar):
                found |= {"String", "BigInt"} if shape.name == "JSON" else {shape.name}
            elif isinstance(shape, Listed | Optional):
                seen.append(shape.of)
            elif isinstance(shape, Model):
                inner = [each.shape for each in shape.fields]
                seen += [each for each in inner if all(each is not known for known in seen)]
        return frozenset(found)

    @property
    def description(self) -> str | None:
        """The model's own docstring; pydantic's BaseModel lends none."""
        return self.type.__doc__ if "__doc__" in vars(self.type) else None


Shape: TypeAlias = Scalar | Choice | Listed | Optional | Model


class ShapeReader:
    """Reads hints into shapes; one model is one Model however often it is met."""

    def __init__(self) -> None:
        self._models: dict[type[BaseModel], Model] = {}

    def model(self, model: type[BaseModel]) -> Model:
        if model not in self._models:
            shape = self._models[model] = Model(model)
            shape.fields.extend(self._fields(model))
        return self._models[model]

    def _fields(self, model: type[BaseModel]) -> Iterator[Field]:
        for name, info in model.model_fields.items():
            try:
                check_name(name)
                shape = self.shape_of(info.annotation, _scope(model, name), info.metadata)
            except UnsupportedHint as refusal:
                raise UnsupportedHint(f"{model.__name__}.{name}: {refusal}") from None
            yield Field(name, shape, info.is_required(), _default(info), info.description)

    def shape_of(self, hint: Any, scope: str, metadata: Sequence[Any] = ()) -> Shape:
        """The shape of a hint. `scope` names the enum that a Literal becomes."""
        if typing.get_origin(hint) is typing.Annotated:
            inner, *more = typing.get_args(hint)
            return self.shape_of(inner, scope, [*metadata, *_flat(more)])
        if isinstance(hint, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
            return self.shape_of(hint.__value__, scope, metadata)
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin in (Union, types.UnionType):
            return self._optional(args, scope, metadata)
        if origin is list:
            return Listed(self.shape_of(args[0], scope))
        if origin is Literal:
            return Choice(_enum_of_literal(args, scope))
        if hint is Any or origin is dict or hint is dict:
            return Scalar("JSON")
        return self._plain(hint, metadata)

    def _optional(self, args: Sequence[Any], scope: str, metadata: Sequence[Any]) -> Shape:
        rest = [arg for arg in args if arg is not types.NoneType]
        if len(rest) != 1 or len(rest) == len(args):
            raise UnsupportedHint(f"a union of several types has no GraphQL type: {_SUPPORTED}")
        return Optional(self.shape_of(rest[0], scope, metadata))

    def _plain(self, hint: Any, metadata: Sequence[Any]) -> Shape:
        if isinstance(hint, type):
            if issubclass(hint, RootModel):
                raise UnsupportedHint(f"a RootModel has no fields for GraphQL: {_SUPPORTED}")
            if issubclass(hint, BaseModel):
                return self.model(hint)
            if issubclass(hint, enum.Enum):
                return Choice(_checked_enum(hint))
            for kind, name in _SCALARS:
                if issubclass(hint, kind):
                    return Scalar("BigInt" if name == "Int" and _is_big(metadata) else name)
        raise UnsupportedHint(f"the hint {_spell(hint)} has no GraphQL type: {_SUPPORTED}")


def scalars(value: Any, shape: Shape, path: Path = ()) -> Iterator[tuple[Path, Any, Shape]]:
    """Every scalar or enum inside a JSON value of this shape, with its path; nulls are left out."""
    if value is None:
        return
    if isinstance(shape, Optional):
        yield from scalars(value, shape.of, path)
    elif isinstance(shape, Listed) and isinstance(value, list):
        for position, item in enumerate(value):
            yield from scalars(item, shape.of, (*path, position))
    elif isinstance(shape, Model) and isinstance(value, dict):
        for each in shape.fields:
            yield from scalars(value.get(each.name), each.shape, (*path, each.name))
    elif isinstance(shape, Scalar) and shape.name == "JSON":
        yield from _inside_json(value, path)
    else:
        yield path, value, shape


def _inside_json(value: Any, path: Path) -> Iterator[tuple[Path, Any, Shape]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield path, key, Scalar("String")
            yield from _inside_json(item, (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _inside_json(item, (*path, position))
    else:
        yield path, value, Scalar("BigInt")


def flaws(value: Any, shape: Shape) -> Iterator[tuple[Path, str]]:
    """The paths and reasons why a JSON value of this shape cannot be stored and answered."""
    for path, item, kind in scalars(value, shape):
        if (reason := _scalar_flaw(item, kind)) is not None:
            yield path, reason


def leaves(value: Any, shape: Shape, name: ScalarName) -> Iterator[tuple[Path, Any]]:
    """The values of this one scalar inside a JSON value of this shape, with their paths."""
    if isinstance(shape, Model) and name not in shape.scalars:
        return
    for path, item, kind in scalars(value, shape):
        if isinstance(kind, Scalar) and kind.name == name:
            yield path, item


def _scalar_flaw(value: Any, shape: Shape) -> str | None:
    if isinstance(value, float | decimal.Decimal) and not math.isfinite(value):
        return "NaN and infinity cannot be sent as JSON."
    if isinstance(value, int) and isinstance(shape, Scalar):
        most = INT_MAX if shape.name == "Int" else BIG_INT_MAX
        if shape.name in ("Int", "BigInt") and not -most - (most == INT_MAX) <= value <= most:
            return f"The number is beyond {shape.name}: it may be at most {most}."
    if isinstance(value, str) and not is_text(value):
        return "The text contains a NUL or half a surrogate pair."
    return None


def _flat(metadata: Sequence[Any]) -> Iterator[Any]:
    for each in metadata:
        yield from each.metadata if isinstance(each, FieldInfo) else (each,)


def _is_big(metadata: Sequence[Any]) -> bool:
    """Whether a constraint reaches beyond GraphQL's 32-bit Int."""
    bounds = (
        getattr(each, word)
        for each in metadata
        for kind, word in ((Ge, "ge"), (Gt, "gt"), (Le, "le"), (Lt, "lt"))
        if isinstance(each, kind)
    )
    return any(not -INT_MAX - 1 <= bound <= INT_MAX for bound in bounds)


def _enum_of_literal(values: Sequence[Any], scope: str) -> type[enum.Enum]:
    if not all(isinstance(value, str) and _GRAPHQL_NAME.match(value) for value in values):
        raise UnsupportedHint("a Literal may hold only strings that are names, such as 'left'")
    members = {value.upper(): value for value in values}
    if len(members) < len(values):
        raise UnsupportedHint("a Literal may not hold strings that differ only by case")
    return _checked_enum(cast(type[enum.Enum], enum.Enum(scope, members)))


def _checked_enum(choice: type[enum.Enum]) -> type[enum.Enum]:
    for member in choice:
        if not isinstance(member.value, str | int) or not _GRAPHQL_NAME.match(member.name):
            raise UnsupportedHint(
                f"the enum {choice.__name__} needs members with names as in GraphQL and values "
                f"that are strings or integers; {member.name} is not"
            )
        if member.name in ("true", "false", "null"):
            raise UnsupportedHint(
                f"{choice.__name__}.{member.name} is a word of GraphQL: rename it"
            )
    return choice


def check_name(name: str) -> None:
    """UnsupportedHint for a name that cannot be a field in GraphQL, graphene and pydantic."""
    if not _GRAPHQL_NAME.match(name) or name.endswith("_") or keyword.iskeyword(name):
        raise UnsupportedHint("the name cannot be a GraphQL field: use letters, digits and inner _")
    if name in ("Meta", "is_type_of") or name.startswith(("resolve_", "model_")):
        raise UnsupportedHint(
            "graphene or pydantic give this name a meaning of their own: rename it"
        )


def _default(info: FieldInfo) -> Any:
    return PydanticUndefined if info.default_factory is not None else info.default


def _scope(model: type[BaseModel], name: str) -> str:
    return model.__name__ + "".join(part.capitalize() for part in name.split("_"))


def _spell(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)
