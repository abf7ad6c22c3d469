"""GraphQL types follow a task's declaration."""

import datetime as dt
import enum
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

import graphene
import pytest
from graphql import print_schema
from pydantic import BaseModel, Field
from pytest_django import Settings

from schema.generate import TaskTypes
from tasks import Context, File
from tasks.exceptions import DeclarationError
from tasks.registry import Registry

T = TypeVar("T")


class Mood(enum.Enum):
    """How it feels."""

    GOOD = "good"
    BAD = "bad"


class Corner(BaseModel):
    """A point."""

    x: float
    label: Annotated[str | None, Field(description="What it is called.")] = None


class Shape(BaseModel):
    corners: list[Corner]
    mood: Mood = Mood.GOOD


class Report(BaseModel):
    """What came out."""

    shape: Shape
    price: Decimal
    day: dt.date
    big: Annotated[int, Field(le=2**53 - 1)]
    extra: dict[str, Any] | None = None


def types_of(*functions: Callable[..., Any]) -> TaskTypes:
    registry = Registry()
    for function in functions:
        registry.declare(function, on_lost="rerun", retries=0)
    return TaskTypes(registry)


def printed(types: TaskTypes) -> str:
    """The generated types as SDL, without descriptions and blank lines."""

    def resolve(root: Any, info: Any, **given: Any) -> None:
        return None

    fields = {
        name: graphene.Field(graphene.Int, input=graphene.Argument(each), resolver=resolve)
        for name, each in types.inputs.items()
    }
    outputs = [*types.results.values(), *types.givens.values()]
    fields["one"] = graphene.Field(graphene.Int, resolver=resolve)
    query = type("Query", (graphene.ObjectType,), fields)
    text = print_schema(graphene.Schema(query=query, types=outputs).graphql_schema)
    return re.sub(r"\n+", "\n", re.sub(r'\s*""".*?"""', "", text, flags=re.DOTALL))


def draw(
    ctx: Context,
    *,
    shape: Shape,
    files: list[File],
    tags: list[str] = ["a"],  # noqa: B006 - the hint of a task, never changed
    when: dt.datetime | None = None,
    order: Literal["up", "down"] = "up",
    layers: Annotated[int, Field(ge=1)] = 2,
) -> Report:
    """Draw."""
    raise AssertionError


def test_inputs_are_nested_and_defaults_show() -> None:
    sdl = printed(types_of(draw))
    assert (
        """input DrawInput {
  shape: ShapeInput!
  files: [ID!]!
  tags: [String!] = ["a"]
  when: DateTime
  order: DrawOrder = UP
  layers: Int = 2
}"""
        in sdl
    )
    assert "input ShapeInput {\n  corners: [CornerInput!]!\n  mood: Mood = GOOD\n}" in sdl
    assert "input CornerInput {\n  x: Float!\n  label: String\n}" in sdl
    assert "enum DrawOrder {\n  UP\n  DOWN\n}" in sdl


def test_what_was_given_is_an_object_with_files() -> None:
    assert """type DrawGiven {
  shape: Shape!
  files: [File]!
  tags: [String!]!
  when: DateTime
  order: DrawOrder!
  layers: Int!
}""" in printed(types_of(draw))


def test_results_are_nested_objects() -> None:
    sdl = printed(types_of(draw))
    assert (
        """type Report {
  shape: Shape!
  price: Decimal!
  day: Date!
  big: BigInt!
  extra: JSON
}"""
        in sdl
    )
    assert "type Shape {\n  corners: [Corner!]!\n  mood: Mood!\n}" in sdl


def test_descriptions_come_from_docstrings_and_fields() -> None:
    query = type("Query", (graphene.ObjectType,), {"report": graphene.Field(report_type())})
    text = print_schema(graphene.Schema(query=query).graphql_schema)
    assert '"""What came out."""\ntype Report' in text
    assert '"""A point."""\ntype Corner' in text
    assert '  """What it is called."""\n  label: String' in text
    assert '"""How it feels."""\nenum Mood' in text


def report_type() -> Any:
    return types_of(draw).results[Report]


def test_a_task_without_parameters_has_no_input() -> None:
    def rest(ctx: Context) -> None:
        """Rest."""

    types = types_of(rest)
    assert (types.inputs, types.givens, types.results) == ({}, {}, {})
    assert types.union("RunResult", types.results, "Nothing.") is None


def test_two_tasks_may_share_a_result() -> None:
    def one(ctx: Context) -> Report:
        """One."""
        raise AssertionError

    def two(ctx: Context) -> Report:
        """Two."""
        raise AssertionError

    assert len(types_of(one, two).results) == 1


def gives(model: type[BaseModel], name: str = "work") -> Callable[..., Any]:
    def work(ctx: Context) -> Any:
        """Work."""

    work.__name__ = name
    work.__annotations__["return"] = model
    return work


@pytest.mark.parametrize("name", ["Run", "File", "Event", "Query", "DateTime", "RunResult"])
def test_a_model_named_like_a_core_type_is_refused(name: str) -> None:
    model = type(name, (BaseModel,), {"__annotations__": {"x": int}, "__module__": __name__})
    with pytest.raises(DeclarationError, match=f"{name} is one of Downbeat's own types"):
        types_of(gives(model))


def test_a_task_named_like_a_core_type_is_refused() -> None:
    def run(ctx: Context, *, text: str) -> None:
        """Run."""

    def create(ctx: Context, *, text: str) -> None:
        """Create."""

    with pytest.raises(DeclarationError, match=r"RunInput is one of Downbeat's own"):
        types_of(run)


def test_two_models_of_one_name_are_refused_until_one_is_renamed(settings: Settings) -> None:
    other = type("Report", (BaseModel,), {"__annotations__": {"x": int}, "__module__": "acme.jobs"})
    tasks = gives(Report, "one"), gives(other, "two")
    with pytest.raises(DeclarationError, match=r'TYPE_NAMES=\{"acme.jobs.Report"'):
        types_of(*tasks)
    settings.TYPE_NAMES = {"acme.jobs.Report": "AcmeReport"}
    assert types_of(*tasks).results[other].__name__ == "AcmeReport"


def test_a_model_inside_an_input_may_not_take_another_ones_name() -> None:
    inner = type("Corner", (BaseModel,), {"__annotations__": {"y": int}, "__module__": "acme.jobs"})

    def work(ctx: Context, *, corner: Any) -> Shape:
        """Work."""
        raise AssertionError

    work.__annotations__["corner"] = inner
    with pytest.raises(DeclarationError, match="is called Corner too"):
        types_of(work)


def test_fields_that_differ_only_in_case_style_are_refused() -> None:
    fields = {"__annotations__": {"a_b": int, "aB": int}, "__module__": __name__}
    with pytest.raises(DeclarationError, match="a_b and aB are the same name"):
        types_of(gives(type("Twins", (BaseModel,), fields)))


def test_names_that_mean_something_to_a_dict_are_fields_like_others() -> None:
    def work(ctx: Context, *, get: str, keys: int, items: list[str]) -> None:
        """Work."""

    assert "input WorkInput {\n  get: String!\n  keys: Int!\n  items: [String!]!\n}" in printed(
        types_of(work)
    )


def test_defaults_of_every_scalar_show_and_those_of_models_do_not() -> None:
    def work(
        ctx: Context,
        *,
        when: dt.datetime = dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        day: dt.date = dt.date(2026, 1, 2),
        price: Decimal = Decimal("1.50"),
        big: Annotated[int, Field(le=2**53 - 1)] = 2**40,
        moods: list[Mood] = [Mood.BAD],  # noqa: B006
        free: dict[str, int] = {},  # noqa: B006
        corner: Corner = Corner(x=1.0),  # noqa: B008
    ) -> None:
        """Work."""

    assert """input WorkInput {
  when: DateTime = "2026-01-02T00:00:00Z"
  day: Date = "2026-01-02"
  price: Decimal = "1.50"
  big: BigInt = 1099511627776
  moods: [Mood!] = [BAD]
  free: JSON
  corner: CornerInput
}""" in printed(types_of(work))


def test_two_tasks_with_one_mutation_are_refused() -> None:
    def go_1(ctx: Context) -> None:
        """Go."""

    def go1(ctx: Context) -> None:
        """Go."""

    with pytest.raises(DeclarationError, match="the tasks go1 and go_1 have the same mutation go1"):
        types_of(go_1, go1)


def test_a_model_named_like_a_payload_is_refused() -> None:
    payload = type("WorkPayload", (BaseModel,), {"__annotations__": {"x": int}, "__module__": "a"})
    with pytest.raises(DeclarationError, match="is called WorkPayload too"):
        types_of(gives(payload))


def test_a_name_that_is_none_in_graphql_is_refused_until_renamed(settings: Settings) -> None:
    class Page(BaseModel, Generic[T]):
        item: T

    model = Page[int]
    with pytest.raises(DeclarationError, match=r"'Page\[int\]' is no name in GraphQL"):
        types_of(gives(model))
    settings.TYPE_NAMES = {f"{model.__module__}.Page[int]": "IntPage"}
    assert types_of(gives(model)).results[model].__name__ == "IntPage"


def test_an_enum_is_renamed_like_a_model(settings: Settings) -> None:
    settings.TYPE_NAMES = {f"{Mood.__module__}.Mood": "Feeling"}
    assert "mood: Feeling = GOOD" in printed(types_of(draw))
