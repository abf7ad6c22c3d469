"""Visits every field of a schema with every argument that may name something, by introspection.

A visit is an operation that goes the shortest way from a root to one field, and selects what is
below it as deep as the limits of a document let it. A slot is a place in that field's arguments
where an id or a text goes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytest
from graphql import (
    FieldNode,
    GraphQLAbstractType,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
    parse,
)
from graphql import visit as visit_ast

from backend.door.admission import admit
from backend.door.errors import RequestRefused

Path = tuple[str, ...]
DEPTHS = (5, 4, 3, 2, 1, 0)
SHALLOW = 2
PAGE = 2
PAGED = ("first", "last")
NAMING = ("ID", "String", "UUID")
"""Types of values that may name something."""

PLAIN: Mapping[str, Any] = {
    "Int": 1, "BigInt": 3, "Float": 0, "Boolean": True, "DateTime": "2027-01-01T00:00:00Z",
    "Date": "2027-01-01", "Time": "08:00:00", "Decimal": "1.5", "URL": "https://example.org/",
    "JSON": {},
}  # fmt: skip
"""A value of each other type."""


@dataclass(frozen=True)
class Step:
    """One field on the way, of an object of this type."""

    on: GraphQLObjectType
    name: str

    @property
    def field(self) -> GraphQLField:
        field: GraphQLField = self.on.fields[self.name]
        return field


@dataclass(frozen=True)
class Visit:
    """The way to a field, the last of the steps, from the root of this kind of operation."""

    kind: str
    steps: tuple[Step, ...]
    document: str
    shallow: str
    """The same without what lies deeper than a field of what is found."""

    @property
    def name(self) -> str:
        return f"{self.kind} {'.'.join(step.name for step in self.steps)}"

    @property
    def slots(self) -> list[tuple[Path, str]]:
        """Where the last field's arguments may name something, and by a value of which type."""
        last = len(self.steps) - 1
        return [
            (path, leaf.name)
            for name, argument in _arguments(self.steps[last]).items()
            for path, leaf in _leaves(argument.type, (_variable(last, name),))
            if leaf.name in NAMING
        ]

    @property
    def needed(self) -> list[tuple[Path, str]]:
        """Where something must be named for the visit to be possible at all."""
        return [
            (path, leaf.name)
            for place, step in enumerate(self.steps)
            for name, argument in _arguments(step).items()
            if _is_given(argument)
            for path, leaf in _leaves(argument.type, (_variable(place, name),), only_needed=True)
            if leaf.name in NAMING
        ]

    def variables(
        self, chosen: Mapping[Path, Any], slot: Path = (), value: Any = None
    ) -> dict[str, Any]:
        """The variables with what was chosen for each needed place, and a value in the slot."""

        def at(path: Path, leaf: GraphQLNamedType) -> Any:
            return value if path == slot else chosen[path] if path in chosen else plain(leaf)

        given = {}
        for place, step in enumerate(self.steps):
            for name, argument in _arguments(step).items():
                variable = _variable(place, name)
                if _is_given(argument) or slot[:1] == (variable,):
                    given[variable] = _build(argument.type, (variable,), slot, at)
        return given


def plain(leaf: GraphQLNamedType) -> Any:
    """Any value of a type that names nothing."""
    if isinstance(leaf, GraphQLEnumType):
        return next(iter(leaf.values))
    if leaf.name in NAMING:
        return ""
    if leaf.name not in PLAIN:
        pytest.fail(
            f"The type {leaf.name} is unknown here: add it in tests/hostile/visits.py to NAMING, "
            "if its values may name a row, else with a value to PLAIN."
        )
    return PLAIN[leaf.name]


def visits(schema: GraphQLSchema) -> list[Visit]:
    """One for each field that has arguments or leads to an object; others are seen with them."""
    return [
        Visit(kind, way, _document(schema, kind, way), _written(schema, kind, way, SHALLOW))
        for kind, steps, object_type in _ways(schema)
        for way in ((*steps, Step(object_type, name)) for name in object_type.fields)
        if way[-1].field.args or not is_leaf_type(get_named_type(way[-1].field.type))
    ]


def fields(schema: GraphQLSchema, found: Iterable[Visit]) -> set[str]:
    """The fields that the visits select, as `Type.field`."""
    seen = set()
    for visit in found:
        info = TypeInfo(schema)

        class Look(Visitor):
            def enter_field(self, node: FieldNode, *_: Any, info: TypeInfo = info) -> None:
                if isinstance(on := info.get_parent_type(), GraphQLObjectType):
                    seen.add(f"{on.name}.{node.name.value}")

        visit_ast(parse(visit.document), TypeInfoVisitor(info, Look()))
    return seen


def all_fields(schema: GraphQLSchema) -> set[str]:
    """All fields of all objects of the schema."""
    return {
        f"{name}.{field}"
        for name, kind in schema.type_map.items()
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__")
        for field in kind.fields
    }


def _ways(schema: GraphQLSchema) -> list[tuple[str, tuple[Step, ...], GraphQLObjectType]]:
    """The shortest way to an object of each type."""
    roots = {
        "query": schema.query_type,
        "mutation": schema.mutation_type,
        "subscription": schema.subscription_type,
    }
    found: list[tuple[str, tuple[Step, ...], GraphQLObjectType]]
    found = [(kind, (), root) for kind, root in roots.items() if root is not None]
    known = {root.name for _, _, root in found}
    for kind, steps, object_type in found:  # which grows meanwhile
        for name, field in object_type.fields.items():
            for target in _objects(schema, get_named_type(field.type)):
                if target.name not in known:
                    known.add(target.name)
                    found.append((kind, (*steps, Step(object_type, name)), target))
    return found


def _objects(schema: GraphQLSchema, kind: GraphQLNamedType) -> list[GraphQLObjectType]:
    """What a value of this type may be."""
    if is_abstract_type(kind):
        return list(schema.get_possible_types(cast(GraphQLAbstractType, kind)))
    return [kind] if isinstance(kind, GraphQLObjectType) else []


def _document(schema: GraphQLSchema, kind: str, steps: tuple[Step, ...]) -> str:
    for depth in DEPTHS:
        text = _written(schema, kind, steps, depth)
        try:
            admit(parse(text))
        except RequestRefused:
            continue
        return text
    pytest.fail(f"The limits of a document let nobody visit {steps[-1].on}.{steps[-1].name}.")


def _written(schema: GraphQLSchema, kind: str, steps: tuple[Step, ...], depth: int) -> str:
    declared = [
        f"${_variable(place, name)}: {argument.type}"
        for place, step in enumerate(steps)
        for name, argument in _arguments(step).items()
        if step is steps[-1] or _is_given(argument)
    ]
    text = _selected(schema, get_named_type(steps[-1].field.type), depth)
    for place, step in reversed(list(enumerate(steps))):
        given = [
            f"{name}: ${_variable(place, name)}"
            for name, argument in _arguments(step).items()
            if step is steps[-1] or _is_given(argument)
        ]
        text = f"{step.name}{_in_brackets(step, given)}{text}"
        if place:
            text = f" {{ ... on {step.on.name} {{ {text} }} }}"
    variables = f"({', '.join(declared)})" if declared else ""
    return f"{kind}{variables} {{ {text} }}"


def _in_brackets(step: Step, given: list[str]) -> str:
    page = next((name for name in PAGED if name in step.field.args), None)
    given = [*given, f"{page}: {PAGE}"] if page else given
    return f"({', '.join(given)})" if given else ""


def _selected(schema: GraphQLSchema, kind: GraphQLNamedType, depth: int) -> str:
    """Everything below a field of this type, so many levels deep; nothing below a leaf.

    Of 1,000 runs nobody may ask for everything: there it is zero levels deep.
    """
    objects = _objects(schema, kind)
    if not objects:
        return ""
    if depth == 0:
        return " { __typename }"
    is_one = len(objects) == 1 and objects[0] is kind
    types_of: dict[str, set[str]] = {}
    for each in objects:
        for name, field in each.fields.items():
            types_of.setdefault(name, set()).add(str(field.type))
    parts = []
    for each in objects:
        names = " ".join(
            f"{f'{each.name}_{name}: ' if len(types_of[name]) > 1 else ''}{text}"
            for name in each.fields
            if (text := _field(schema, Step(each, name), depth))
        )
        parts.append(names if is_one else f"... on {each.name} {{ {names} }}")
    return f" {{ __typename {' '.join(parts)} }}"


def _field(schema: GraphQLSchema, step: Step, depth: int) -> str:
    """A field below others; nothing if it needs arguments, or lies too deep."""
    named = get_named_type(step.field.type)
    if any(
        is_required_argument(each) for name, each in step.field.args.items() if name not in PAGED
    ):
        return ""
    if is_leaf_type(named):
        return step.name
    if depth == 1:
        return ""
    return f"{step.name}{_in_brackets(step, [])}{_selected(schema, named, depth - 1)}"


def _arguments(step: Step) -> dict[str, GraphQLArgument]:
    """The field's arguments but those that say how long a page is, which are written out."""
    return {name: each for name, each in step.field.args.items() if name not in PAGED}


def _is_given(argument: GraphQLArgument) -> bool:
    return isinstance(argument.type, GraphQLNonNull)


def _variable(place: int, name: str) -> str:
    return f"{name}_{place}"


def _leaves(
    kind: GraphQLInputType,
    path: Path = (),
    within: tuple[GraphQLNamedType, ...] = (),
    *,
    only_needed: bool = False,
) -> Iterator[tuple[Path, GraphQLNamedType]]:
    """Every leaf in a value of this type; those of a type within itself once."""
    named = get_named_type(kind)
    if not isinstance(named, GraphQLInputObjectType):
        yield path, named
    elif named not in within:
        for name in _members(named, path) if only_needed else named.fields:
            inner = named.fields[name].type
            yield from _leaves(inner, (*path, name), (*within, named), only_needed=only_needed)


def _members(kind: GraphQLInputObjectType, path: Path, slot: Path = ()) -> list[str]:
    """The fields that a value has: those that it needs, and the one on the way to the slot."""
    wanted = slot[len(path)] if slot[: len(path)] == path and len(slot) > len(path) else None
    if getattr(kind, "is_one_of", False):
        return [wanted or next(iter(kind.fields))]
    return [n for n, each in kind.fields.items() if n == wanted or is_required_input_field(each)]


def _build(
    kind: GraphQLInputType, path: Path, slot: Path, at: Callable[[Path, GraphQLNamedType], Any]
) -> Any:
    if isinstance(kind, GraphQLNonNull):
        return _build(kind.of_type, path, slot, at)
    if isinstance(kind, GraphQLList):
        return [_build(kind.of_type, path, slot, at)]
    if not isinstance(kind, GraphQLInputObjectType):
        return at(path, cast(GraphQLNamedType, kind))
    return {
        name: _build(kind.fields[name].type, (*path, name), slot, at)
        for name in _members(kind, path, slot)
    }
